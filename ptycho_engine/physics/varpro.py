"""The factors of the real and the imaginary part of an object that explain measured intensities best.

A diffracted intensity is quadratic in them: with ``a`` the diffracted real part and ``b`` the diffracted imaginary part
(times i), ``I = s1² A + 2 s1 s2 C + s2² B``, where ``A = sum |a|²``, ``B = sum |b|²`` and ``C = Re sum a conj(b)`` over
the modes of the probe. So least squares need of all patterns only ten sums of products, and are solved exactly: this is
the variable projection (VarPro) of Golub and Pereyra (1973) with the patches held.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

_NOTHING = 1e-28
"""<A, A> in parts of <B, B>, or the reverse, up to which a part of the object is rounding: 1e-7 of the other one."""


@dataclass(slots=True)
class RectangularSums:
    """Sums of products over all detector pixels, float64, on the device where they were made."""

    products: torch.Tensor = field(default_factory=lambda: torch.zeros(4, 4, dtype=torch.float64))
    """(4, 4) of A, B, 2 C and the measured intensity, each with each."""

    def take(
        self, patches: torch.Tensor, illumination: torch.Tensor, measured: torch.Tensor, field_scale: float = 1.0
    ) -> None:
        """Add patterns.

        Parameters
        ----------
        patches
            (..., N, N) complex64 the object at each pattern.
        illumination
            (n_modes, N, N) complex64 the light on it.
        measured
            (..., N, N) float32 intensities, zero frequency in the middle.
        field_scale
            By which the exit waves are multiplied.
        """
        light = illumination * field_scale
        real = _diffracted(patches.real[..., None, :, :] * light)
        imaginary = _diffracted(patches.imag[..., None, :, :] * (1j * light))
        both = (real * imaginary.conj()).real.sum(dim=-3)
        terms = (real.abs().square().sum(dim=-3), imaginary.abs().square().sum(dim=-3), 2.0 * both, measured)
        rows = torch.stack([one.reshape(-1) for one in terms]).double()
        self.products = self.products.to(rows.device) + rows @ rows.T

    def solve(self) -> tuple[float, float]:
        """Return s1 and s2; the device is waited for."""
        return solve_rectangular(self.products.cpu().numpy())

    def misfit(self, s1: float, s2: float) -> float:
        """Return the root of the sum of squares that is left, over that of the measured intensities."""
        products = self.products.cpu().numpy()
        total = float(products[3, 3])
        return float(np.sqrt(max(_rest(products, s1, s2), 0.0) / total)) if total > 0 else float("nan")


def solve_rectangular(products: NDArray[np.float64]) -> tuple[float, float]:
    """Return the s1, s2 that minimise ``sum (I - s1² A - s1 s2 2C - s2² B)²``, exactly.

    In polar form, ``s = r (cos, sin)``, the best r has a closed form for each direction, and the direction is a root of
    a quartic polynomial in ``t = s2/s1``: the numerator of the derivative of ``<I, M>²/<M, M>`` with
    ``M = A + 2C t + B t²``. All its real roots and both axes are tried.

    Parameters
    ----------
    products
        (4, 4) sums of products of A, B, 2C and I, in this order.

    Returns
    -------
    tuple of float
        s1 and s2; of the two solutions that differ by their common sign, that with s1 > 0. A part that explains nothing
        is scaled as the other one; without light, or where nothing is explained, both are 1.
    """
    g = np.asarray(products, np.float64)
    total = g[3, 3]
    if not (np.isfinite(g).all() and total > 0 and (g[0, 0] > 0 or g[1, 1] > 0)):
        return 1.0, 1.0
    # In units in which A and B have norm one, a polynomial of tiny and huge coefficients does not come up.
    sizes = [float(g[0, 0]) ** 0.25, float(g[1, 1]) ** 0.25]
    silent = [size**4 <= _NOTHING * max(g[0, 0], g[1, 1]) for size in sizes]
    if any(silent):
        part = 1 if silent[0] else 0
        alone = float(np.sqrt(max(g[part, 3] / g[part, part], 0.0)))
        return (alone, alone) if alone > 0 else (1.0, 1.0)
    units = np.array([1 / sizes[0] ** 2, 1 / sizes[1] ** 2, 1 / (sizes[0] * sizes[1]), 1 / np.sqrt(total)])
    g = g * units[:, None] * units[None, :]
    best, lowest = (0.0, 0.0), float(g[3, 3])
    for direction in _directions(g):
        found = _along(g, direction)
        left = _rest(g, *found)
        if left < lowest:
            best, lowest = found, left
    if best == (0.0, 0.0):
        return 1.0, 1.0
    sign = -1.0 if best[0] < 0 or (best[0] == 0 and best[1] < 0) else 1.0
    level = float(total) ** 0.25
    return sign * best[0] * level / sizes[0], sign * best[1] * level / sizes[1]


def _directions(g: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return unit vectors along which the least squares may be stationary."""
    # Coefficients from the highest power of t downwards.
    p = np.array([g[1, 3], g[2, 3], g[0, 3]])
    q = np.array([g[1, 1], 2 * g[1, 2], g[2, 2] + 2 * g[0, 1], 2 * g[0, 2], g[0, 0]])
    # The terms of the fifth power cancel.
    quartic = np.polysub(2 * np.polymul(np.polyder(p), q), np.polymul(p, np.polyder(q)))[1:]
    roots = np.roots(quartic) if np.any(quartic) else np.zeros(0)
    # A double root comes out as a pair with a small imaginary part; trying one direction more does no harm.
    slopes = np.concatenate([np.asarray(roots.real, np.float64), [0.0]])
    vectors = [np.array([1.0, slope]) / np.hypot(1.0, slope) for slope in slopes]
    return [*vectors, np.array([0.0, 1.0])]


def _along(g: NDArray[np.float64], direction: NDArray[np.float64]) -> tuple[float, float]:
    """Return the best s along a direction: ``r² = <I, M>/<M, M>``, zero where that is negative."""
    c, s = float(direction[0]), float(direction[1])
    weights = np.array([c * c, s * s, c * s])
    norm = float(weights @ g[:3, :3] @ weights)
    radius = np.sqrt(max(float(weights @ g[:3, 3]), 0.0) / norm) if norm > 0 else 0.0
    return float(radius) * c, float(radius) * s


def _rest(g: NDArray[np.float64], s1: float, s2: float) -> float:
    weights = np.array([-s1 * s1, -s2 * s2, -s1 * s2, 1.0])
    return float(weights @ g @ weights)


def _diffracted(waves: torch.Tensor) -> torch.Tensor:
    spectrum: torch.Tensor = torch.fft.fftshift(torch.fft.fft2(waves, norm="ortho"), dim=(-2, -1))
    return spectrum
