"""From values to colours of a map, block by block: what is computed stays in the cache until it is painted."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.display.colormaps import N_COLOURS, colour_table
from app.display.complex_image import ByteArray

_BLOCK = 1 << 16
"""Values that are coloured at once."""
_FIRST, _LAST = np.float32(1), np.float32(N_COLOURS)
"""Entries of the first and of the last colour; before them lies the one of NaN."""


def false_colours(
    values: NDArray[np.floating], low: float, high: float, colour_map: str, *, room: ByteArray | None = None
) -> ByteArray:
    """Return ``(height, width, 4)`` RGBA bytes of ``(height, width)`` values; NaN is transparent.

    Parameters
    ----------
    values
        The picture.
    low, high
        The values of the first and of the last colour; those beyond have these colours too.
    colour_map
        A name of :data:`app.display.colormaps.COLOUR_MAPS`.
    room
        The colours of an earlier picture that are needed no more: those of one of the same size are painted over,
        which saves the system the clearing of new memory.
    """
    table = _table(colour_map)
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    if room is None or room.shape != (*values.shape, 4):
        room = np.empty((*values.shape, 4), np.uint8)
    painted = room.reshape(-1).view(np.uint32)
    scale = np.float32(N_COLOURS / (high - low)) if high > low else np.float32(1.0)
    size = min(_BLOCK, flat.size)
    scaled, entries, places = np.empty(size, np.float32), np.empty(size, np.int32), np.empty(size, np.intp)
    # A NaN becomes a number below all others on one processor and zero on another: both take the first entry.
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK]
            step, entry, place = scaled[: len(block)], entries[: len(block)], places[: len(block)]
            np.subtract(block, np.float32(low), out=step)
            step *= scale
            step += _FIRST
            np.clip(step, _FIRST, _LAST, out=step)
            # By way of 32 bits: processors have no instruction for many numbers at once from these to 64.
            entry[:] = step
            place[:] = entry
            table.take(place, out=painted[start : start + _BLOCK], mode="clip")
    return room


@lru_cache
def _table(colour_map: str) -> NDArray[np.uint32]:
    """Return nothing at all and then the colours, each as one number."""
    colours = np.concatenate([np.zeros((1, 4), np.uint8), colour_table(colour_map)])
    return np.ascontiguousarray(colours).view(np.uint32)[:, 0]
