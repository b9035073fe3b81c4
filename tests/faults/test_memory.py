"""The memory runs out, on the device or on the host: batches are halved, at most three times, and it is said."""

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.batches import Batch
from ptycho_engine.config import InferConfig
from ptycho_engine.device import lacking_memory
from ptycho_engine.errors import DeviceError
from ptycho_engine.events import EngineEvent, EpochDone, InferenceCompleted, MessageLogged, StepDone, TrainingCompleted
from ptycho_engine.inference import infer
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.runs.run_folder import list_checkpoints, read_run
from ptycho_engine.trainer import Scene, Trainer
from tests.faults.long_form import long_form
from tests.faults.tiny_training import collect, losses, of, shown, training, weights
from tests.helpers.cancelled import until
from tests.helpers.tiny_scan import tiny_scan

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 0.31 GiB is"
HOST = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to " \
    "allocate 8589934592 bytes. Error code 12 (Cannot allocate memory)"  # fmt: skip
ERRORS: dict[str, Callable[[], BaseException]] = {
    "device": lambda: torch.OutOfMemoryError(CUDA),
    "host": lambda: RuntimeError(HOST),
    "numpy": lambda: MemoryError("Unable to allocate 8.00 GiB for an array with shape (1073741824,) and data type f8"),
}


def room_for(
    monkeypatch: pytest.MonkeyPatch, n_groups: int, error: Callable[[], BaseException], after: int = 0
) -> None:
    """Let the network fail on more patterns than fit, once it was trained some steps."""
    calls = iter(range(10**6))
    forward = PatchNetwork.forward

    def limited(network: PatchNetwork, images: torch.Tensor) -> torch.Tensor:
        drawn = forward(network, images)
        if torch.is_grad_enabled() and next(calls) >= after and len(images) > n_groups:
            # Half of the work is done when it fails, as on a real device.
            drawn.abs().sum().backward()  # type: ignore[no-untyped-call]
            raise error()
        return drawn

    monkeypatch.setattr(PatchNetwork, "forward", limited)


