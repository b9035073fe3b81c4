"""Which patches are shown while a job works, and how often."""

import math
import time
from collections.abc import Callable

import numpy as np

from ptycho_engine.arrays import IndexArray, PositionArray

COST_LIMIT = 10.0
"""A preview is made only when this many times its own cost has passed: previews take a tenth of the time at most."""


def choose_groups(centers: PositionArray, count: int) -> IndexArray:
    """Choose groups evenly spread over the scan, the same ones each time.

    The scan is cut into horizontal strips of equally many groups, and from each strip groups are taken from left to
    right: shown row by row, the previews lie as in the scan.

    Parameters
    ----------
    centers
        (n_groups, 2) [px] centres of the groups, ``(y, x)``.
    count
        Groups to choose.

    Returns
    -------
    IndexArray
        (min(count, n_groups),) numbers of the groups.
    """
    n_groups = len(centers)
    count = min(count, n_groups)
    if count == 0:
        return np.zeros(0, np.int64)
    n_strips = math.isqrt(count - 1) + 1
    per_strip = np.diff(np.round(np.linspace(0, count, n_strips + 1)).astype(int))
    by_row = np.argsort(centers[:, 0], kind="stable")
    # Each strip holds groups in proportion to those chosen from it, so there are always enough.
    bounds = np.round(np.concatenate([[0], np.cumsum(per_strip)]) * n_groups / count).astype(int)
    chosen = []
    for take, low, high in zip(per_strip, bounds[:-1], bounds[1:], strict=True):
        strip = by_row[low:high]
        strip = strip[np.argsort(centers[strip, 1], kind="stable")]
        chosen.append(strip[((np.arange(take) + 0.5) * len(strip) / take).astype(int)])
    return np.concatenate(chosen).astype(np.int64)


class RateLimit:
    """Says when the next preview is due, by a clock that never jumps.

    Parameters
    ----------
    interval_s
        Shortest time between two previews [s].
    clock
        Seconds from any origin.
    """

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval_s = interval_s
        self._clock = clock
        self._next = -math.inf
        self._begun = 0.0

    def due(self) -> bool:
        """Whether a preview may be made now."""
        return self._clock() >= self._next

    def begin(self) -> None:
        """Note that a preview is being made from now on."""
        self._begun = self._clock()

    def end(self) -> None:
        """Note that the preview is made: the next is due after the interval, and not before its cost is small."""
        now = self._clock()
        self._next = now + max(self.interval_s, COST_LIMIT * (now - self._begun))
