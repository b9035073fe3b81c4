from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_engine.config import TrainConfig
from ptycho_engine.errors import ConfigError, EngineError
from ptycho_engine.events import EngineEvent, EpochDone, LossMeasured, StepDone, TrainingCompleted
from ptycho_engine.recipes import Plan
from ptycho_engine.runs.run_folder import list_checkpoints, read_run
from ptycho_engine.training import train
from tests.helpers.cancelled import until
from tests.helpers.tiny_scan import tiny_scan

CONFIG = TrainConfig(
    gridsize=1, n_groups=5, batch_size=2, epochs=3, n_filters_scale=1, seed=7, accelerator="cpu", preview_count=2
)


def _train(out: Path | None, **keywords: Any) -> Generator[EngineEvent, None, None]:
    return train(tiny_scan(), CONFIG, test_dataset=tiny_scan(4, 1), out=out, **keywords)


def _losses(events: list[EngineEvent]) -> list[tuple[int, float, float, float]]:
    rows = [event for event in events if isinstance(event, LossMeasured)]
    return [(row.step, row.loss, row.learning_rate, row.gradient_norm) for row in rows]


def _result(events: list[EngineEvent]) -> TrainingCompleted:
    assert isinstance(events[-1], TrainingCompleted)
    return events[-1]


@pytest.fixture(scope="module")
def unbroken() -> list[EngineEvent]:
    return list(_train(None))


CUTS: dict[str, Callable[[EngineEvent], bool]] = {
    "in the middle of an epoch": lambda event: isinstance(event, StepDone) and event.step == 5,
    "at a measured loss": lambda event: isinstance(event, LossMeasured) and event.step == 4,
    "at the last step of an epoch, before validation": lambda event: isinstance(event, StepDone) and event.step == 3,
    "at the end of an epoch": lambda event: isinstance(event, EpochDone) and event.epoch == 1,
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_resumed_equals_unbroken(
    cut: Callable[[EngineEvent], bool], unbroken: list[EngineEvent], tmp_path: Path
) -> None:
    first = until(_train(tmp_path), cut)
    assert read_run(tmp_path).state == "stopped"
    second = list(_train(tmp_path, resume=True))
    assert _losses(first) + _losses(second) == _losses(unbroken)
    one, other = _result(second), _result(unbroken)
    assert {k: v.tobytes() for k, v in one.bundle.state.items()} == {
        k: v.tobytes() for k, v in other.bundle.state.items()
    }
    for name in ("steps", "step_losses", "epochs", "train_losses", "validation_losses"):
        np.testing.assert_array_equal(getattr(one.history, name), getattr(other.history, name))
    assert read_run(tmp_path).state == "completed"


def test_resuming_twice_in_one_epoch(unbroken: list[EngineEvent], tmp_path: Path) -> None:
    parts = [until(_train(tmp_path), lambda event: isinstance(event, StepDone) and event.step == 4)]
    cut = lambda event: isinstance(event, StepDone) and event.step == 5  # noqa: E731
    parts.append(until(_train(tmp_path, resume=True), cut))
    parts.append(list(_train(tmp_path, resume=True)))
    assert [row for part in parts for row in _losses(part)] == _losses(unbroken)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(unbroken: list[EngineEvent], tmp_path: Path) -> None:
    until(_train(tmp_path), lambda event: isinstance(event, EpochDone) and event.epoch == 1)
    newest = list_checkpoints(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    events = list(_train(tmp_path, resume=True))
    assert _losses(events) == _losses(unbroken)[3:]


def test_only_damaged_checkpoints_are_an_error(tmp_path: Path) -> None:
    until(_train(tmp_path), lambda event: isinstance(event, StepDone) and event.step == 2)
    for path in list_checkpoints(tmp_path):
        path.write_bytes(b"damaged")
    with pytest.raises(EngineError, match="ckpt"):
        list(_train(tmp_path, resume=True))


def test_nothing_to_resume_begins_at_the_start(unbroken: list[EngineEvent], tmp_path: Path) -> None:
    assert _losses(list(_train(tmp_path, resume=True))) == _losses(unbroken)


def test_a_completed_training_resumes_to_its_result(unbroken: list[EngineEvent], tmp_path: Path) -> None:
    list(_train(tmp_path))
    again = list(_train(tmp_path, resume=True))
    assert not _losses(again)
    assert {k: v.tobytes() for k, v in _result(again).bundle.state.items()} == {
        k: v.tobytes() for k, v in _result(unbroken).bundle.state.items()
    }


def test_other_settings_or_another_scan_are_refused(tmp_path: Path) -> None:
    until(_train(tmp_path), lambda event: isinstance(event, StepDone) and event.step == 2)
    with pytest.raises(ConfigError, match="batch_size was 2 and is 5"):
        list(train(tiny_scan(), replace(CONFIG, batch_size=5), out=tmp_path, resume=True))
    with pytest.raises(ConfigError, match="other scans"):
        list(train(tiny_scan(12, 9), CONFIG, test_dataset=tiny_scan(4, 1), out=tmp_path, resume=True))
    assert len(list_checkpoints(tmp_path)) == 1


def test_a_recipe_that_had_another_network_is_refused_by_name(tmp_path: Path) -> None:
    def earlier(plan: Plan) -> Plan:
        return replace(plan, model=replace(plan.model, input_transform="log1p"))

    until(_train(tmp_path, adapt=earlier), lambda event: isinstance(event, EpochDone))
    with pytest.raises(ConfigError, match="input_transform was log1p and is backpropagated") as refused:
        list(_train(tmp_path, resume=True))
    assert "epoch-" in str(refused.value)
    assert "wts.h5.zip" in refused.value.hint


def test_more_epochs_can_be_added(tmp_path: Path) -> None:
    list(_train(tmp_path))
    longer = replace(CONFIG, epochs=4)
    events = list(train(tiny_scan(), longer, test_dataset=tiny_scan(4, 1), out=tmp_path, resume=True))
    assert [event.epoch for event in events if isinstance(event, EpochDone)] == [3]
