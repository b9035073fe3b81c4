"""Mean and maximum with gradients of their own: those of torch, and of numpy."""

import numpy as np
import pytest
import torch

from ptycho_engine.models.reductions import greatest_over, mean_over


def _features(layout: torch.memory_format) -> torch.Tensor:
    # Whole numbers, so that there are equal ones among the greatest.
    values = np.random.default_rng(0).integers(-3, 4, (3, 8, 6, 6)).astype(np.float32)
    return torch.from_numpy(values).contiguous(memory_format=layout).requires_grad_()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dims", [(1,), (2, 3)])
def test_values_and_gradients_are_those_of_the_definition(dims: tuple[int, ...], layout: torch.memory_format) -> None:
    features = _features(layout)
    values = features.detach().numpy().astype(np.float64)
    greatest = values.max(axis=dims, keepdims=True)
    weights = np.random.default_rng(1).standard_normal(greatest.shape).astype(np.float32)
    of_each = torch.from_numpy(weights.squeeze(dims))

    highest = greatest_over(features, *dims)
    np.testing.assert_array_equal(highest.detach().numpy(), greatest.squeeze(dims))
    (gradient,) = torch.autograd.grad((highest * of_each).sum(), features)
    equal = values == greatest
    assert equal.sum(axis=dims).max() > 1
    np.testing.assert_allclose(gradient, weights * equal / equal.sum(axis=dims, keepdims=True), rtol=1e-6)

    mean = mean_over(features, *dims)
    np.testing.assert_allclose(mean.detach().numpy(), values.mean(axis=dims), atol=1e-6)
    (gradient,) = torch.autograd.grad((mean * of_each).sum(), features)
    count = values.size // mean.numel()
    np.testing.assert_allclose(gradient, np.broadcast_to(weights / count, values.shape), rtol=1e-6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dims", [(1,), (2, 3)])
def test_the_bits_are_those_of_torch(dims: tuple[int, ...], layout: torch.memory_format) -> None:
    features = _features(layout)
    for own, plain in (
        (greatest_over(features, *dims), features.amax(dims)),
        (mean_over(features, *dims), features.mean(dims)),
    ):
        assert torch.equal(own, plain)
        weights = torch.from_numpy(np.random.default_rng(2).standard_normal(own.shape).astype(np.float32))
        (mine,), (theirs,) = (torch.autograd.grad((one * weights).sum(), features) for one in (own, plain))
        assert torch.equal(mine, theirs)
