"""Positions as they come, in one array.

Small arrays that stay, among large ones that come and go, break up the memory: a long inference that kept those of
each batch for itself took a kilobyte more for each position.
"""

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import PositionArray


class PositionList:
    """Collects positions.

    Parameters
    ----------
    expected
        How many will come; more are taken, too.
    """

    def __init__(self, expected: int) -> None:
        self._room = np.empty((max(1, expected), 2))
        self._count = 0

    def extend(self, positions: PositionArray) -> None:
        """Add (k, 2) positions [px] ``(y, x)``."""
        count = self._count + len(positions)
        if count > len(self._room):
            room = np.empty((max(count, 2 * len(self._room)), 2))
            room[: self._count] = self.so_far
            self._room = room
        self._room[self._count : count] = positions
        self._count = count

    @property
    def so_far(self) -> NDArray[np.float64]:
        """(n, 2) float64 [px] all that were added, in their order; in the memory of this list."""
        return self._room[: self._count]
