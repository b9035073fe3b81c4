"""How well predicted patterns fit the measured ones: figures that need no known object."""

import numpy as np

from ptycho_engine.arrays import FloatArray

LEAST_RATE = 1e-8
"""Photons that a pixel is predicted to receive at least: a count where none is predicted would cost infinitely much."""


def r_factor(predicted: FloatArray, measured: FloatArray) -> float:
    """Return ``sum |A_predicted - A_measured| / sum A_measured``, the R-factor of crystallography.

    Parameters
    ----------
    predicted, measured
        Amplitudes on one scale, of the same shape.

    Returns
    -------
    float
        0 for a perfect fit, about 1 for predictions of nothing; NaN without light.
    """
    total = float(np.sum(measured, dtype=np.float64))
    difference = float(np.sum(np.abs(predicted - measured), dtype=np.float64))
    return difference / total if total > 0 else float("nan")


def poisson_deviance(predicted: FloatArray, measured: FloatArray, intensity_scale: float) -> float:
    """Return the Poisson deviance per pixel, ``mean 2 (λ - n + n ln(n/λ))`` (McCullagh and Nelder, 1989, section 2.3).

    It is twice what the likelihood lacks to that of a model which predicts every count. Where counts are high it is
    about 1 for a fit that lacks nothing but the noise, and less where most pixels are dark.

    Parameters
    ----------
    predicted, measured
        Amplitudes on network scale, of the same shape.
    intensity_scale
        S: the rate λ is ``(S predicted)²``, the count n is ``(S measured)²``. Where the number of photons is assumed
        and not known, so is the size of this figure.
    """
    rate = np.maximum(np.square(intensity_scale * predicted.astype(np.float64)), LEAST_RATE)
    count = np.square(intensity_scale * measured.astype(np.float64))
    seen = count > 0
    surprise = np.zeros_like(count)
    surprise[seen] = count[seen] * np.log(count[seen] / rate[seen])
    return float(np.mean(2.0 * (rate - count + surprise)))


def empty_r_factor(measured: FloatArray, empty: FloatArray) -> float:
    """Return the R-factor of the empty object: of one pattern, brought to the mean energy of the measured ones.

    A network that fits no better than this has learned nothing of the object.

    Parameters
    ----------
    measured
        (k, N, N) amplitudes.
    empty
        (N, N) amplitude of an empty object, on any scale.
    """
    energy = float(np.mean(np.sum(np.square(measured, dtype=np.float64), axis=(-2, -1))))
    own = float(np.sum(np.square(empty, dtype=np.float64)))
    if own <= 0:
        return float("nan")
    return r_factor(np.asarray(empty * np.float32(np.sqrt(energy / own))), measured)


def stranger_deviance(predicted: FloatArray, measured: FloatArray, intensity_scale: float) -> float:
    """Return the Poisson deviance per pixel of each pattern against what is predicted for another one.

    A network that predicts much the same for every pattern comes to the same deviance with strangers: it has learned
    nothing of where they lie. Where photons are rare this shows, as no comparison with a fixed pattern does.

    Parameters
    ----------
    predicted, measured, intensity_scale
        As of :func:`poisson_deviance`, ``(k, N, N)``; strangers lie half the sample apart. One pattern alone has none,
        and gives NaN.
    """
    if len(predicted) < 2:
        return float("nan")
    return poisson_deviance(np.roll(predicted, len(predicted) // 2, axis=0), measured, intensity_scale)
