"""The artefact inventory of a run: its files with digests, its configuration, key metrics and findings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptycho_engine.artefacts.inventory import FileEntry, list_entries
from ptycho_engine.diagnostics.phase_comparison import causes, comparison_rows, inference_figures, training_figures
from ptycho_engine.documents import Bundle, Diagnosis
from ptycho_engine.errors import InputError
from ptycho_engine.inspection import inspect_file
from ptycho_engine.inspection_folders import flat_numbers
from ptycho_engine.ordinary_file import require_readable
from ptycho_engine.runs.run_contents import RunContents, StoredStats, find_run
from ptycho_engine.runs.run_figures import phase_of

_DESCRIBED = ("version", "command", "started", "ended", "message", "seed", "device", "python")
_INPUTS = ("dataset", "test_dataset", "bundle")
_STORED_NAMES = {"mean": "global_mean", "std": "global_std", "var(zero-mean)": "var_zero_mean"}
_WEIGHTLESS = {"report.html"}
"""Written by the report itself."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table of key metrics."""

    group: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything that the report of a run tells."""

    folder: Path
    written_by: str
    verb: str
    state: str
    about: Mapping[str, Any] = field(default_factory=dict)
    """When, how and from what it was made, as far as recorded."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    files: tuple[FileEntry, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    problems: tuple[str, ...] = ()
    """Parts that could not be read."""

    @property
    def n_bytes(self) -> int:
        """Size of all files together."""
        return sum(entry.n_bytes for entry in self.files)


def report_run(folder: str | Path) -> RunReport:
    """Make the artefact inventory of a run folder, this program's or PtychoPINN's.

    Every file is read once for its digest; nothing in the folder is changed.

    Parameters
    ----------
    folder
        The folder.

    Raises
    ------
    InputError
        If it holds no run.
    """
    folder = Path(folder)
    require_readable(folder)
    run = find_run(folder) if folder.is_dir() else None
    if run is None:
        raise InputError("is not a run folder", "Give the folder that a training or an inference wrote.", file=folder)
    about = {key: run.description[key] for key in (*_DESCRIBED, *_INPUTS) if run.description.get(key) is not None}
    if run.bundle is not None and not about:
        about = {key: value for key, value in run.bundle.provenance.items() if key != "upstream_records"}
    return RunReport(
        folder=folder,
        written_by=run.written_by,
        verb=run.verb,
        state=run.state,
        about=about,
        configuration=run.configuration,
        metrics=tuple(_metrics(run)),
        files=tuple(list_entries(folder, tuple(name for name in run.files if name not in _WEIGHTLESS))),
        diagnoses=(*run.diagnoses, *_bundle_diagnoses(run)),
        problems=run.problems,
    )


def _bundle_diagnoses(run: RunContents) -> tuple[Diagnosis, ...]:
    if run.bundle is None or run.bundle.path is None:
        return ()
    told = {each.id for each in run.diagnoses}
    return tuple(each for each in inspect_file(run.bundle.path).diagnoses if each.id not in told)


def _metrics(run: RunContents) -> list[Metric]:
    rows = []
    if run.losses is not None:
        rows.append(Metric("training", "epochs", run.losses.n_epochs))
        for name, column in run.losses.columns.items():
            rows.append(Metric("training", f"{name}, last", column.last))
            if column.n > 1:
                rows.append(Metric("training", f"{name}, least", column.least))
    rows += [Metric("against the data and the known object", *row) for row in flat_numbers(run.metrics).items()]
    for stored in run.stats:
        entry = stored.entries[0]
        for key in ("global_mean", "global_std", "var_zero_mean"):
            rows.append(Metric(f"patch amplitude, {_phase(stored)}", key, getattr(entry, key)))
    rows += _ratios(run.stats, run.bundle)
    for name, dump in run.dumps.items():
        rows += [Metric(f"debug dump {name}", *row) for row in flat_numbers(dump).items()]
    return rows + ([] if run.bundle is None else _bundle_metrics(run.bundle))


def _phase(stored: StoredStats) -> str:
    return f"{stored.entries[0].phase} ({os.path.basename(stored.name)})"


def _ratios(stats: tuple[StoredStats, ...], bundle: Bundle | None) -> list[Metric]:
    """Return inference over training of what both logged, and what it means."""
    train, infer = (phase_of(stats, phase) for phase in ("train", "inference"))
    if not train or not infer:
        return []
    logged = (train[0].entries, infer[0].entries)
    figures = comparison_rows(training_figures(logged[0]), inference_figures(logged[1]))
    group = "patch amplitude, inference / training"
    rows = [Metric(group, _STORED_NAMES[row.name], row.ratio) for row in figures if row.name in _STORED_NAMES]
    words = causes(*logged, bundle)
    return [row for row in rows if row.value is not None] + [
        Metric(group, "in words" if number == 1 else f"in words ({number})", text)
        for number, text in enumerate(words, start=1)
    ]


def _bundle_metrics(bundle: Bundle) -> list[Metric]:
    values = {
        "architecture": bundle.model.architecture,
        "release": bundle.era,
        "N": bundle.model.n,
        "gridsize": bundle.model.gridsize,
        "parameters": bundle.n_parameters,
        "intensity scale": bundle.intensity_scale,
        "its origin": bundle.intensity_scale_origin,
        "input scale": bundle.input_scale,
    }
    return [Metric("bundle", name, value) for name, value in values.items() if value is not None]
