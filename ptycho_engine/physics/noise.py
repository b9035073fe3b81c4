"""How much of what patterns differ by is the noise of their photons."""

import math

import numpy as np
from numpy.typing import NDArray

_SUMMED = 64.0
"""Expected counts up to which the series is summed; beyond, the asymptote is right to a millionth."""
_TERMS = 200


def root_count_variance(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the variance of the square root of Poisson counts.

    Near zero it is the expected count itself, for many photons it comes to 1/4 (Anscombe, Biometrika 35, 1948).

    Parameters
    ----------
    expected
        (...) expected counts, not negative.

    Returns
    -------
    numpy.ndarray
        (...) λ - E[sqrt(n)]², for many photons 1/4 + 3/(32 λ) + 17/(128 λ²).
    """
    few = np.minimum(expected, _SUMMED)
    # E[sqrt(n)] term by term, each Poisson weight from the one before.
    weight = np.exp(-few)
    root = np.zeros_like(few)
    for count in range(1, _TERMS):
        weight = weight * few / count
        root += weight * math.sqrt(count)
    many = np.maximum(expected, _SUMMED)
    asymptote = 0.25 + 3 / (32 * many) + 17 / (128 * np.square(many))
    return np.asarray(np.where(expected < _SUMMED, few - np.square(root), asymptote))


def noise_share(mean: NDArray[np.float64], mean_square: NDArray[np.float64], n_photons: float) -> float:
    """Return which part of what patterns differ by is the noise of their photons.

    Parameters
    ----------
    mean, mean_square
        (N, N) mean of normalised amplitudes over many patterns, and of their squares, whose sum is (N/2)².
    n_photons
        Photons of an average pattern.

    Returns
    -------
    float
        Near 0 where the object decides; 1 where patterns differ by noise alone. 0 if they do not differ.
    """
    variance = float(np.mean(mean_square) - np.mean(np.square(mean)))
    if variance <= 0:
        return 0.0
    photons_per_square = n_photons / float(mean.shape[-1] / 2) ** 2
    noise = float(np.mean(root_count_variance(mean_square * photons_per_square))) / photons_per_square
    return noise / variance
