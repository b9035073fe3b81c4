"""Many patches close together: their rows added as one sparse product, instead of patch by patch.

Adding a small patch to its place costs more for the call than for its pixels. A sparse matrix whose columns are the
rows of all patches adds them in one call, each to the four rows around it, with bilinear shares. It can only add to
places that are multiples of a row's length, so there are as many canvases, strips of them, as a row has pixels, each
shifted by one more; their sum is the canvas.
"""

import numpy as np
from numpy.typing import NDArray


def add_crowd(
    canvas: NDArray[np.complex64],
    patches: NDArray[np.complexfloating],
    whole: NDArray[np.int64],
    fraction: NDArray[np.float64],
) -> None:
    """Add patches to a canvas, spread bilinearly; memory beside it is that of the patches' side times the canvas.

    Parameters
    ----------
    canvas
        (H, W) complex64, C-contiguous; it is changed.
    patches
        (k, c, c) complex.
    whole, fraction
        (k, 2) [px] ``(row, column)`` of pixel ``[0, 0]`` of each, as whole pixels and parts of one from 0 to below 1.
        Each patch lies on the canvas, with a further row or column where the part is not 0.
    """
    from scipy.sparse import csc_array

    count, side = patches.shape[:2]
    width = canvas.shape[1]
    first = (whole[:, :1] + np.arange(side)) * width + whole[:, 1:]
    # Where a part is 0 nothing falls on the further row or column, and there need not be one.
    down, right = ((fraction[:, axis, None] > 0) * step for axis, step in ((0, width), (1, 1)))
    shares = np.stack((1 - fraction, fraction))
    strip = -(-canvas.size // side)
    places = np.empty((count, side, 4), np.int32)
    parts = np.empty((count, side, 4), np.float32)
    for corner, (below, beside) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        row, pixel = np.divmod(first + below * down + beside * right, side)
        places[:, :, corner] = pixel * strip + row
        parts[:, :, corner] = (shares[below, :, 0] * shares[beside, :, 1])[:, None]
    ends = np.arange(0, 4 * count * side + 1, 4, dtype=np.int32)
    spread = csc_array((parts.reshape(-1), places.reshape(-1), ends), shape=(side * strip, count * side))
    rows = np.ascontiguousarray(patches, np.complex64).view(np.float32).reshape(count * side, 2 * side)
    strips = (spread @ rows).view(np.complex64).reshape(side, -1)
    flat = canvas.reshape(-1)
    for shift, sums in enumerate(strips):
        flat[shift:] += sums[: flat.size - shift]
