"""Normalisation of each patch for display. A constant patch gives zeros, a patch that is not finite stays so."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray

Normalisation = Literal["z-score", "min-max"]
NORMALISATIONS: tuple[Normalisation, ...] = ("z-score", "min-max")

CONSTANT = 1e-6
"""A patch whose spread is below this part of its own level is constant: the rest is rounding of 32-bit values."""


def normalise(patches: NDArray[np.floating], kind: Normalisation) -> FloatArray:
    """Return every patch of ``(n, height, width)`` normalised by itself."""
    return z_score(patches) if kind == "z-score" else min_max(patches)


def z_score(patches: NDArray[np.floating]) -> FloatArray:
    """Return (a - mean) / std of each patch of ``(n, height, width)``."""
    array = np.asarray(patches, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        centred = array - array.mean(axis=(-2, -1), keepdims=True)
        spread = np.sqrt(np.mean(centred * centred, axis=(-2, -1), keepdims=True))
        return _divide(centred, spread, array)


def min_max(patches: NDArray[np.floating]) -> FloatArray:
    """Return (a - min) / (max - min) of each patch of ``(n, height, width)``."""
    array = np.asarray(patches, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        low = array.min(axis=(-2, -1), keepdims=True)
        return _divide(array - low, array.max(axis=(-2, -1), keepdims=True) - low, array)


def _divide(numerator: NDArray[np.float64], spread: NDArray[np.float64], values: NDArray[np.float64]) -> FloatArray:
    level = np.abs(values).max(axis=(-2, -1), keepdims=True)
    constant = spread <= CONSTANT * level
    # Divided by infinity, what is left of a constant patch is zero.
    return (numerator / np.where(constant, np.inf, spread)).astype(np.float32)
