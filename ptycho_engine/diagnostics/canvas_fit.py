"""The patterns that a stitched canvas predicts, where it covers what the probe lit."""

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, PositionArray
from ptycho_engine.diagnostics.illumination import probe_light
from ptycho_engine.documents import Canvas
from ptycho_engine.geometry.canvas import extract_patches

COVERED_LIGHT = 0.95
"""Part of the probe's light that must fall on covered pixels: what is missing beyond would be missed in the pattern."""


def predict_from_canvas(
    canvas: Canvas, probe: ComplexArray, positions: PositionArray, probe_scale: float
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Predict the patterns of some positions from a canvas of network scale.

    Parameters
    ----------
    canvas
        The stitched object.
    probe
        (n_modes, N, N) as stored; the forward model adds its modes before they diffract.
    positions
        (k, 2) [px] ``(y, x)``.
    probe_scale
        What the probe is divided by.

    Returns
    -------
    tuple
        (m, N, N) amplitudes ``|F(O P / probe_scale)|``, of unit energy from object to detector, for those (k,) of the
        positions at which the canvas covers ``COVERED_LIGHT``.
    """
    n = probe.shape[-1]
    light = probe_light(probe)
    here = positions - np.array(canvas.origin_px)
    covered = extract_patches(canvas.covered.astype(np.complex64), here, n).real
    good = (covered * light).sum(axis=(1, 2)) >= COVERED_LIGHT * light.sum()
    wave = probe.sum(axis=0) / np.float32(probe_scale)
    exit_waves = extract_patches(canvas.object_, here[good], n) * wave
    spectrum = np.fft.fftshift(np.fft.fft2(exit_waves, norm="ortho"), axes=(1, 2))
    return np.abs(spectrum).astype(np.float32), np.asarray(good)
