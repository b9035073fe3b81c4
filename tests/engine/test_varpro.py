"""The factors of real and imaginary part, against reference values and against a minimisation by brute force."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from ptycho_engine.physics.varpro import RectangularSums, solve_rectangular


def _products(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], measured: NDArray[Any]) -> NDArray[np.float64]:
    rows = np.stack([one.ravel() for one in (a, b, 2 * c, measured)]).astype(np.float64)
    return np.asarray(rows @ rows.T)


def _left(s: NDArray[Any], a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], measured: NDArray[Any]) -> float:
    return float(np.sum(np.square(measured - s[0] ** 2 * a - 2 * s[0] * s[1] * c - s[1] ** 2 * b)))


def _parts(seed: int, n: int = 8) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(seed)
    first, second = (random.standard_normal((3, n, n)) + 1j * random.standard_normal((3, n, n)) for _ in range(2))
    return np.abs(first) ** 2, np.abs(second) ** 2, (first * second.conj()).real


def test_the_reference_is_solved(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "normalisation.npz")
    a, b, c, measured = (golden[f"rect_{name}"] for name in "ABCI")
    np.testing.assert_allclose(solve_rectangular(_products(a, b, c, measured)), golden["rect_solution"], rtol=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_found_by_brute_force_is_better(seed: int) -> None:
    """Intensities that no pair explains; the five best points of a grid are descended from."""
    a, b, c = _parts(seed)
    random = np.random.default_rng(100 + seed)
    measured = random.gamma(0.5, 4.0, a.shape) + 0.3 * (a - 1.5 * c + 2 * b)
    found = np.array(solve_rectangular(_products(a, b, c, measured)))
    grid = [np.array((x, y)) for x in np.linspace(0, 4, 17) for y in np.linspace(-4, 4, 33)]
    starts = sorted(grid, key=lambda s: _left(s, a, b, c, measured))[:5]
    tried = [minimize(_left, start, (a, b, c, measured), method="BFGS", options={"gtol": 1e-8}) for start in starts]
    best = min(tried, key=lambda one: one.fun)
    assert _left(found, a, b, c, measured) <= best.fun * (1 + 1e-9)
    np.testing.assert_allclose(found, best.x * np.sign(best.x[0]), rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_parts_of_very_different_size_are_solved(scale: float) -> None:
    a, b, c = _parts(3)
    measured = 1.3**2 * a * scale**2 - 2 * 1.3 * 0.7 * c * scale + 0.7**2 * b
    found = solve_rectangular(_products(a * scale**2, b, c * scale, measured))
    np.testing.assert_allclose(found, (1.3, -0.7), rtol=1e-6)


def test_a_part_that_draws_nothing_goes_with_the_other() -> None:
    a, _, _ = _parts(1)
    nothing = np.zeros_like(a)
    np.testing.assert_allclose(solve_rectangular(_products(a, nothing, nothing, 4 * a)), (2.0, 2.0), rtol=1e-12)
    np.testing.assert_allclose(solve_rectangular(_products(nothing, a, nothing, 9 * a)), (3.0, 3.0), rtol=1e-12)
    assert solve_rectangular(np.zeros((4, 4))) == (1.0, 1.0)
    assert solve_rectangular(_products(nothing, nothing, nothing, a)) == (1.0, 1.0)


def test_sums_over_batches_are_those_of_numpy() -> None:
    random = np.random.default_rng(5)
    shape = (4, 2, 16, 16)
    patches = random.standard_normal(shape) + 1j * random.standard_normal(shape)
    probe = random.standard_normal((3, 16, 16)) + 1j * random.standard_normal((3, 16, 16))
    real = np.fft.fftshift(np.fft.fft2(patches.real[:, :, None] * probe, norm="ortho"), axes=(-2, -1))
    imaginary = np.fft.fftshift(np.fft.fft2(1j * patches.imag[:, :, None] * probe, norm="ortho"), axes=(-2, -1))
    measured = (np.abs(1.2 * real + 0.8 * imaginary) ** 2).sum(axis=2)
    a, b = ((np.abs(one) ** 2).sum(axis=2) for one in (real, imaginary))
    c = (real * imaginary.conj()).real.sum(axis=2)
    sums = RectangularSums()
    for part in (slice(0, 1), slice(1, 4)):
        sums.take(
            torch.from_numpy(patches[part].astype(np.complex64)),
            torch.from_numpy(probe.astype(np.complex64)),
            torch.from_numpy(measured[part].astype(np.float32)),
        )
    np.testing.assert_allclose(sums.products, _products(a, b, c, measured), rtol=1e-5, atol=1e-3)
    s1, s2 = sums.solve()
    np.testing.assert_allclose((s1, s2), (1.2, 0.8), rtol=1e-5)
    assert sums.misfit(s1, s2) < 1e-3
    assert sums.misfit(1.0, 1.0) == pytest.approx(
        np.sqrt(_left(np.array([1.0, 1.0]), a, b, c, measured) / np.sum(measured**2)), rel=1e-4
    )
