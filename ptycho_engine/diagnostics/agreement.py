"""How well a reconstruction agrees with the known object or with another reconstruction, after registration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, frozen_array
from ptycho_engine.diagnostics.frc import RingCorrelation, ring_correlation
from ptycho_engine.diagnostics.metrics import compare_areas
from ptycho_engine.diagnostics.registration import Registration, applied, register
from ptycho_engine.documents import Canvas, ReconstructionMetrics
from ptycho_engine.errors import InputError

SMALLEST_SIDE = 16
"""Of the common area [px]: on less neither a shift nor rings mean anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Two pictures brought together, and the figures of what is left."""

    aligned: ComplexArray
    """(H, W) complex64 the second on the pixels and the scale of the first, NaN where not both show something."""
    registration: Registration
    """What was done to the second."""
    metrics: ReconstructionMetrics
    """Of the first against the second as aligned."""
    frc: RingCorrelation


def compare_reconstructions(canvas: Canvas, other: Canvas | ComplexArray, *, shifts: bool = True) -> Agreement:
    """Compare a reconstruction with another, or with the known object.

    Parameters
    ----------
    canvas
        The first, whose pixels and scale are kept.
    other
        The second; or (H, W) complex, the known object from object pixel (0, 0).
    shifts
        Whether a sub-pixel shift and a ramp of the phase are taken out before; the complex factor always is.

    Raises
    ------
    InputError
        If they have too little in common.
    """
    second, shown = _on_canvas(canvas, other)
    common = canvas.covered & shown & np.isfinite(canvas.object_) & np.isfinite(second)
    rows, columns = (np.flatnonzero(common.any(axis=axis)) for axis in (1, 0))
    if min(rows.size, columns.size) < SMALLEST_SIDE:
        raise InputError(
            f"The two reconstructions have {rows.size} x {columns.size} pixels in common, too few to compare",
            "Compare two reconstructions of the same part of the object.",
        )
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    first, second, common = canvas.object_[box], np.where(common, second, 0)[box], common[box]
    registration = register(first, second, common, shifts=shifts)
    there = applied(registration, second)
    common = common & _still_shown(common, registration)
    metrics = compare_areas(first, there.astype(np.complex64), common)
    aligned = np.full(canvas.object_.shape, np.nan + 1j * np.nan, np.complex64)
    aligned[box] = np.where(common, there, np.nan + 1j * np.nan)
    return Agreement(frozen_array(aligned, np.complex64), registration, metrics, ring_correlation(first, there, common))


def _on_canvas(canvas: Canvas, other: Canvas | ComplexArray) -> tuple[ComplexArray, NDArray[np.bool_]]:
    """Return the second on the pixels of the first, and where it shows something."""
    values, covered, origin = (
        (other.object_, other.covered, other.origin_px)
        if isinstance(other, Canvas)
        else (other, np.ones(other.shape, bool), (0, 0))
    )
    height, width = canvas.object_.shape
    row, column = (theirs - ours for theirs, ours in zip(origin, canvas.origin_px, strict=True))
    placed, shown = np.zeros((height, width), np.complex64), np.zeros((height, width), bool)
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + values.shape[0], height), min(column + values.shape[1], width)
    if bottom > top and right > left:
        there = (slice(top - row, bottom - row), slice(left - column, right - column))
        placed[top:bottom, left:right], shown[top:bottom, left:right] = values[there], covered[there]
    return placed, shown


def _still_shown(common: NDArray[np.bool_], registration: Registration) -> NDArray[np.bool_]:
    """Return where the moved picture was made of pixels that it had: splines reach two pixels around."""
    from scipy.ndimage import binary_erosion, shift

    if not any(registration.shift_px):
        return common
    inner = binary_erosion(np.pad(common, 2), np.ones((5, 5), bool))[2:-2, 2:-2]
    there = shift(inner.astype(np.float32), registration.shift_px, order=1, mode="constant", cval=0.0)
    return np.asarray(there > 0.999)
