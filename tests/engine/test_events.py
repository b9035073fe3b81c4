import json
import pickle
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from ptycho_engine import events
from ptycho_engine.arrays import frozen_array
from ptycho_engine.artefacts.strict_json import json_text
from ptycho_engine.documents import (
    Canvas,
    Diagnosis,
    FitFigures,
    LossHistory,
    PatchStats,
    ReconstructionMetrics,
    Rectangle,
    RunRecord,
)
from ptycho_engine.errors import DatasetError, EngineError
from ptycho_engine.events import Delivery, EngineEvent
from ptycho_engine.formats import read_dataset, write_dataset
from ptycho_engine.runs.event_record import event_name, event_record
from tests.engine.test_inference import _bundle
from tests.helpers.tiny_scan import tiny_scan

PATCHES = frozen_array(np.ones((2, 4, 4)) * 1j, np.complex64)
AMPLITUDES = frozen_array(np.ones((2, 4, 4)), np.float32)
POSITIONS = frozen_array(np.zeros((2, 2)), np.float64)
CANVAS = Canvas(PATCHES[0], AMPLITUDES[0], (3, 4), POSITIONS, 4, 2, network_per_physical=3.6)
HISTORY = LossHistory(*(frozen_array([1.0, float("nan")], kind) for kind in (float, float, float, float, float)))
METRICS = ReconstructionMetrics(0.9, float("nan"), 0.8, 20.0, 0.7, 12)

EVENTS: list[EngineEvent] = [
    events.JobStarted("train", "CPU · 1 thread", 10, "steps", Path("run")),
    events.MessageLogged("info", "begins"),
    events.Progressed(1, 2, "patches", None),
    events.DatasetOpened(tiny_scan()),
    events.BundleLoaded(_bundle()),
    events.StepDone(1, 2, 0, 1, 0.5),
    events.LossMeasured(0, 0, 1e10, 1e-3, float("inf"), 20.0),
    events.EpochDone(0, 1, 1, 1.0, None, 1e-3, True),
    events.ValidationMeasured(0, 0, FitFigures(0.1, 0.3, 1.1, float("nan"), 0.9, 0.9, 0.9, 64, "test")),
    events.PatchPreview("train", 0, PATCHES, AMPLITUDES, None, frozen_array([0, 1], np.int64), POSITIONS, 3.6, 9.9),
    events.StatsMeasured(0, PatchStats("train", 0, 2, 1.0, float("nan"), 0.1, ((0, 1.0, 0.5, 0.0, 2.0),))),
    events.CanvasUpdated(CANVAS, Rectangle(0, 0, 4, 4), 1, 2),
    events.MetricsMeasured(METRICS),
    events.RefinementBegan(CANVAS, 20, 9),
    events.MisfitMeasured(3, 20, 0.1, None, None, 0.9, 1.5),
    events.DiagnosisFound(Diagnosis("note", "info", "something", "", {"value": 1.0})),
    events.DiagnosisWithdrawn("note", 3),
    events.CheckpointSaved(Path("a.ckpt"), 1, 2, True),
    events.BundleSaved(Path("wts.h5.zip")),
    events.TrainingCompleted(_bundle(), HISTORY, None),
    events.InferenceCompleted(CANVAS, METRICS, None, 1.0, 2.0),
    events.FileWritten(Path("scan.npz")),
    events.RunFound(RunRecord(Path("run"), "train", "running"), "PtychoPINN", Path("scan.npz")),
    events.RunObserved(RunRecord(Path("run"), "train", "running"), 3.0),
    events.FiguresLogged(0, 0, {"mae_pred_l2_alpha_step": 0.5}),
    events.RunEnded(RunRecord(Path("run"), "train", "stopped"), died=True, message="gone"),
]
NAMES = [type(event).__name__ for event in EVENTS]


def _same(one: Any, other: Any) -> bool:
    if is_dataclass(one):
        return type(one) is type(other) and all(
            _same(getattr(one, spec.name), getattr(other, spec.name)) for spec in fields(one)
        )
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float):
        return one == other or (one != one and other != other)
    return bool(one == other) or type(one).__name__.endswith("Frames")


def test_every_event_is_tested_here() -> None:
    assert set(NAMES) == {kind.__name__ for kind in get_args(EngineEvent)}


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_events_survive_pickling(event: EngineEvent) -> None:
    back = pickle.loads(pickle.dumps(event))
    assert _same(event, back)


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_events_are_frozen_slotted_and_say_how_they_travel(event: EngineEvent) -> None:
    assert type(event).delivery in (Delivery.LATEST, Delivery.EVERY)
    assert not hasattr(event, "__dict__")
    with pytest.raises((AttributeError, TypeError)):
        setattr(event, fields(event)[0].name, None)


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_events_are_one_short_line_of_strict_json(event: EngineEvent) -> None:
    line = json_text(event_record(event), indent=None)
    assert "\n" not in line
    assert len(line) < 2000

    def refuse(word: str) -> None:
        raise AssertionError(word)

    assert json.loads(line, parse_constant=refuse)["event"] == event_name(event)


def test_names_in_json() -> None:
    assert event_name(EVENTS[6]) == "loss_measured"


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(DatasetError("is empty", "Choose another.", file="x.npz")))
    assert isinstance(error, DatasetError)
    assert (str(error), error.exit_status) == ("x.npz: is empty. Choose another.", 3)
    assert isinstance(error, EngineError)


def test_a_dataset_on_disk_reopens_its_file_after_pickling(tmp_path: Path) -> None:
    scan = tiny_scan()
    write_dataset(
        tmp_path / "scan.npz",
        diffraction=scan.diffraction(slice(None)),
        scan_positions=scan.scan_positions,
        probe=scan.probe,
    )
    dataset = read_dataset(tmp_path / "scan.npz")
    event = pickle.loads(pickle.dumps(events.DatasetOpened(dataset)))
    assert len(pickle.dumps(dataset)) < 300_000
    np.testing.assert_array_equal(event.dataset.diffraction(slice(2, 4)), scan.diffraction(slice(2, 4)))
