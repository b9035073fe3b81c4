"""The time a verb itself has worked, without that for which its consumer kept it waiting between two events."""

import time
from collections.abc import Callable, Generator

from ptycho_engine.events import EngineEvent


class WorkingTime:
    """A clock that stands still while the consumer holds an event: whoever pauses a verb must not spoil its rates.

    Parameters
    ----------
    clock
        Seconds from any origin, never falling.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waited_s = 0.0

    def __call__(self) -> float:
        """Return the seconds from any origin [s]."""
        return self._clock() - self._waited_s

    def without_waits(self, events: Generator[EngineEvent, None, None]) -> Generator[EngineEvent, None, None]:
        """Pass on the events of a verb that reads this clock; closed with this generator."""
        try:
            for event in events:
                handed_s = self._clock()
                yield event
                self._waited_s += self._clock() - handed_s
        finally:
            events.close()
