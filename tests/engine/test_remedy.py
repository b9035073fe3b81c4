"""What a training does by itself against collapse and divergence: said, repeatable, and exact when it is resumed."""

import csv
import json
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine import trainer as trainer_module
from ptycho_engine.batches import Batch
from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import TrainConfig
from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence
from ptycho_engine.documents import Diagnosis
from ptycho_engine.errors import TrainingDiverged
from ptycho_engine.events import (
    DiagnosisFound,
    EngineEvent,
    EpochDone,
    LossMeasured,
    MessageLogged,
    StepDone,
    TrainingCompleted,
    ValidationMeasured,
)
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.recipes import Plan
from ptycho_engine.runs.run_folder import list_checkpoints
from ptycho_engine.trainer import Scene, Step, Trainer
from ptycho_engine.training import train
from ptycho_engine.training_remedy import start_seed
from tests.helpers.cancelled import until
from tests.helpers.late_marks import late_marks
from tests.helpers.tiny_scan import tiny_scan

CONFIG = TrainConfig(
    gridsize=1, n_groups=6, batch_size=2, epochs=3, n_filters_scale=1, seed=3, accelerator="cpu", preview_count=1,
    recipe="compatible",
)  # fmt: skip
TROUGH = -1.278


def _train(
    out: Path | None = None, config: TrainConfig = CONFIG, **keywords: Any
) -> Generator[EngineEvent, None, None]:
    return train(tiny_scan(), config, test_dataset=tiny_scan(4, 1), out=out, **keywords)


