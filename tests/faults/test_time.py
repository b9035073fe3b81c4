"""The machine sleeps, or somebody sets the clock: the time left stays sane."""

import time

import pytest

from ptycho_engine.events import StepDone
from ptycho_engine.time_left import TimeLeft
from tests.faults.tiny_training import of, training


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_time_left_is_that_of_the_work_alone() -> None:
    clock = Clock()
    left = TimeLeft(0, clock)
    assert left.seconds(0, 100) is None
    for step in range(1, 51):
        clock.now_s += 3600.0 if step == 20 else 2.0
        said = left.seconds(step, 100)
        assert said == pytest.approx(2.0 * (100 - step), rel=0.05)


def test_a_slower_machine_is_no_pause() -> None:
    clock = Clock()
    left = TimeLeft(0, clock)
    for step in range(1, 101):
        clock.now_s += 1.0 if step <= 50 else 15.0
        said = left.seconds(step, 200)
    assert said == pytest.approx(100 * (50 * 1.0 + 50 * 15.0) / 100)


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0], ids=["back", "ahead"])
def test_a_clock_that_is_set_changes_nothing(step_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sets it by an hour whenever it is read."""
    shown = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: 2e9 + step_s * next(shown))
    left = [event.seconds_left for event in of(list(training(epochs=1)), StepDone)]
    assert all(seconds is not None and 0 <= seconds < 600 for seconds in left)
