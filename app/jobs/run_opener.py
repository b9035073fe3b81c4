"""Opening a run folder: its scans, its bundle, and the training that can go on."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.state.app_events import RunOpened
from app.state.app_state import document_id
from app.state.requests import TrainRequest
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import RunRecord
from ptycho_engine.errors import EngineError
from ptycho_engine.events import BundleLoaded, DatasetOpened, EngineEvent, MessageLogged


def run_folder_of(path: Path) -> Path | None:
    """Return the run folder that ``path`` stands for, ``None`` if it stands for something else."""
    folder = path.parent if path.name == "run.json" else path
    return folder if (folder / "run.json").is_file() else None


def open_run(folder: Path) -> Iterator[EngineEvent | RunOpened]:
    """Yield what a run folder names and holds, then the run."""
    from ptycho_engine.bundles import read_bundle
    from ptycho_engine.formats import read_dataset
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
    if record.bundle is not None:
        yield BundleLoaded(read_bundle(record.bundle))
    yield RunOpened(record, _request(record, values, opened))


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
    return TrainRequest(
        config, opened["dataset"], opened.get("test_dataset"), record.path, False, tuple(one for one in further if one)
    )
