"""Two runs, of this program or of PtychoPINN: settings, losses, metrics, statistics, and what they trained."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptycho_engine.comparison.bundles import add_bundles, tensor_figures
from ptycho_engine.comparison.differences import Comparison, Found
from ptycho_engine.errors import InputError
from ptycho_engine.inspection_folders import stats_row
from ptycho_engine.runs.run_contents import RunContents, find_run

_ABOUT = ("written_by", "verb", "state")
_DESCRIBED = ("version", "device", "seed", "dataset", "test_dataset", "bundle")


def compare_runs(a: Path, b: Path) -> Comparison:
    """Compare two run folders.

    Raises
    ------
    InputError
        If one of them holds no run.
    """
    one, other = _run(a), _run(b)
    found = Found()
    found.tables("run", *(_about(each) for each in (one, other)))
    if one.description or other.description:
        # Of two runs of PtychoPINN the bundles say the same, below.
        found.tables("configuration", one.configuration, other.configuration)
    found.tables("losses", *(_losses(each) for each in (one, other)))
    found.tables("metrics", one.metrics, other.metrics)
    found.tables("patch statistics", *(_stats(each) for each in (one, other)))
    found.tables("debug dumps", one.dumps, other.dumps)
    figures: dict[str, Any] = {}
    if one.bundle is not None and other.bundle is not None:
        add_bundles(found, one.bundle, other.bundle)
        figures |= tensor_figures(one.bundle.state, other.bundle.state)
    figures["files_only_in_the_first"] = sorted(set(one.files) - set(other.files))
    figures["files_only_in_the_second"] = sorted(set(other.files) - set(one.files))
    return found.finish("run", a, b, figures)


def _run(folder: Path) -> RunContents:
    run = find_run(folder)
    if run is None:
        raise InputError("holds no run", "Give the folder of a training or an inference.", file=folder)
    return run


def _about(run: RunContents) -> dict[str, Any]:
    about: dict[str, Any] = {key: getattr(run, key) for key in _ABOUT}
    return about | {key: run.description[key] for key in _DESCRIBED if key in run.description}


def _losses(run: RunContents) -> dict[str, Any]:
    if run.losses is None:
        return {}
    values: dict[str, Any] = {"n_epochs": run.losses.n_epochs, "n_rows": run.losses.n_rows}
    for name, column in run.losses.columns.items():
        values |= {f"{name}.{key}": value for key, value in asdict(column).items() if key in ("last", "least")}
    return values


def _stats(run: RunContents) -> dict[str, Any]:
    return {stored.name: stats_row(stored.entries[0]) for stored in run.stats}
