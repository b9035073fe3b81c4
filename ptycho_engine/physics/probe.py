"""The probe: the soft disk that may limit it, and its normalisation."""

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray


def soft_disk(n: int, diameter: float | None = None, sigma: float = 1.0) -> FloatArray:
    """Return a disk with a soft edge, (N, N) float32 from 0 to 1.

    Parameters
    ----------
    n
        Side N [px].
    diameter
        Of the disk [px]; N/2 by default.
    sigma
        Of the Gaussian that softens the edge [px]; 0 leaves it hard.
    """
    radius = (n / 2 if diameter is None else diameter) / 2
    axis = np.arange(n) - n // 2 + 0.5
    disk = (np.hypot(axis[:, None], axis[None, :]) < radius).astype(np.float64)
    if sigma > 0:
        blur = _gaussian_matrix(n, sigma)
        disk = blur @ disk @ blur.T
    top = disk.max()
    return np.asarray(np.clip(disk / top if top > 0 else disk, 0, 1), dtype=np.float32)


def _gaussian_matrix(n: int, sigma: float) -> NDArray[np.float64]:
    """Return the (N, N) matrix that blurs along one axis, with zeros beyond the border."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    apart = np.arange(n)[:, None] - np.arange(n)[None, :]
    return np.asarray(np.where(np.abs(apart) <= reach, kernel[np.clip(apart + reach, 0, 2 * reach)], 0.0))


def probe_normalisation(probe: ComplexArray, probe_scale: float, mask: FloatArray | None = None) -> float:
    """Return q = 1/(probe_scale · mean|probe · mask|), one factor for all modes.

    Parameters
    ----------
    probe
        (n_modes, N, N) or (N, N) complex.
    probe_scale
        What the normalised probe is divided by once more.
    mask
        (N, N), or none.
    """
    seen = np.abs(probe if mask is None else probe * mask)
    return float(1.0 / (probe_scale * seen.mean(dtype=np.float64)))
