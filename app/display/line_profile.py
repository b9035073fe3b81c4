"""The values of a picture along a straight line."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[float, float]
"""Row and column of a point, in edges: pixel ``[i, j]`` covers ``i..i+1`` and ``j..j+1``."""


def line_profile(
    values: NDArray[Any], start: Place, end: Place, *, nearest: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distance from the start [px] and the value there, about twice for each pixel.

    Parameters
    ----------
    values
        (H, W) real, or complex, of which the amplitude is taken.
    start, end
        The ends of the line.
    nearest
        Take the pixel that the point lies in; else the four around are interpolated linearly. Of a phase, whose ends
        are one, no mean of two values can be taken.

    Returns
    -------
    tuple
        Two (n,) arrays; NaN beyond the picture, and where it has no value.
    """
    picture = np.abs(values) if np.iscomplexobj(values) else np.asarray(values)
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    n_points = max(2, int(np.ceil(2 * length)) + 1)
    part = np.linspace(0.0, 1.0, n_points)
    # The middle of a pixel is half a pixel from its edges.
    rows, columns = (start[i] + part * (end[i] - start[i]) - 0.5 for i in (0, 1))
    inside = (rows > -0.5) & (rows < picture.shape[0] - 0.5) & (columns > -0.5) & (columns < picture.shape[1] - 0.5)
    if nearest:
        i, j = (
            np.clip(np.rint(each), 0, n - 1).astype(np.int64)
            for each, n in zip((rows, columns), picture.shape, strict=True)
        )
        found = picture[i, j].astype(np.float64)
    else:
        from scipy.ndimage import map_coordinates

        found = map_coordinates(picture.astype(np.float64), [rows, columns], order=1, mode="nearest")
    return part * length, np.where(inside, found, np.nan)
