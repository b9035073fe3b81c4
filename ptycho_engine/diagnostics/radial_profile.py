"""How the light of a pattern falls off from its middle."""

import numpy as np
from numpy.typing import NDArray


def radial_profile(
    pattern: NDArray[np.floating], left_out: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return radius and mean of the pattern in rings of one pixel about the zero frequency.

    Parameters
    ----------
    pattern
        (N, N) with the zero frequency at ``[N // 2, N // 2]``; what is not finite does not count.
    left_out
        (N, N) pixels that do not count either.

    Returns
    -------
    radii, means
        (k,) float64: mean distance of the pixels of a ring [px], and their mean; rings without pixels are left away.
    """
    n = len(pattern)
    axis = np.arange(n) - n // 2
    radius = np.hypot(axis[:, None], axis[None, :])
    counted = np.isfinite(pattern) if left_out is None else np.isfinite(pattern) & ~left_out
    rings, values = np.rint(radius[counted]).astype(np.int64), np.asarray(pattern[counted], np.float64)
    number = np.bincount(rings)
    held = number > 0
    radii = np.bincount(rings, weights=radius[counted])[held] / number[held]
    return radii, np.bincount(rings, weights=values)[held] / number[held]
