import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.jobs.run_opener import open_run, run_folder_of
from app.jobs.verbs import EngineVerbs
from app.state.app_events import RunOpened
from ptycho_engine.config import TrainConfig
from ptycho_engine.errors import InputError
from ptycho_engine.events import DatasetOpened, MessageLogged
from ptycho_engine.formats import write_dataset


def write_scan(path: Path) -> Path:
    rng = np.random.default_rng(0)
    positions = rng.uniform(40, 60, (5, 2))
    diffraction = rng.random((5, 64, 64)).astype(np.float32)
    write_dataset(path, diffraction=diffraction, scan_positions=positions, probe=np.ones((1, 64, 64), np.complex64))
    return path


def write_run(folder: Path, **values: Any) -> Path:
    folder.mkdir()
    described = {"format": "ptychoscope-run-1", "verb": "train", "state": "stopped", "epoch": 1, **values}
    (folder / "run.json").write_text(json.dumps(described))
    return folder


def test_a_stopped_training_opens_with_its_scans_and_can_go_on(tmp_path: Path) -> None:
    train, test = write_scan(tmp_path / "train.npz"), write_scan(tmp_path / "test.npz")
    config = TrainConfig(epochs=3, learning_rate=1e-3)
    folder = write_run(
        tmp_path / "run",
        configuration=asdict(config),
        dataset={"path": str(train)},
        test_dataset={"path": str(test)},
    )
    *scans, opened = EngineVerbs().open_file(folder / "run.json")
    assert [scan.dataset.path for scan in scans if isinstance(scan, DatasetOpened)] == [test, train]
    assert isinstance(opened, RunOpened)
    assert (opened.run.state, opened.run.epoch) == ("stopped", 1)
    assert opened.request is not None
    assert (opened.request.config, opened.request.run_folder) == (config, folder)
    assert opened.request.dataset_id == f"dataset:{train}"
    assert opened.request.test_dataset_id == f"dataset:{test}"


def test_a_training_on_several_scans_opens_with_all_of_them(tmp_path: Path) -> None:
    first, more = write_scan(tmp_path / "train.npz"), write_scan(tmp_path / "more.npz")
    described = {"configuration": {}, "dataset": {"path": str(first)}, "further_datasets": [{"path": str(more)}]}
    *scans, opened = EngineVerbs().open_file(write_run(tmp_path / "run", **described))
    assert [scan.dataset.path for scan in scans if isinstance(scan, DatasetOpened)] == [more, first]
    assert isinstance(opened, RunOpened)
    assert opened.request is not None
    assert opened.request.further_dataset_ids == (f"dataset:{more}",)
    more.unlink()
    *_, opened = EngineVerbs().open_file(tmp_path / "run")
    assert isinstance(opened, RunOpened)
    assert opened.request is None


@pytest.mark.parametrize(
    "values",
    [
        {"dataset": {"path": "/nowhere/gone.npz"}, "configuration": {}},
        {"configuration": {}},
        {"dataset": {}, "configuration": {"epochs": 3}},
    ],
)
def test_without_its_scan_a_run_is_only_shown(tmp_path: Path, values: dict[str, Any]) -> None:
    *told, opened = open_run(write_run(tmp_path / "run", **values))
    assert isinstance(opened, RunOpened)
    assert opened.request is None
    assert all(isinstance(event, MessageLogged) for event in told)


@pytest.mark.parametrize("configuration", [None, {"novelty": 1}, {"epochs": -1}])
def test_settings_of_another_version_are_not_guessed(tmp_path: Path, configuration: object) -> None:
    scan = write_scan(tmp_path / "train.npz")
    folder = write_run(tmp_path / "run", dataset={"path": str(scan)}, configuration=configuration)
    *_, opened = open_run(folder)
    assert isinstance(opened, RunOpened)
    assert opened.request is None


def test_other_folders_are_no_runs(tmp_path: Path) -> None:
    assert run_folder_of(tmp_path) is None
    assert run_folder_of(tmp_path / "run.json") is None
    with pytest.raises(InputError):
        list(open_run(tmp_path))
