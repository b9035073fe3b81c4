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


def bin_points(points: NDArray[np.floating], figures: NDArray[np.floating], most_bins: int = 256) -> BinnedPoints:
    """Return the mean figure of ``(n, 2)`` points ``(y, x)`` in each of up to ``most_bins`` x ``most_bins`` bins.

    Points whose figure is not finite do not count.
    """
    finite = np.isfinite(figures)
    y, x = points[finite, 0], points[finite, 1]
    values = np.asarray(figures, dtype=np.float64)[finite]
    low = points.min(axis=0) if len(points) else np.zeros(2)
    span = np.maximum(points.max(axis=0) - low, 1e-9) if len(points) else np.ones(2)
    # Few bins where points are few, so that each bin holds some.
    side = int(np.clip(np.sqrt(max(len(points), 1)) / 2, 1, most_bins))
    # Bins of one size: to divide is several times faster than to look each point up among the edges.
    row, column = (
        np.minimum(((values_of_axis - low[axis]) * (side / span[axis])).astype(np.intp), side - 1)
        for axis, values_of_axis in enumerate((y, x))
    )
    index = row * side + column
    count = np.bincount(index, minlength=side * side).reshape(side, side)
    total = np.bincount(index, weights=values, minlength=side * side).reshape(side, side)
    mean = np.full(count.shape, np.nan, dtype=np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    return BinnedPoints(mean, (float(low[0]), float(low[1])), (float(span[0] / side), float(span[1] / side)))


def nearest_point(points: NDArray[np.floating], y: float, x: float) -> int | None:
    """Return the index of the point nearest to a place, ``None`` if there are none."""
    if len(points) == 0:
        return None
    return int(np.argmin((points[:, 0] - y) ** 2 + (points[:, 1] - x) ** 2))
