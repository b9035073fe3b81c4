"""Very many points as a picture: the mean of a figure in each bin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class BinnedPoints:
    """A picture of points."""

    mean: FloatArray
    """(rows, columns) mean of the figure, NaN where no point fell."""
    origin: tuple[float, float]
    """``(y, x)`` of the top left edge."""
    bin_size: tuple[float, float]
    """Height and width of a bin."""


class PointBins:
    """The bins that points fall into: found once, however many figures of these points are shown.

    Parameters
    ----------
    points
        (n, 2) ``(y, x)``.
    most_bins
        Bins along each side at most.
    """

    def __init__(self, points: NDArray[np.floating], most_bins: int = 256) -> None:
        # Along each axis for itself: a reduction over pairs of numbers is many times slower.
        self.low = np.array([one.min() for one in points.T]) if len(points) else np.zeros(2)
        self.high = np.array([one.max() for one in points.T]) if len(points) else np.ones(2)
        span = np.maximum(self.high - self.low, 1e-9)
        # Few bins where points are few, so that each bin holds some.
        self._side = side = int(np.clip(np.sqrt(max(len(points), 1)) / 2, 1, most_bins))
        self._bin_size = (float(span[0] / side), float(span[1] / side))
        # Bins of one size: to divide is several times faster than to look each point up among the edges.
        row, column = (
            np.minimum(((points[:, axis] - self.low[axis]) * (side / span[axis])).astype(np.intp), side - 1)
            for axis in range(2)
        )
        self._index = row * side + column
        self._count = np.bincount(self._index, minlength=side * side)

    def mean(self, figures: NDArray[np.floating]) -> BinnedPoints:
        """Return the mean of ``(n,)`` figures in each bin; those that are not finite do not count."""
        index, count, values = self._index, self._count, np.asarray(figures, dtype=np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            index, values = index[finite], values[finite]
            count = np.bincount(index, minlength=len(count))
        total = np.bincount(index, weights=values, minlength=len(count))
        mean = np.full(count.shape, np.nan, dtype=np.float32)
        np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
        origin = (float(self.low[0]), float(self.low[1]))
        return BinnedPoints(mean.reshape(self._side, self._side), origin, self._bin_size)


def nearest_point(points: NDArray[np.floating], y: float, x: float) -> int | None:
    """Return the index of the point nearest to a place, ``None`` if there are none."""
    if len(points) == 0:
        return None
    return int(np.argmin((points[:, 0] - y) ** 2 + (points[:, 1] - x) ** 2))
