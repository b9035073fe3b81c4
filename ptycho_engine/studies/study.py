"""Run the trials of a study one after another, and keep each outcome as soon as it is there."""

import os
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import OutputError
from ptycho_engine.events import EngineEvent, MessageLogged, Progressed
from ptycho_engine.studies.tables import study_tables
from ptycho_engine.studies.trial import Outcome, Trial, run_trial

OUTCOMES_FILE = "outcomes.jsonl"
TABLES_FILE = "tables.md"


def run_study(
    trials: Sequence[Trial], scans: Mapping[str, tuple[Dataset, Dataset]], folder: Path
) -> Generator[EngineEvent, None, None]:
    """Run those trials whose outcome is not kept in ``folder`` yet; :func:`write_tables` makes tables of them.

    Parameters
    ----------
    trials
        What to run; the same trial is run once, however many tables show it.
    scans
        By the name that the trials use: the scan to train on, and the one to test on.
    folder
        Where outcomes are kept, one line each. Whoever stops a study goes on with it later.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    EngineError
        If a trial cannot be run at all.
    """
    path = make_folder(folder) / OUTCOMES_FILE
    kept = read_outcomes(path)
    missing = list({trial.key: trial for trial in trials if trial.key not in kept}.values())
    if len(missing) < len({trial.key for trial in trials}):
        yield MessageLogged("info", f"{len(kept)} outcomes were kept in {path}; {len(missing)} trials are left")
    started = time.monotonic()
    for done, trial in enumerate(missing):
        left = (time.monotonic() - started) / done * (len(missing) - done) if done else None
        yield Progressed(done, len(missing), "trainings", left)
        outcome = yield from run_trial(trial, *scans[trial.scan])
        _append(path, outcome)
        kept[trial.key] = outcome
        yield MessageLogged("info", _line(trial, outcome))
    yield Progressed(len(missing), len(missing), "trainings", 0.0)


def write_tables(trials: Sequence[Trial], folder: Path) -> str:
    """Write the tables of what is kept in ``folder`` so far, and return their text."""
    text = study_tables(trials, read_outcomes(folder / OUTCOMES_FILE))

    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    atomic_write(folder / TABLES_FILE, write, None)
    return text


def read_outcomes(path: Path) -> dict[str, Outcome]:
    """Return the outcomes of a file by their keys; a line that was cut short is left out."""
    outcomes = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                outcome = Outcome.from_json(line)
            except ValueError:
                continue
            outcomes[outcome.key] = outcome
    return outcomes


def _append(path: Path, outcome: Outcome) -> None:
    try:
        with path.open("ab") as file:
            # A line that was cut short before must not swallow this one.
            torn = file.tell() > 0 and not path.read_bytes().endswith(b"\n")
            file.write(b"\n" * torn + outcome.as_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", "Choose another folder.", file=path) from error


def _line(trial: Trial, outcome: Outcome) -> str:
    named = f", error told in epoch {outcome.named_in_epoch}" if outcome.named_in_epoch is not None else ""
    return (
        f"{trial.table}: {trial.row}, seed {outcome.seed}: complex correlation {outcome.complex:.3f}, "
        f"{outcome.train_seconds:.0f} s{', ill at the end' if outcome.collapsed else ''}{named}"
    )
