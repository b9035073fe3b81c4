"""What training minimises: the distance between what is predicted and what was measured."""

import torch
from torch import Tensor

_TINY = 1e-8
LEAST_COUNT_RATE = 1e-8
"""Counts that a pixel is predicted to receive at least: its logarithm is taken."""


def poisson_loss(predicted: Tensor, measured: Tensor, intensity_scale: Tensor | float) -> Tensor:
    """Return the negative log-likelihood of the measured counts, a scalar.

    Both amplitudes are brought to photons with the intensity scale S: the rate is ``(S predicted)²``, the count
    ``(S measured)²``. The sum over a group is averaged over the batch and divided by the mean measured amplitude.

    Parameters
    ----------
    predicted
        ``(B, C, N, N)`` amplitude of the forward model.
    measured
        ``(B, C, N, N)`` normalised measured amplitude.
    intensity_scale
        S, one number or a tensor that broadcasts. The release of November 2025 compares with S = 1 and divides the
        predicted amplitude by its own scale before.
    """
    rate = (intensity_scale * predicted) ** 2
    with torch.no_grad():
        count = (intensity_scale * measured) ** 2
        constant = torch.lgamma(count + 1.0)
    # xlogy: no count and no rate is certain, not undefined.
    terms = rate - torch.xlogy(count, rate) + constant
    return terms.sum(dim=tuple(range(1, terms.ndim))).mean() / mean_measured(measured)


def mae_loss(predicted: Tensor, measured: Tensor, intensity_scale: Tensor | float) -> Tensor:
    """Return the mean absolute difference of the amplitudes in root photons over the mean measured amplitude.

    Arguments as for :func:`poisson_loss`.
    """
    difference = intensity_scale * predicted - intensity_scale * measured
    return difference.abs().mean() / mean_measured(measured)


def mean_measured(measured: Tensor) -> Tensor:
    """Return the mean measured amplitude, by which the losses of amplitudes are divided; never zero."""
    return measured.mean() + _TINY


def count_loss(predicted: Tensor, counts: Tensor, mean_measured_intensity: float) -> Tensor:
    """Return the negative log-likelihood of measured counts over the mean count, a scalar in float64.

    Per group ``sum [r - n ln r + ln Gamma(n + 1)]`` with the rate ``r``, at least 1e-8; the mean over the batch is
    divided by the mean count of a pixel of the training patterns. Sums of millions of photons need float64.

    Parameters
    ----------
    predicted
        ``(B, C, N, N)`` intensity of the forward model, counts.
    counts
        ``(B, C, N, N)`` measured counts.
    mean_measured_intensity
        Mean count of a pixel.
    """
    rate = predicted.double().clamp(min=LEAST_COUNT_RATE)
    with torch.no_grad():
        count = counts.double()
        constant = torch.lgamma(count + 1.0)
    terms = rate - count * torch.log(rate) + constant
    return terms.sum(dim=tuple(range(1, terms.ndim))).mean() / mean_measured_intensity
