"""Losses against their definitions, written out in float64."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from ptycho_engine.models.losses import count_loss, mae_loss, poisson_loss


def _amplitudes() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(2, 3, 4, 4, generator=generator), torch.rand(2, 3, 4, 4, generator=generator)


def test_poisson_is_the_written_out_likelihood() -> None:
    predicted, measured = _amplitudes()
    scale = 30.0
    total = 0.0
    for amplitude, truth in zip(predicted.flatten().tolist(), measured.flatten().tolist(), strict=True):
        rate, count = (scale * amplitude) ** 2, (scale * truth) ** 2
        total += rate - count * math.log(rate) + math.lgamma(count + 1.0)
    expected = total / 2 / float(measured.mean())
    assert poisson_loss(predicted, measured, scale).item() == pytest.approx(expected, rel=1e-5)


def test_poisson_has_its_minimum_at_the_measurement() -> None:
    _, measured = _amplitudes()
    predicted = measured.clone().requires_grad_()
    poisson_loss(predicted, measured, 988.2).backward()  # type: ignore[no-untyped-call]
    shifted = measured.clone().mul(1.1).requires_grad_()
    poisson_loss(shifted, measured, 988.2).backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    assert shifted.grad is not None
    assert predicted.grad.abs().max() < 1e-5 * shifted.grad.abs().max()


def test_dark_pixels_count_nothing() -> None:
    dark = torch.zeros(1, 1, 2, 2, requires_grad=True)
    loss = poisson_loss(dark, torch.zeros(1, 1, 2, 2), 10.0)
    assert loss.item() == 0.0


def test_the_scale_may_be_one_for_each_group() -> None:
    predicted, measured = _amplitudes()
    scale = torch.tensor([10.0, 20.0]).reshape(2, 1, 1, 1)
    assert poisson_loss(predicted, measured, scale).isfinite()
    assert mae_loss(predicted, measured, scale).isfinite()


def test_mae_is_the_mean_difference_in_units_of_the_mean() -> None:
    predicted, measured = _amplitudes()
    expected = 5.0 * np.abs(predicted.numpy() - measured.numpy()).mean() / measured.numpy().mean()
    assert mae_loss(predicted, measured, 5.0).item() == pytest.approx(expected, rel=1e-5)


def test_counts_are_judged_by_poissons_distribution() -> None:
    """The probabilities themselves, from scipy; large counts, where float32 would lose all digits of the sum."""
    random = np.random.default_rng(0)
    rates = random.gamma(1.0, 3e5, (2, 3, 8, 8)).astype(np.float32)
    rates[0, 0, 0, 0] = 0.0
    counts = random.poisson(rates).astype(np.float32)
    logarithms = np.asarray(poisson.logpmf(counts.astype(np.float64), np.maximum(rates.astype(np.float64), 1e-8)))
    mean = float(counts.mean())
    expected = -logarithms.sum(axis=(1, 2, 3)).mean() / mean
    found = count_loss(torch.from_numpy(rates), torch.from_numpy(counts), mean)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_a_count_where_none_is_predicted_costs_much_but_not_infinitely() -> None:
    dark = torch.zeros(1, 1, 1, 1, requires_grad=True)
    loss = count_loss(dark, torch.full((1, 1, 1, 1), 3.0), 1.0)
    assert loss.item() == pytest.approx(1e-8 - 3 * math.log(1e-8) + math.lgamma(4.0))
