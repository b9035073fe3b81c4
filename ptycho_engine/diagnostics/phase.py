"""The phase of a stitched object without its ramp, and without its jumps of a whole period."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ptycho_engine.arrays import FloatArray, frozen_array
from ptycho_engine.diagnostics.registration import phase_slope, ramp, soft_window
from ptycho_engine.documents import Canvas


@dataclass(frozen=True, slots=True, eq=False)
class FlatPhase:
    """The phase of a canvas with the mean slope taken out; the mean phase is zero."""

    slope_rad_per_px: tuple[float, float]
    """The slope ``(y, x)`` that was taken out."""
    wrapped: FloatArray
    """(H, W) float32 [rad] -pi to pi, NaN where nothing is stitched."""
    unwrapped: FloatArray | None
    """(H, W) float32 [rad] without jumps, if that was asked for."""
    unwrapped_with_ramp: FloatArray | None
    """(H, W) float32 [rad] the same with the slope put back."""


def flat_phase(canvas: Canvas, *, unwrap: bool) -> FlatPhase:
    """Take the ramp out of the phase of a canvas: from diffraction patterns alone it is not known.

    The slope is where the Fourier transform of the object has its peak. Jumps are removed after that, by the algorithm
    of Herraez et al., Appl. Opt. 41 (2002) 7437, as scikit-image has it.

    Parameters
    ----------
    canvas
        The stitched object.
    unwrap
        Whether to remove the jumps too, which takes seconds on millions of pixels.
    """
    shown = canvas.covered & np.isfinite(canvas.object_)
    if not shown.any():
        nothing = frozen_array(np.full(shown.shape, np.nan), np.float32)
        return FlatPhase((0.0, 0.0), nothing, nothing if unwrap else None, nothing if unwrap else None)
    values = np.where(shown, canvas.object_, 0)
    window = soft_window(shown)
    slope = phase_slope(values, window)
    rising = ramp(values.shape, slope)
    flat = values * rising.conj()
    flat = flat * np.exp(-1j * np.angle(np.sum(flat * window)))
    wrapped = np.where(shown, np.angle(flat), np.nan)
    if not unwrap:
        return FlatPhase(slope, frozen_array(wrapped, np.float32), None, None)
    from skimage.restoration import unwrap_phase

    remove_jumps: Any = unwrap_phase
    smooth = np.ma.filled(remove_jumps(np.ma.masked_array(np.where(shown, wrapped, 0), ~shown)), np.nan)
    smooth = np.where(shown, smooth, np.nan)
    smooth -= 2 * np.pi * np.round(np.nanmedian(smooth) / (2 * np.pi))
    y, x = ((np.arange(n) - (n - 1) / 2) * each for n, each in zip(values.shape, slope, strict=True))
    return FlatPhase(
        slope,
        frozen_array(wrapped, np.float32),
        frozen_array(smooth, np.float32),
        frozen_array(smooth + y[:, None] + x[None, :], np.float32),
    )
