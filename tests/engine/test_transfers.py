"""What a GPU does while the host goes on, with stand-ins: a device without numbers, and marks that are passed late."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ptycho_engine import preview, transfers
from ptycho_engine.batches import GroupBatches
from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import InferConfig, TrainConfig
from ptycho_engine.events import InferenceCompleted, LossMeasured, PatchPreview, StepDone, TrainingCompleted
from ptycho_engine.geometry.grouping import group_positions
from ptycho_engine.inference import infer
from ptycho_engine.recipes import plan_training
from ptycho_engine.trainer import Scene, Trainer
from ptycho_engine.training import train
from ptycho_engine.training_underway import MOST_STEPS, LossUnderway, Underway
from ptycho_engine.transfers import HostCopy, send
from tests.helpers.cancelled import until
from tests.helpers.late_marks import LateMarks, late_marks
from tests.helpers.tiny_scan import tiny_scan

LONG = TrainConfig(
    gridsize=1,
    n_groups=24,
    batch_size=2,
    epochs=2,
    n_filters_scale=1,
    seed=3,
    accelerator="cpu",
    preview_count=3,
    preview_interval_s=0.0,
)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> LateMarks:
    return late_marks(monkeypatch)


def test_a_copy_is_what_was_there_when_it_was_asked_for(late: LateMarks) -> None:
    values = torch.arange(4.0)
    copy = HostCopy([values, values[:1]])
    values += 10
    before = copy.ready
    np.testing.assert_array_equal(copy.arrays()[0], [0, 1, 2, 3])
    np.testing.assert_array_equal(copy.arrays()[1], [0])
    assert (before, copy.ready) == (False, True)
    assert late.waits == [0]


def test_on_the_cpu_nothing_is_waited_for_and_nothing_is_copied() -> None:
    values = torch.arange(4.0)
    copy = HostCopy([values])
    assert copy.ready
    assert np.shares_memory(copy.arrays()[0], values.numpy())
    array = np.arange(3)
    assert np.shares_memory(send(array, torch.device("cpu")).numpy(), array)


class Transfers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects what goes to a device or comes from it, and whether it is waited for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waited: list[str] = []
        self.queued = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if str(func) == "aten._to_copy.default" and result.device != args[0].device:
            self._note(str(func), bool(kwargs.get("non_blocking")))
        if str(func) == "aten.copy_.default" and args[0].device != args[1].device:
            self._note(str(func), bool(args[2]) if len(args) > 2 else bool(kwargs.get("non_blocking")))
        return result

    def _note(self, name: str, queued: bool) -> None:
        self.queued += queued
        if not queued:
            self.waited.append(name)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize(("recipe", "gridsize"), [("reliable", 1), ("compatible", 2), ("upstream", 2)])
def test_a_step_waits_for_nothing(recipe: str, gridsize: int, resident: bool) -> None:
    # On the device "meta" there are no numbers: whatever reads one from it fails.
    device = torch.device("meta")
    dataset = tiny_scan()
    config = TrainConfig(recipe=recipe, gridsize=gridsize, n_groups=4)
    plan = plan_training(config, dataset.n, dataset.probe)
    grouping = group_positions(dataset.scan_positions, config.grouping())
    batches = GroupBatches(dataset, grouping, 1.0, device, 4, None if resident else 0)
    scene = Scene(torch.tensor(dataset.probe, dtype=torch.complex64, device=device), 100.0)
    trainer = Trainer(config, plan, scene, device)
    assert batches.resident is resident
    with Transfers() as seen:
        step = trainer.step(batches.batch(np.arange(4)))
    assert step.loss.device.type == "meta"
    assert seen.waited == []
    assert seen.queued >= 1


def test_losses_are_read_a_few_steps_later_and_all_of_them(late: LateMarks, monkeypatch: pytest.MonkeyPatch) -> None:
    events = list(train(tiny_scan(24), LONG))
    monkeypatch.setattr(transfers, "_queues", lambda device: False)
    usual = list(train(tiny_scan(24), LONG))
    told = [(one.step, one.epoch, one.loss, one.gradient_norm) for one in events if isinstance(one, LossMeasured)]
    assert told == [
        (one.step, one.epoch, one.loss, one.gradient_norm) for one in usual if isinstance(one, LossMeasured)
    ]
    assert len(told) == 24
    steps, behind = 0, []
    for event in events:
        if isinstance(event, StepDone):
            steps = event.step
        if isinstance(event, LossMeasured):
            behind.append(steps - event.step)
    assert max(behind) == MOST_STEPS
    completed = [one for one in (*events, *usual) if isinstance(one, TrainingCompleted)]
    np.testing.assert_array_equal(completed[0].history.step_losses, completed[1].history.step_losses)
    for name, value in completed[0].bundle.state.items():
        np.testing.assert_array_equal(value, completed[1].bundle.state[name])


def test_a_preview_shows_the_step_at_which_it_was_drawn(late: LateMarks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "COST_LIMIT", 0.0)
    events = list(train(tiny_scan(24), LONG))
    monkeypatch.setattr(transfers, "_queues", lambda device: False)
    usual = {one.step: one for one in train(tiny_scan(24), LONG) if isinstance(one, PatchPreview)}
    steps, behind, shown = 0, [], []
    for event in events:
        if isinstance(event, StepDone):
            steps = event.step
        if isinstance(event, PatchPreview):
            shown.append(event.step)
            behind.append(steps - event.step)
            np.testing.assert_array_equal(event.patches, usual[event.step].patches)
            np.testing.assert_array_equal(event.predicted, usual[event.step].predicted)
    # The first and the last are waited for.
    assert behind[0] == behind[-1] == 0
    assert max(behind) > 0
    assert shown == sorted(set(shown))


def test_whoever_stops_finds_every_loss_in_the_checkpoint(late: LateMarks, tmp_path: Path) -> None:
    until(
        train(tiny_scan(24), LONG, out=tmp_path / "run"), lambda event: isinstance(event, StepDone) and event.step == 8
    )
    resumed = train(tiny_scan(24), LONG, out=tmp_path / "run", resume=True)
    history = next(one for one in resumed if isinstance(one, TrainingCompleted)).history
    assert history.steps.tolist() == list(range(24))


def test_an_inference_does_not_wait_for_the_batch_that_it_has_queued(late: LateMarks, tmp_path: Path) -> None:
    scan = tiny_scan(24)
    list(train(scan, LONG, out=tmp_path / "run"))
    bundle = read_bundle(tmp_path / "run" / "wts.h5.zip")
    late.waits.clear()
    config = InferConfig(batch_size=4, accelerator="cpu", preview_interval_s=3600.0)
    canvas = next(one for one in list(infer(scan, bundle, config)) if isinstance(one, InferenceCompleted)).canvas
    # Each is fetched with one more queued behind it, but for the last.
    assert late.waits[:-1] == [1] * (len(late.waits) - 1)
    assert late.waits[-1] == 0
    assert len(late.waits) > 2
    assert np.isfinite(canvas.object_).all()


def test_several_processes_take_a_loss_after_the_same_number_of_steps() -> None:
    # Whether it has arrived by then or not.
    underway = Underway(as_they_come=False)
    for index in range(MOST_STEPS + 2):
        underway.losses.append(LossUnderway(index, 0, 1e-3, HostCopy([torch.tensor([float(index), 1.0])])))
        taken = [one.index for one, _, _ in underway.arrived()]
        assert taken == ([index - MOST_STEPS] if index >= MOST_STEPS else [])
    assert [loss for _, loss, _ in underway.arrived(wait=True)] == [2.0, 3.0, 4.0, 5.0]