def _of(events: list[EngineEvent], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def _told(events: list[EngineEvent]) -> list[str]:
    return [event.text for event in _of(events, MessageLogged) if event.level == "warning"]


def _found(events: list[EngineEvent]) -> list[str]:
    return [event.diagnosis.id for event in _of(events, DiagnosisFound)]


def _weights(events: list[EngineEvent]) -> dict[str, bytes]:
    return {name: one.tobytes() for name, one in _of(events, TrainingCompleted)[0].bundle.state.items()}


def _collect(events: list[EngineEvent], training: Generator[EngineEvent, None, None]) -> None:
    """Keep what a training tells until it fails."""
    for event in training:
        events.append(event)


def _collapse(monkeypatch: pytest.MonkeyPatch, bad_seeds: set[int]) -> None:
    """Let networks of these seeds start in the trough of SiLU."""
    fresh = trainer_module.fresh_network

    def drawn(plan: Plan, seed: int) -> PatchNetwork:
        network = fresh(plan, seed)
        if seed in bad_seeds:
            network.autoencoder.decoder_amp.amp.start_at(TROUGH, TROUGH)  # type: ignore[operator, union-attr]
        return network

    monkeypatch.setattr(trainer_module, "fresh_network", drawn)


def _run_away(monkeypatch: pytest.MonkeyPatch, *, above_rate: float, at: int, value: float) -> None:
    """Let the step number ``at`` spoil a weight wherever the rate is not below ``above_rate`` of the recipe's."""
    step = Trainer.step

    def spoiled(trainer: Trainer, batch: Batch, scene: Scene) -> Step:
        if trainer.rate_factor >= above_rate and trainer.clip.state()[1] == at:
            with torch.no_grad():
                trainer.parameters[0].fill_(value)
        return step(trainer, batch, scene)

    monkeypatch.setattr(Trainer, "step", spoiled)


def test_another_attempt_has_another_seed_that_follows_from_the_first() -> None:
    assert start_seed(3, 0) == 3
    assert len({start_seed(seed, attempt) for seed in range(5) for attempt in range(3)}) == 15
    assert start_seed(3, 1) == start_seed(3, 1)


def test_a_collapse_begins_anew_and_is_said_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _collapse(monkeypatch, {3})
    events = list(_train(tmp_path))
    assert _found(events) == ["flat-amplitude"]
    (said,) = _told(events)
    assert "epoch 1" in said
    assert f"seed {start_seed(3, 1)} (restart 1 of 2)" in said
    assert [event.epoch for event in _of(events, EpochDone)] == [0, 0, 1, 2]
    (told,) = (event.diagnosis for event in _of(events, DiagnosisFound))
    assert said in told.hint
    assert told.severity == "warning", "it was mended"
    completed = _of(events, TrainingCompleted)[0]
    assert completed.history.steps.tolist() == list(range(9))
    assert read_bundle(tmp_path / "wts.h5.zip").provenance["remedies"] == [said]
    run = json.loads((tmp_path / "run.json").read_text())
    assert [one["id"] for one in run["diagnoses"]] == ["flat-amplitude"]
    with (tmp_path / "metrics.csv").open(newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["train_loss"]]
    assert steps == list(range(9))


def test_the_new_start_is_that_of_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    _collapse(monkeypatch, {3})
    losses = [event.loss for event in _of(list(_train()), LossMeasured)]
    # The order of the batches stays that of the training's seed, so only the first loss can be had otherwise.
    other = start_seed(3, 1)
    network = trainer_module.fresh_network
    monkeypatch.setattr(trainer_module, "fresh_network", lambda plan, _: network(plan, other))
    plain = [event.loss for event in _of(list(_train()), LossMeasured)]
    assert losses[3:] == plain


def test_after_two_restarts_the_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    _collapse(monkeypatch, {3, start_seed(3, 1), start_seed(3, 2)})
    events = list(_train())
    assert len(_told(events)) == 3
    assert "3 starts have collapsed" in _told(events)[-1]
    assert [event.epoch for event in _of(events, EpochDone)] == [0, 0, 0, 1, 2]


@pytest.mark.parametrize("change", [{"remedy": False}, {"recipe": "upstream"}])
def test_switched_off_it_only_diagnoses(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _collapse(monkeypatch, {3})
    events = list(_train(config=replace(CONFIG, **change)))
    assert _found(events) == ["flat-amplitude"]
    assert not _told(events)
    assert len(_of(events, EpochDone)) == 3


def test_fine_tuning_has_no_other_start(monkeypatch: pytest.MonkeyPatch) -> None:
    _collapse(monkeypatch, {3})
    collapsed = _of(list(_train(config=replace(CONFIG, remedy=False))), TrainingCompleted)[0].bundle
    events = list(_train(start_from=collapsed))
    assert _found(events) == ["flat-amplitude"]
    assert not _told(events)


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("value", [float("nan"), 1e4])
def test_a_divergence_goes_back_with_half_the_rate(
    value: float, queued: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = _of(list(_train()), LossMeasured)
    if queued:
        late_marks(monkeypatch)
    _run_away(monkeypatch, above_rate=1.0, at=4, value=value)
    events = list(_train(tmp_path))
    assert _found(events) == ["diverged"]
    (said,) = _told(events)
    assert "epoch 2: back to the end of epoch 1, on with 0.5 times the learning rate (time 1 of 3)" in said
    measured = _of(events, LossMeasured)
    again = [event for event in measured if event.learning_rate < 0.6 * plain[event.step].learning_rate]
    assert [event.step for event in again] == [3, 4, 5, 6, 7, 8]
    # The first loss after it is that of the state that was gone back to.
    assert again[0].loss == plain[3].loss
    assert [event.epoch for event in _of(events, EpochDone)] == [0, 1, 2]
    assert _of(events, TrainingCompleted)[0].bundle.provenance["remedies"] == [said]


def _spoil_a_weight(monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
    """Let a weight become infinite in a step, after which the loss of that step is still finite."""
    step = Trainer.step

    def spoiled(trainer: Trainer, batch: Batch, scene: Scene) -> Step:
        result = step(trainer, batch, scene)
        if trainer.rate_factor == 1.0 and trainer.clip.state()[1] == at:
            with torch.no_grad():
                trainer.parameters[0].view(-1)[0] = float("inf")
        return result

    monkeypatch.setattr(Trainer, "step", spoiled)


@pytest.mark.parametrize("with_test_scan", [True, False], ids=["seen in the test loss", "seen in the weights alone"])
def test_a_weight_that_is_not_finite_is_never_kept(with_test_scan: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    _spoil_a_weight(monkeypatch, at=6)
    events = list(_train() if with_test_scan else train(tiny_scan(), CONFIG))
    assert "back to the end of epoch 1" in _told(events)[0]
    state = _of(events, TrainingCompleted)[0].bundle.state
    assert all(np.isfinite(one).all() for one in state.values())


def test_a_weight_that_is_not_finite_is_never_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A training that is stopped before the weight shows in a loss keeps the state before."""
    _spoil_a_weight(monkeypatch, at=5)
    until(_train(tmp_path), lambda event: isinstance(event, StepDone) and event.step == 5)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["epoch-0001.ckpt"]


def test_three_setbacks_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    _run_away(monkeypatch, above_rate=0.0, at=4, value=float("nan"))
    events: list[EngineEvent] = []
    with pytest.raises(TrainingDiverged, match="learning rate"):
        _collect(events, _train())
    assert [text[-13:] for text in _told(events)] == [f"(time {i} of 3)" for i in (1, 2, 3)]
    assert _found(events) == ["diverged"] * 4


def test_a_divergence_is_named_before_the_training_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    _run_away(monkeypatch, above_rate=0.0, at=4, value=float("nan"))
    events: list[EngineEvent] = []
    with pytest.raises(TrainingDiverged):
        _collect(events, _train(config=replace(CONFIG, remedy=False)))
    assert _found(events) == ["diverged"]


CUTS: dict[str, Callable[[EngineEvent], bool]] = {
    "before the trouble": lambda event: isinstance(event, StepDone) and event.step == 2,
    "at the finding": lambda event: isinstance(event, DiagnosisFound),
    "at the remedy": lambda event: isinstance(event, MessageLogged) and event.level == "warning",
    "at the next epoch's middle": lambda event: isinstance(event, StepDone) and event.step == 4,
    "at the figures": lambda event: isinstance(event, ValidationMeasured) and event.epoch == 1,
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("trouble", ["collapse", "divergence"])
def test_resumed_equals_unbroken(
    trouble: str, cut: Callable[[EngineEvent], bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if trouble == "collapse":
        _collapse(monkeypatch, {3})
    else:
        _run_away(monkeypatch, above_rate=1.0, at=5, value=float("nan"))
    unbroken = list(_train())
    until(_train(tmp_path), cut)
    resumed = list(_train(tmp_path, resume=True))
    assert _weights(resumed) == _weights(unbroken)
    one, other = (_of(events, TrainingCompleted)[0] for events in (resumed, unbroken))
    np.testing.assert_array_equal(one.history.step_losses, other.history.step_losses)
    assert one.bundle.provenance["remedies"] == other.bundle.provenance["remedies"]
    assert len(one.bundle.provenance["remedies"]) == 1
    assert repr(_of(resumed, ValidationMeasured)[-1]) == repr(_of(unbroken, ValidationMeasured)[-1])


def test_the_same_seed_does_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _collapse(monkeypatch, {3})
    _run_away(monkeypatch, above_rate=1.0, at=4, value=float("nan"))
    first, second = list(_train()), list(_train())
    assert len(_told(first)) == 2
    assert _told(first) == _told(second)
    assert _weights(first) == _weights(second)


def test_a_checkpoint_of_undone_steps_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _run_away(monkeypatch, above_rate=1.0, at=5, value=float("nan"))
    until(_train(tmp_path), lambda event: isinstance(event, StepDone) and event.step == 5)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["epoch-0001.ckpt", "epoch-0001-step-000005.ckpt"]
    remedied = lambda event: isinstance(event, MessageLogged) and event.level == "warning"  # noqa: E731
    until(_train(tmp_path, resume=True), remedied)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["epoch-0001.ckpt"]


def test_a_finding_that_still_holds_is_told_again_when_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _collapse(monkeypatch, {3})
    config = replace(CONFIG, remedy=False)
    until(_train(tmp_path, config), lambda event: isinstance(event, EpochDone) and event.epoch == 1)
    resumed = list(_train(tmp_path, config, resume=True))
    assert _found(resumed) == ["flat-amplitude"]


def test_long_epochs_are_looked_at_in_their_middle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ptycho_engine.training_watch.LOOK_EVERY", 2)
    unbroken = list(_train())
    told = [(event.epoch, event.step) for event in _of(unbroken, ValidationMeasured)]
    assert told == [(0, 1), (0, 2), (1, 4), (1, 5), (2, 7), (2, 8)]
    until(_train(tmp_path), lambda event: isinstance(event, StepDone) and event.step == 5)
    resumed = list(_train(tmp_path, resume=True))
    assert [(event.epoch, event.step) for event in _of(resumed, ValidationMeasured)] == told[2:]
    assert _weights(resumed) == _weights(unbroken)
    other = tmp_path / "other"
    until(_train(other), lambda event: isinstance(event, ValidationMeasured) and event.step == 4)
    again = list(_train(other, resume=True))
    assert [(event.epoch, event.step) for event in _of(again, ValidationMeasured)] == told[3:]
    assert _weights(again) == _weights(unbroken)


@pytest.mark.parametrize("queued", [False, True])
def test_a_collapse_is_mended_in_the_middle_of_a_long_epoch(queued: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if queued:
        late_marks(monkeypatch)
    monkeypatch.setattr("ptycho_engine.training_watch.LOOK_EVERY", 2)
    _collapse(monkeypatch, {3})
    events = list(_train())
    assert [event.step for event in _of(events, LossMeasured)] == [0, 1, *range(9)]


def test_a_reading_has_the_loss_since_the_reading_before(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[Any] = []

    def note(evidence: TrainingEvidence) -> list[Diagnosis]:
        readings.append(evidence.now)
        return []

    monkeypatch.setattr("ptycho_engine.training_watch.LOOK_EVERY", 2)
    monkeypatch.setattr("ptycho_engine.training_watch.diagnose", note)
    losses = [event.loss for event in _of(list(_train()), LossMeasured)]
    assert [one.train_loss for one in readings[:3]] == pytest.approx(
        [np.mean(losses[:2]), losses[2], np.mean(losses[3:5])]
    )
    assert [(one.step, one.epoch) for one in readings[:3]] == [(2, 0), (3, 1), (5, 1)]
