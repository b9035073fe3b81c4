"""A curve is given a little more room than it fills, so that the axes stay as they are while it grows.

To draw axes with new numbers takes three times as long as to draw a curve on the old ones.
"""

from typing import Any

import numpy as np

PARTS = (8, 16)
"""Across and up: into how many parts, at the least, the room of a curve is divided."""

LEAST_PX = (120, 80)
"""Width and height of the smallest plot with its legend."""
CURVES_PX = (120, 44)
"""Width and height of the smallest plot without it: a legend may take two lines of a low one."""
TITLED_PX = 96
"""Height from which on the lower axis has its title; below, the curves need the room more."""


def give_room(curve: Any) -> None:
    """Let a curve of a plot ask for its room in whole parts: it must grow by one before the axes follow."""
    exact = curve.dataBounds

    def in_whole_parts(axis: int, *args: Any, **kwargs: Any) -> tuple[float | None, float | None]:
        low, high = exact(axis, *args, **kwargs)
        if low is None or high is None:
            return (low, high)
        return with_room(float(low), float(high), PARTS[axis], keeps_low=axis == 0)

    curve.dataBounds = in_whole_parts


def with_room(low: float, high: float, parts: int, *, keeps_low: bool) -> tuple[float, float]:
    """Return the range in whole parts, each a power of two and at most 1 / ``parts`` of its length."""
    length = high - low
    if not np.isfinite(length) or length <= 0:
        return (low, high)
    part = 2.0 ** np.floor(np.log2(length)) / parts
    top = float(np.ceil((high - low) / part) * part) + low if keeps_low else float(np.ceil(high / part) * part)
    return (low if keeps_low else float(np.floor(low / part) * part), top)
