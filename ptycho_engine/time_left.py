"""How long a job still takes, by a clock that nobody sets, and without the time in which the machine slept."""

import time
from collections.abc import Callable

PAUSE_FACTOR = 20.0
"""A gap of so many usual ones was no work: the machine slept, the process was stopped, a disk hung."""
SHORTEST_PAUSE_S = 10.0


class TimeLeft:
    """Estimates the time left from what was done since a job began or was resumed.

    Some systems count the time asleep in their monotonic clock and others do not, so pauses are told by their length.

    Parameters
    ----------
    done
        Units done when the counting begins: steps, patches.
    clock
        Seconds from any origin, never set back.
    """

    def __init__(self, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.begin(done)

    def begin(self, done: int) -> None:
        """Count from here on."""
        self._first = done
        self._newest_s = self._clock()
        self._worked_s = 0.0
        self._n_gaps = 0

    def seconds(self, done: int, n_total: int) -> float | None:
        """Return the seconds left [s], ``None`` before the first unit is done."""
        now = self._clock()
        gap = now - self._newest_s
        self._newest_s = now
        usual = self._worked_s / self._n_gaps if self._n_gaps else gap
        if gap > max(PAUSE_FACTOR * usual, SHORTEST_PAUSE_S):
            gap = usual
        self._worked_s += gap
        self._n_gaps += 1
        done_here = done - self._first
        return self._worked_s / done_here * (n_total - done) if done_here > 0 else None
