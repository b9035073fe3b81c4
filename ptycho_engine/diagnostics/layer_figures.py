"""Figures and histogram of one tensor of a network."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import frozen_array

BINS = 60
"""Most bins of a histogram, from the least to the greatest value; few values have fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerFigures:
    """What one tensor holds. Of complex numbers it describes the real and the imaginary parts together."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    count: int
    mean: float | None
    """Of the finite values, as the three below; ``None`` where there is none."""
    std: float | None
    minimum: float | None
    maximum: float | None
    n_not_finite: int
    histogram: NDArray[np.int64]
    """(bins,) values in each bin; empty where none is finite."""
    edges: NDArray[np.float64]
    """(bins + 1,) ends of the bins."""


def layer_figures(name: str, tensor: NDArray[Any]) -> LayerFigures:
    """Describe one tensor.

    Parameters
    ----------
    name
        What it is called.
    tensor
        Its values, of any shape and number type.
    """
    parts = np.stack((tensor.real, tensor.imag)) if np.iscomplexobj(tensor) else tensor
    values = np.asarray(parts, np.float64)
    finite = values[np.isfinite(values)]
    counts, edges = _histogram(finite)
    return LayerFigures(
        name,
        tuple(tensor.shape),
        str(tensor.dtype),
        int(tensor.size),
        float(finite.mean()) if finite.size else None,
        float(finite.std()) if finite.size else None,
        float(finite.min()) if finite.size else None,
        float(finite.max()) if finite.size else None,
        int(values.size - finite.size),
        frozen_array(counts, np.int64),
        frozen_array(edges, np.float64),
    )


def _histogram(finite: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    if not finite.size:
        return np.zeros(0), np.zeros(0)
    low, high = float(finite.min()), float(finite.max())
    # One bin less wide than its values can be told apart would be empty for nothing but rounding.
    if high - low <= 8 * BINS * np.spacing(max(abs(low), abs(high))):
        reach = 0.5 * max(abs(low), 1.0)
        return np.array([finite.size]), np.array([low - reach, high + reach])
    return np.histogram(finite, bins=min(BINS, math.ceil(2 * math.sqrt(finite.size))), range=(low, high))
