"""Opening a run folder (its scans, its bundle, the training that can go on), a debug dump or patch statistics."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from app.state.app_events import FiguresOpened, RunOpened
from app.state.app_state import document_id
from app.state.requests import TrainRequest
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import RunRecord
from ptycho_engine.errors import EngineError
from ptycho_engine.events import BundleLoaded, DatasetOpened, EngineEvent, MessageLogged
from ptycho_engine.runs.run_figures import RunFigures


def holds_figures(path: Path) -> bool:
    """Tell whether ``path`` is a folder, or a table of text as runs and debug dumps hold them."""
    if path.is_dir():
        return True
    if not path.is_file():
        return False  # A pipe would block.
    from ptycho_engine.inspection_folders import looks_like_json

    try:
        return looks_like_json(path)
    except OSError:
        return False  # The readers say what is wrong with it.


def open_figures(path: Path) -> Iterator[EngineEvent | RunOpened | FiguresOpened]:
    """Yield a run with what it names and holds, or the figures of a debug dump or of patch statistics."""
    from ptycho_engine.runs.run_figures import read_figures

    folder = run_folder_of(path)
    if folder is not None:
        yield from open_run(folder)
        return
    figures = read_figures(path)
    yield from _problems(figures)
    run = figures.run
    if run is None:
        yield FiguresOpened(figures)
        return
    if run.bundle is not None:
        yield BundleLoaded(run.bundle)
    # A run of PtychoPINN that is not complete may still be going on elsewhere; nothing here can resume it.
    state: Literal["completed", "stopped"] = "completed" if run.state == "completed" else "stopped"
    n_epochs = run.losses.n_epochs if run.losses is not None else 0
    record = RunRecord(
        run.path, run.verb, state, max(n_epochs - 1, 0), n_epochs, bundle=run.bundle.path if run.bundle else None
    )
    yield RunOpened(record, None, figures)


def _problems(figures: RunFigures) -> Iterator[MessageLogged]:
    for problem in figures.problems:
        yield MessageLogged("warning", problem)


def run_folder_of(path: Path) -> Path | None:
    """Return the run folder that ``path`` stands for, ``None`` if it stands for something else."""
    folder = path.parent if path.name == "run.json" else path
    return folder if (folder / "run.json").is_file() else None


def open_run(folder: Path) -> Iterator[EngineEvent | RunOpened]:
    """Yield what a run folder names and holds, then the run."""
    from ptycho_engine.formats import read_dataset
    from ptycho_engine.runs.run_figures import read_figures
    from ptycho_engine.runs.run_folder import read_run

    record = read_run(folder)
    values = _description(folder)
    opened: dict[str, str | None] = {}
    # The scan to train on comes last, so that it becomes the current one.
    for role, entry in [*_further(values).items(), *((role, values.get(role)) for role in ("test_dataset", "dataset"))]:
        path = _path_of(entry)
        if path is None:
            continue
        try:
            dataset = read_dataset(path)
        except EngineError as error:
            yield MessageLogged("warning", f"The scan of {folder.name} cannot be opened: {error}")
            continue
        opened[role] = document_id("dataset", dataset.name, dataset.path)
        yield DatasetOpened(dataset)
    figures = read_figures(folder)
    yield from _problems(figures)
    if figures.bundle is not None:
        yield BundleLoaded(figures.bundle)
    yield RunOpened(record, _request(record, values, opened), figures)


def _description(folder: Path) -> Mapping[str, Any]:
    try:
        values = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _further(values: Mapping[str, Any]) -> dict[str, Any]:
    entries = values.get("further_datasets")
    return {f"further {index}": one for index, one in enumerate(entries)} if isinstance(entries, list) else {}


def _path_of(entry: Any) -> Path | None:
    path = entry.get("path") if isinstance(entry, dict) else None
    return Path(path) if isinstance(path, str) and path else None


def _request(record: RunRecord, values: Mapping[str, Any], opened: Mapping[str, str | None]) -> TrainRequest | None:
    configuration = values.get("configuration")
    if record.verb != "train" or "dataset" not in opened or not isinstance(configuration, dict):
        return None
    if values.get("test_dataset") is not None and "test_dataset" not in opened:
        return None
    further = [opened.get(role) for role in _further(values)]
    if None in further:
        return None
    try:
        config = TrainConfig.from_dict(configuration)
    except (EngineError, TypeError):
        # Written by another version, with settings that this one does not know.
        return None
    from ptycho_engine.runs.detached import noted_process

    return TrainRequest(
        config,
        opened["dataset"],
        opened.get("test_dataset"),
        record.path,
        further_dataset_ids=tuple(one for one in further if one),
        # It goes on as it was begun.
        detached=noted_process(record.path) is not None,
    )
