"""Curves made fit to be drawn."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Curve = NDArray[np.float64]
SMOOTHING_WINDOWS = (1, 5, 25, 100)
"""Over how many points curves are averaged, as wished; 1 shows them as they are."""


def running_mean(values: ArrayLike, window: int) -> Curve:
    """Return the mean over ``window`` neighbours, fewer towards the ends; values that are not finite do not count."""
    array = np.asarray(values, dtype=np.float64)
    if window <= 1 or array.size == 0:
        return array.copy()
    finite = np.isfinite(array)
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, array, 0.0))])
    count = np.concatenate([[0], np.cumsum(finite)])
    first = np.clip(np.arange(array.size) - window // 2, 0, None)
    last = np.clip(np.arange(array.size) + (window + 1) // 2, None, array.size)
    number = count[last] - count[first]
    return np.where(number > 0, (total[last] - total[first]) / np.maximum(number, 1), np.nan)


def drawable(values: Curve, log: bool) -> Curve:
    """Return the values with NaN for what an axis cannot show."""
    shown = np.isfinite(values)
    if log:
        shown &= values > 0
    return np.where(shown, values, np.nan)
