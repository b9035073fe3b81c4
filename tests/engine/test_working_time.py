from collections.abc import Generator

from ptycho_engine.events import EngineEvent
from ptycho_engine.time_left import TimeLeft
from ptycho_engine.working_time import WorkingTime
from tests.app.samples import step_done


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_pause_of_the_consumer_does_not_count_in_the_time_left() -> None:
    clock = Clock()
    working = WorkingTime(clock)
    seconds: list[float | None] = []

    def verb() -> Generator[EngineEvent, None, None]:
        left = TimeLeft(0, working)
        for step in range(1, 4):
            clock.now_s += 2.0
            seconds.append(left.seconds(step, 10))
            yield step_done(step, 10)

    for _ in working.without_waits(verb()):
        clock.now_s += 1000.0
    assert seconds == [18.0, 16.0, 14.0]


def test_closing_reaches_the_verb_at_once() -> None:
    closed = []

    def verb() -> Generator[EngineEvent, None, None]:
        try:
            yield step_done(1)
            yield step_done(2)
        except GeneratorExit:
            closed.append(True)
            raise

    events = WorkingTime().without_waits(verb())
    next(events)
    events.close()
    assert closed == [True]
