"""CPU time of several ways to do the same, taken in turns so that a busy machine disturbs all of them alike."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Work = Callable[[], object]

SHORTEST_SAMPLE_S = 0.01
"""What takes less is repeated until a sample takes about this long: the clock of a process is coarse."""
_MOST_REPEATS = 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds of one way to do it, one for each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median [s]."""
        return float(np.median(self.seconds))

    @property
    def low(self) -> float:
        """The least [s]."""
        return min(self.seconds)

    @property
    def high(self) -> float:
        """The greatest [s]."""
        return max(self.seconds)

    def over(self, other: "Timing") -> "Ratio":
        """Return how many times the time of another way this takes, round by round."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return Ratio(tuple(mine / max(theirs, 1e-9) for mine, theirs in pairs))


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two times, one for each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return float(np.median(self.values))

    @property
    def low(self) -> float:
        """The least."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The greatest."""
        return max(self.values)


def in_turns(
    ways: Mapping[str, Work], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, Timing]:
    """Measure several ways in turns; each is done once before, so that nothing is paid for the first time.

    Parameters
    ----------
    ways
        What to do, by name.
    rounds
        Samples of each; the order changes from round to round.
    clock
        Seconds of CPU of this process.

    Returns
    -------
    dict of str to Timing
        CPU seconds of one run of each, its repeats divided out.
    """
    repeats = {name: _repeats(work, clock) for name, work in ways.items()}
    found: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    enabled = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                begun = clock()
                for _ in range(repeats[name]):
                    ways[name]()
                found[name].append((clock() - begun) / repeats[name])
            gc.collect()
    finally:
        if enabled:
            gc.enable()
    return {name: Timing(tuple(seconds)) for name, seconds in found.items()}


def _repeats(work: Work, clock: Callable[[], float]) -> int:
    work()
    begun = clock()
    work()
    once = clock() - begun
    return int(np.clip(np.ceil(SHORTEST_SAMPLE_S / max(once, 1e-6)), 1, _MOST_REPEATS))


def peak_bytes(work: Work) -> int:
    """Return the most memory that Python and numpy held for a piece of work at once, beside what was there before."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        return max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