@pytest.mark.parametrize(
    "error",
    [pytest.param(error, id=name, marks=[] if name == "device" else [long_form]) for name, error in ERRORS.items()],
)
def test_a_training_halves_its_batches_and_goes_on(
    error: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    room_for(monkeypatch, 2, error, after=2)
    events = list(training(tmp_path))
    (said,) = shown(events)
    amount = "2.00 GiB" if "2.00" in str(error()) else "8.00 GiB"
    assert said.startswith(f"Out of memory in epoch 2 ({amount} more were needed): back to the end of epoch 1, ")
    assert said.endswith("on with batches of 4 groups computed in 2 parts (time 1 of 3)")
    completed = of(events, TrainingCompleted)[0]
    assert completed.bundle.provenance["remedies"] == [said]
    assert [event.epoch for event in of(events, EpochDone)] == [0, 1]
    assert completed.history.steps.tolist() == [0, 1, 2, 3]
    assert said in (tmp_path / "events.jsonl").read_text()


def test_going_back_undoes_the_steps_of_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the memory ends in the first or in the second step of an epoch, all of it is done anew."""
    ended: list[list[EngineEvent]] = []
    for n_steps in (2, 3):
        with monkeypatch.context() as patch:
            room_for(patch, 2, ERRORS["device"], after=n_steps)
            ended.append(list(training()))
    first, second = ended
    assert [event.step for event in of(second, StepDone)] == [1, 2, 3, 3, 4]
    assert weights(second) == weights(first)


@long_form
def test_what_comes_out_is_that_of_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(training())
    room_for(monkeypatch, 1, ERRORS["device"])
    halved = list(training())
    assert len(shown(halved)) == 2
    # The loss before any step is the same sum, in another order; later ones differ by what rounding grows to.
    assert losses(halved)[0] == pytest.approx(losses(whole)[0], rel=1e-6)
    np.testing.assert_allclose(losses(halved), losses(whole), rtol=2e-3)


def test_gradients_of_parts_add_up_to_those_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[torch.Tensor]] = []
    step = Trainer.step

    def compared(trainer: Trainer, batch: Batch, scene: Scene) -> object:
        if not seen:
            state = trainer.snapshot()
            for n_parts in (1, 2, 3, 8):
                trainer.n_parts = n_parts
                step(trainer, batch, scene)
                seen.append([one.grad.clone() for one in trainer.parameters if one.grad is not None])
                trainer.go_back(state)
            trainer.n_parts = 1
        return step(trainer, batch, scene)

    monkeypatch.setattr(Trainer, "step", compared)
    # Of a recipe that predicts each pattern from its own patch: one object is merged of the patches of a part.
    list(training(epochs=1, n_groups=4, recipe="upstream"))
    for parts in seen[1:]:
        for whole, added in zip(seen[0], parts, strict=True):
            torch.testing.assert_close(added, whole, rtol=1e-3, atol=1e-5 * float(whole.abs().max()))


@long_form
def test_three_halvings_are_enough_and_the_run_can_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"n_groups": 12, "batch_size": 12, "epochs": 2}
    unbroken = losses(list(training(**changes)))
    with monkeypatch.context() as patch:
        room_for(patch, 0, ERRORS["device"], after=1)
        events: list[EngineEvent] = []
        with pytest.raises(DeviceError, match=r"run out of memory \(2.00 GiB more were needed, .* are free\)"):
            collect(events, training(tmp_path, **changes))
    assert [text[-13:] for text in shown(events)] == [f"(time {n} of 3)" for n in (1, 2, 3)]
    assert read_run(tmp_path).state == "failed"
    assert [path.name for path in list_checkpoints(tmp_path)] == ["epoch-0001.ckpt"]
    resumed = list(training(tmp_path, resume=True, **changes))
    assert losses(resumed) == unbroken[1:]


@long_form
def test_single_groups_are_not_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    room_for(monkeypatch, 0, ERRORS["device"])
    events: list[EngineEvent] = []
    with pytest.raises(DeviceError):
        collect(events, training(batch_size=2))
    assert len(shown(events)) == 1


CUTS: dict[str, Callable[[EngineEvent], bool]] = {
    "before": lambda event: isinstance(event, StepDone) and event.step == 3,
    "at the halving": lambda event: isinstance(event, MessageLogged) and event.shown,
    "after": lambda event: isinstance(event, EpochDone) and event.epoch == 1,
}


@pytest.mark.parametrize(
    "cut",
    [pytest.param(cut, id=name, marks=[] if name == "at the halving" else [long_form]) for name, cut in CUTS.items()],
)
def test_a_halved_training_resumes_to_the_same_numbers(
    cut: Callable[[EngineEvent], bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def short() -> None:
        # The memory is short in the second epoch, and later only for whoever has not halved: they do not fail again.
        room_for(patch, 2, ERRORS["device"], after=2)

    with monkeypatch.context() as patch:
        short()
        unbroken = list(training(epochs=3))
    with monkeypatch.context() as patch:
        short()
        until(training(tmp_path, epochs=3), cut)
    with monkeypatch.context() as patch:
        if cut is CUTS["before"] or cut is CUTS["at the halving"]:
            room_for(patch, 2, ERRORS["device"])
        resumed = list(training(tmp_path, epochs=3, resume=True))
    assert weights(resumed) == weights(unbroken)
    one, other = (of(events, TrainingCompleted)[0] for events in (resumed, unbroken))
    np.testing.assert_array_equal(one.history.step_losses, other.history.step_losses)
    assert one.bundle.provenance["remedies"] == other.bundle.provenance["remedies"]


@long_form
def test_nothing_of_the_failed_step_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    forward = PatchNetwork.forward

    def limited(network: PatchNetwork, images: torch.Tensor) -> torch.Tensor:
        drawn = forward(network, images)
        if torch.is_grad_enabled() and len(images) > 2:
            held.append(weakref.ref(drawn))
            raise torch.OutOfMemoryError(CUDA)
        assert all(one() is None for one in held)
        return drawn

    monkeypatch.setattr(PatchNetwork, "forward", limited)
    gc.disable()
    try:
        list(training(epochs=1))
    finally:
        gc.enable()
    assert held


@long_form
def test_a_checkpoint_that_does_not_fit_into_memory_does_not_end_the_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("ptycho_engine.training_files.checkpoint_of", full)
    events = list(training(tmp_path))
    assert of(events, TrainingCompleted)
    assert shown(events) == ["The training goes on, but cannot be saved: the memory is full."] * 2


def test_an_inference_halves_its_batches_and_gives_the_same_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = of(list(training(epochs=1)), TrainingCompleted)[0].bundle
    config = InferConfig(accelerator="cpu", batch_size=12)
    whole = of(list(infer(tiny_scan(), bundle, config)), InferenceCompleted)[0].canvas
    forward = PatchNetwork.forward

    def limited(network: PatchNetwork, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 4:
            raise torch.OutOfMemoryError(CUDA)
        return forward(network, images)

    monkeypatch.setattr(PatchNetwork, "forward", limited)
    events = list(infer(tiny_scan(), bundle, config))
    assert [text[-46:] for text in shown(events)] == [
        f"computed in {2**n} parts from here on (time {n} of 3)" for n in (1, 2)
    ]
    np.testing.assert_allclose(of(events, InferenceCompleted)[0].canvas.object_, whole.object_, atol=1e-4)
    monkeypatch.setattr(PatchNetwork, "forward", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError(CUDA)))
    with pytest.raises(DeviceError, match="run out of memory"):
        list(infer(tiny_scan(), bundle, config))


def test_what_lacks_is_read_from_the_words() -> None:
    assert [lacking_memory(error()) for error in ERRORS.values()] == ["2.00 GiB", "8.00 GiB", "8.00 GiB"]
    assert lacking_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")) == ""
    assert lacking_memory(RuntimeError("shape mismatch")) is None
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert lacking_memory(caught.value) == "3725290.30 GiB"


@long_form
def test_a_device_that_has_failed_ends_the_training_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    step, calls = Trainer.step, iter(range(100))

    def failing(trainer: Trainer, batch: Batch, scene: Scene) -> object:
        if next(calls) == 3:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nmore")
        return step(trainer, batch, scene)

    monkeypatch.setattr(Trainer, "step", failing)
    with pytest.raises(DeviceError, match="illegal memory access was encountered\\)") as caught:
        list(training(tmp_path))
    assert "goes on from its last checkpoint" in caught.value.hint
    assert [path.name for path in list_checkpoints(tmp_path)] == ["epoch-0001.ckpt"]


@long_form
def test_switched_off_nothing_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    room_for(monkeypatch, 2, ERRORS["device"])
    with pytest.raises(DeviceError):
        list(training(remedy=False))
