"""The object that all patches of a batch share, against the object they were cut from and a plain loop."""

import numpy as np
import pytest
import torch

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.physics.shared_object import see_shared_object

N = 8


def _smooth(rng: np.random.Generator, side: int = 60) -> ComplexArray:
    rows, columns = np.mgrid[:side, :side] / side
    a, b, c, d = rng.random(4) + 0.5
    return np.asarray((1.0 + a * rows - b * columns) * np.exp(1j * (c * rows + d * columns)), np.complex64)


def _probe(rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy((rng.random((2, N, N)) + 0.2 + 1j * rng.random((2, N, N))).astype(np.complex64))


def _positions(rng: np.random.Generator, low: float, high: float) -> PositionArray:
    return rng.uniform(low, high, (3, 2, 2))


def _plain(patches: ComplexArray, positions: PositionArray, light: np.ndarray, own_weight: float) -> ComplexArray:
    """The same by a loop over patches, each seen on a canvas of its own."""
    flat, where = patches.reshape(-1, N, N), positions.reshape(-1, 2) - N // 2
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    seen = []
    for own, (y, x) in enumerate(where):
        merged = _canvas(flat, where, light, [own_weight if index == own else 1.0 for index in range(len(flat))])
        r, c = int(np.floor(y)), int(np.floor(x))
        shares = [((1 - abs(y - r - dr)) * (1 - abs(x - c - dc)), dr, dc) for dr, dc in corners]
        seen.append(sum(share * merged[r + dr : r + dr + N, c + dc : c + dc + N] for share, dr, dc in shares))
    return np.reshape(np.array(seen), patches.shape)


def _rounding(of_means: float, own_weight: float) -> float:
    """Return what 32 bits leave: a small own weight is the difference of two sums of the size of one."""
    return of_means if own_weight == 1.0 else of_means + 1e-7 / own_weight


def _canvas(patches: ComplexArray, where: PositionArray, light: np.ndarray, counts: list[float]) -> np.ndarray:
    total, weight = np.zeros((64, 64), complex), np.zeros((64, 64))
    for patch, (y, x), count in zip(patches, where, counts, strict=True):
        r, c = int(np.floor(y)), int(np.floor(x))
        for dr, dc in ((0, 0), (0, 1), (1, 0), (1, 1)):
            share = count * (1 - abs(y - r - dr)) * (1 - abs(x - c - dc))
            total[r + dr : r + dr + N, c + dc : c + dc + N] += share * light * patch
            weight[r + dr : r + dr + N, c + dc : c + dc + N] += share * light
    return total / np.maximum(weight, 1e-12)


@pytest.mark.parametrize("own_weight", [1.0, 1e-2])
@pytest.mark.parametrize("shift", [0.0, 16.0])
def test_it_is_the_weighted_mean_of_a_plain_loop(shift: float, own_weight: float) -> None:
    rng = np.random.default_rng(1)
    probe = _probe(rng)
    patches = np.asarray(rng.normal(size=(3, 2, N, N)) + 1j * rng.normal(size=(3, 2, N, N)), np.complex64)
    positions = _positions(rng, 10 + shift, 18 + shift)
    light = np.square(np.abs(probe.numpy())).sum(axis=0)
    seen = see_shared_object(torch.from_numpy(patches), positions, probe, own_weight)
    np.testing.assert_allclose(
        seen.numpy(), _plain(patches, positions, light, own_weight), atol=_rounding(2e-5, own_weight)
    )


def test_patches_of_one_object_agree_and_mirrored_ones_do_not() -> None:
    rng = np.random.default_rng(2)
    object_ = _smooth(rng)
    positions = _positions(rng, 20, 32)
    patches = extract_patches(object_, positions.reshape(-1, 2), N).reshape(3, 2, N, N)
    drawn = torch.from_numpy(np.ascontiguousarray(patches))
    probe = _probe(rng)
    seen = see_shared_object(drawn, positions, probe).numpy()
    mirrored = see_shared_object(drawn, 2 * positions.mean(axis=(0, 1)) - positions, probe).numpy()
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    good = np.abs(seen - patches)[inside].max()
    bad = np.abs(mirrored - patches)[inside].max()
    assert good < 0.01
    assert bad > 10 * good


@pytest.mark.parametrize("own_weight", [1.0, 1e-2])
def test_positions_far_apart_cost_no_memory_and_leave_patches_alone(own_weight: float) -> None:
    rng = np.random.default_rng(3)
    patches = torch.from_numpy(np.asarray(rng.normal(size=(2, 1, N, N)) + 1j, np.complex64))
    positions = np.array([[[12.0, 30.0]], [[-4.0e6, 7.0e6]]])
    seen = see_shared_object(patches, positions, torch.ones(1, N, N, dtype=torch.complex64), own_weight)
    np.testing.assert_allclose(seen.numpy(), patches.numpy(), atol=_rounding(1e-5, own_weight))


def test_gradients_reach_every_patch() -> None:
    rng = np.random.default_rng(4)
    parts = torch.from_numpy(rng.normal(size=(3, 2, N, N, 2)))
    positions, probe = _positions(rng, 10, 14), _probe(rng).to(torch.complex128)
    parts.requires_grad_(True)

    def total(values: torch.Tensor) -> torch.Tensor:
        seen = see_shared_object(torch.view_as_complex(values.float()), positions, probe.to(torch.complex64))
        return torch.view_as_real(seen).square().sum()

    total(parts).backward()  # type: ignore[no-untyped-call]
    gradient = parts.grad
    assert gradient is not None
    step = torch.from_numpy(rng.normal(size=parts.shape))
    with torch.no_grad():
        measured = (total(parts + 1e-2 * step) - total(parts - 1e-2 * step)) / 2e-2
    assert float(measured) == pytest.approx(float((gradient * step).sum()), rel=1e-3)
    assert bool((gradient.abs().amax(dim=(2, 3, 4)) > 0).all())
