"""A verb that reads a scan ends between two blocks of patterns when it is asked to stop."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine import batches
from ptycho_engine.config import InferConfig
from ptycho_engine.errors import Stopped
from ptycho_engine.events import CanvasUpdated, EngineEvent, JobStarted, StepDone, TrainingCompleted
from ptycho_engine.inference import infer
from ptycho_engine.runs.run_folder import list_checkpoints, read_run
from ptycho_engine.stoppable_reading import stoppable
from tests.faults.tiny_training import collect, of, training, weights
from tests.helpers.tiny_scan import tiny_scan


def after(n_reads: int) -> Callable[[], bool]:
    """Ask to stop when so many blocks were read."""
    left = iter(range(n_reads, -1, -1))
    return lambda: next(left) == 0


def test_it_is_the_same_scan_until_then() -> None:
    scan = tiny_scan()
    read = stoppable(scan, after(2))
    assert (read.n_scan, read.n, read.fingerprint) == (scan.n_scan, scan.n, scan.fingerprint)
    assert read.frames.stored_dtype == scan.frames.stored_dtype
    for part in (slice(None), slice(1, 3)):
        np.testing.assert_array_equal(read.diffraction(part), scan.diffraction(part))
    with pytest.raises(Stopped):
        read.diffraction(slice(None))


def test_a_training_that_is_made_ready_stops(tmp_path: Path) -> None:
    events: list[EngineEvent] = []
    with pytest.raises(Stopped):
        collect(events, training(tmp_path, dataset=stoppable(tiny_scan(), after(1))))
    assert not of(events, JobStarted)
    assert read_run(tmp_path).state == "stopped"
    assert not (tmp_path / ".lock").exists()
    assert list_checkpoints(tmp_path) == []


def test_a_training_that_reads_each_batch_keeps_its_last_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "RESIDENT_FRACTION", 0.0)
    unbroken = list(training())
    asked: list[bool] = []
    run = training(tmp_path, dataset=stoppable(tiny_scan(), lambda: bool(asked)))
    with pytest.raises(Stopped):
        _ask_after(run, 3, asked)
    assert read_run(tmp_path).state == "stopped"
    assert list_checkpoints(tmp_path)[-1].name == "epoch-0001-step-000003.ckpt"
    assert weights(training(tmp_path, resume=True)) == weights(unbroken)


def _ask_after(run: Iterator[EngineEvent], n_steps: int, asked: list[bool]) -> None:
    for event in run:
        if isinstance(event, StepDone) and event.step == n_steps:
            asked.append(True)


def test_an_inference_stops_at_the_first_patterns_that_it_reads(tmp_path: Path) -> None:
    bundle = of(list(training(epochs=1)), TrainingCompleted)[0].bundle
    events: list[EngineEvent] = []
    with pytest.raises(Stopped):
        collect(events, infer(stoppable(tiny_scan(), after(1)), bundle, InferConfig(accelerator="cpu"), out=tmp_path))
    assert not of(events, CanvasUpdated)
    assert read_run(tmp_path).state == "stopped"
