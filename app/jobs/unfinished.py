"""Which trainings run, written down while they do, so that one that was cut off is offered at the next start."""

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from app.jobs.run_opener import open_run
from app.settings import state_folder
from app.state.app_events import NoticeRaised, RunOpened
from app.state.app_state import Notice, run_id
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.errors import EngineError
from ptycho_engine.events import EngineEvent
from ptycho_engine.ordinary_file import read_small

RESUME_KEY = "resume:"
"""Begins the key of a notice whose button goes on with a training; the id of the run follows."""
_MAX_BYTES = 1 << 16


def marked(events: Iterator[EngineEvent], run_folder: Path) -> Generator[EngineEvent, None, None]:
    """Pass on the events of a training; while it runs, a file in the state folder names its run.

    A training that ends, fails or is stopped takes the file away; one whose process is killed leaves it.
    """
    mark = _marks_folder() / f"{os.getpid()}-{run_folder.name[:100]}.run"
    # Without the file the training is not offered by itself; it can still be opened and resumed.
    with suppress(EngineError, OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(mark, partial(_write, run_folder))
    try:
        yield from events
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
        with suppress(OSError):
            mark.unlink(missing_ok=True)


def offer_unfinished() -> Iterator[EngineEvent | RunOpened | NoticeRaised]:
    """Open the trainings whose process has gone without ending them, and ask whether to go on; once for each."""
    from ptycho_engine.runs.run_folder import read_run

    for mark in sorted(_marks_folder().glob("*.run")):
        try:
            folder = Path(os.fsdecode(read_small(mark, _MAX_BYTES)))
            run = read_run(folder)
        except (EngineError, ValueError):
            # The run has been removed, or its disk is not there.
            _forget(mark)
            continue
        if run.state == "running":
            continue
        _forget(mark)
        if run.state != "stopped" or run.checkpoint is None:
            continue
        try:
            yield from open_run(folder)
        except EngineError:
            continue
        text = f"The training {folder.name} was cut off after epoch {run.epoch} of {run.n_epochs}. Its state is kept."
        action = f"Continue from epoch {run.epoch}"
        yield NoticeRaised(Notice(f"{RESUME_KEY}{run_id(folder)}", "warning", text, str(folder), action=action))


def _marks_folder() -> Path:
    return state_folder() / "running"


def _write(run_folder: Path, stream: BinaryIO) -> None:
    stream.write(os.fsencode(run_folder))


def _forget(mark: Path) -> None:
    with suppress(OSError):
        mark.unlink()
