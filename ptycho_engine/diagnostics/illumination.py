"""How large a probe is, and the pattern that it makes alone."""

import math

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray


def probe_light(probe: ComplexArray) -> NDArray[np.float64]:
    """Return (N, N) the intensity of a probe, summed over its modes."""
    return np.asarray(np.square(np.abs(probe.astype(np.complex128))).sum(axis=0))


def probe_diameter(probe: ComplexArray) -> float:
    """Return the diameter [px] of the disk that is as large as the lit area.

    The lit area is ``(sum I)² / sum I²``, the participation ratio: exact for an evenly lit area of any shape, and not
    led astray by fringes. A Gaussian ``I = exp(-r²/w²)`` has the diameter ``2 sqrt(2) w``.

    Parameters
    ----------
    probe
        (n_modes, N, N) complex.
    """
    light = probe_light(probe)
    squares = float(np.square(light).sum())
    return 2.0 * math.sqrt(float(light.sum()) ** 2 / squares / math.pi) if squares > 0 else 0.0


def empty_intensity(probe: ComplexArray) -> NDArray[np.float64]:
    """Return (N, N) the pattern of a probe without object, zero frequency in the centre, modes as they are merged."""
    wave = probe.astype(np.complex128).sum(axis=0)
    return np.asarray(np.square(np.abs(np.fft.fftshift(np.fft.fft2(wave, norm="ortho")))))
