"""Bring two pictures of one object together: sub-pixel shift, ramp of the phase, complex factor.

None of the three can be told from diffraction patterns alone, without a known probe and the middle of the detector, so
two good reconstructions may differ by them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
UPSAMPLING = 20
"""Shifts are first found to this part of a pixel, ramps to this part of a period over the picture."""
FINE_UPSAMPLING = 400
"""The same for the ramp of one picture, which no fit follows."""
ROUNDS = 2
"""Shift and ramp disturb each other; each round takes what is left."""
FIT_PASSES = 3
"""Of the fit of all three at once, that follows: each brings it about ten times nearer to where it settles."""
GREATEST_SHIFT = 0.25
"""Part of the common rectangle; two pictures farther apart than this were not of one place."""


@dataclass(frozen=True, slots=True)
class Registration:
    """How the second picture is to be changed to lie on the first."""

    shift_px: tuple[float, float] = (0.0, 0.0)
    """By which it is moved, ``(y, x)``."""
    slope_rad_per_px: tuple[float, float] = (0.0, 0.0)
    """Of the phase ramp that is added after that, ``(y, x)``."""
    factor: complex = 1.0 + 0.0j
    """By which it is multiplied at last: to the same mean square, and turned to the phase of the first."""


def soft_window(shown: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (H, W) 0 to 1: one inside an area, falling to zero at its edge like a raised cosine.

    The fall takes an eighth of the shorter side, or less where the area is thin.
    """
    from scipy.ndimage import distance_transform_edt

    inside = np.asarray(distance_transform_edt(np.pad(shown, 1)))[1:-1, 1:-1]
    reach = max(1.0, min(min(shown.shape) / 8, float(inside.max()) * 0.75))
    return np.asarray(np.sin(np.pi / 2 * np.clip(inside / reach, 0, 1)) ** 2)


def phase_slope(values: NDArray[np.complexfloating], window: NDArray[np.floating]) -> tuple[float, float]:
    """Return the mean slope ``(y, x)`` of the phase [rad/px]: where the Fourier transform has its peak.

    Parameters
    ----------
    values
        (H, W) complex, finite.
    window
        (H, W) weights.
    """
    return _relative_slope(np.asarray(values * window, np.complex128), window.astype(np.complex128), FINE_UPSAMPLING)


def ramp(shape: tuple[int, ...], slope: tuple[float, float]) -> Complex:
    """Return (H, W) ``exp(i (slope_y y + slope_x x))``, one at the middle of the picture."""
    down, right = ramp_factors(shape, slope)
    return np.asarray(down * right)


def ramp_factors(shape: tuple[int, ...], slope: tuple[float, float]) -> tuple[Complex, Complex]:
    """Return (H, 1) and (1, W) whose product is :func:`ramp`."""
    y, x = ((np.arange(n) - (n - 1) / 2) * each for n, each in zip(shape, slope, strict=True))
    return np.exp(1j * y)[:, None], np.exp(1j * x)[None, :]


def moved(values: NDArray[np.complexfloating], shift_px: tuple[float, float]) -> Complex:
    """Return (H, W) finite values moved by ``(y, x)`` pixels, by cubic splines; the edge goes on beyond itself."""
    from scipy.ndimage import shift

    wide = np.asarray(values, np.complex128)
    if not any(shift_px):
        return wide
    parts = [shift(part, shift_px, order=3, mode="nearest") for part in (wide.real, wide.imag)]
    return np.asarray(parts[0] + 1j * parts[1])


def register(
    a: NDArray[np.complexfloating], b: NDArray[np.complexfloating], common: NDArray[np.bool_], *, shifts: bool = True
) -> Registration:
    """Find what brings ``b`` closest to ``a``.

    The ramp is the shift between the two as if they were Fourier transforms, the shift is the peak of their cross
    correlation without their means, both by the up-sampled matrix product of Guizar-Sicairos et al., Opt. Lett. 33
    (2008) 156. From there Gauss and Newton's fit of shift, ramp and factor at once goes on, as the peak of the one is
    displaced by what the other lacks. A shift and a ramp that make the correlation of the two no better are not kept.

    Parameters
    ----------
    a, b
        (H, W) complex of one shape, finite where ``common``.
    common
        (H, W) which pixels both show.
    shifts
        Whether to look for shift and ramp at all.
    """
    first, second = (np.where(common, each, 0).astype(np.complex128) for each in (a, b))
    window = soft_window(common)
    plain = Registration(factor=_level(first, second, window))
    if not shifts or not first.any() or not second.any():
        return plain
    shift, slope = np.zeros(2), np.zeros(2)
    for _ in range(ROUNDS):
        here = moved(second, _pair(shift))
        slope = np.array(_relative_slope(first * window, here * window))
        turned = here * ramp(first.shape, _pair(slope))
        shift = shift + _shift(_without_mean(first, window), _without_mean(turned, window))
        if np.any(np.abs(shift) > GREATEST_SHIFT * np.array(first.shape)):
            return plain
    for _ in range(FIT_PASSES):
        here = moved(second, _pair(shift)) * ramp(first.shape, _pair(slope))
        step = _fit_step(first, here, window)
        shift, slope = shift + step[:2], slope + step[2:]
    there = moved(second, _pair(shift)) * ramp(first.shape, _pair(slope))
    if np.any(np.abs(shift) > GREATEST_SHIFT * np.array(first.shape)):
        return plain
    if _likeness(first, there, window) <= _likeness(first, second, window):
        return plain
    return Registration(_pair(shift), _pair(slope), _level(first, there, window))


def applied(registration: Registration, values: NDArray[np.complexfloating]) -> Complex:
    """Return (H, W) finite values as the registration changes them."""
    there = moved(values, registration.shift_px)
    return np.asarray(there * ramp(there.shape, registration.slope_rad_per_px) * registration.factor)


def _fit_step(first: Complex, here: Complex, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the change of shift and slope ``(y, x, y, x)`` that one linear fit asks for."""
    height, width = first.shape
    y = (np.arange(height) - (height - 1) / 2)[:, None]
    x = (np.arange(width) - (width - 1) / 2)[None, :]
    scaled = _factor(first, here, window) * here
    by_row, by_column = np.gradient(scaled)
    # How the picture changes with each of the four, and with the real and the imaginary part of the factor.
    changes = np.stack([-by_row, -by_column, 1j * y * scaled, 1j * x * scaled, scaled, 1j * scaled]).reshape(6, -1)
    weight = window.ravel()
    normal = np.real((changes * weight) @ changes.conj().T)
    right = np.real((changes.conj() * weight) @ (first - scaled).ravel())
    step = np.linalg.lstsq(normal, right, rcond=1e-12)[0]
    return np.asarray(step[:4])


def _relative_slope(first: Complex, second: Complex, upsampling: int = UPSAMPLING) -> tuple[float, float]:
    """Return the slope by which the phase of ``first`` rises more than that of ``second``."""
    # The middle of the picture comes first, as the constant does in a Fourier transform: between two whole peaks the
    # place of the seam would matter.
    first, second = (np.fft.ifftshift(each) for each in (first, second))
    peak = _correlate(first, second, "fourier", upsampling)
    # In an inverse transform, going on by one is a phase of minus one period over the side.
    return _pair(-2 * np.pi * peak / np.array(first.shape))


def _shift(first: Complex, second: Complex) -> NDArray[np.float64]:
    return _correlate(first, second, "real", UPSAMPLING)


def _correlate(first: Complex, second: Complex, space: str, upsampling: int) -> NDArray[np.float64]:
    from skimage.registration import phase_cross_correlation

    correlate: Any = phase_cross_correlation
    found, _, _ = correlate(first, second, upsample_factor=upsampling, space=space, normalization=None)
    return np.asarray(found, np.float64)


def _without_mean(values: Complex, window: NDArray[np.float64]) -> Complex:
    return np.asarray((values - np.sum(values * window) / np.sum(window)) * window)


def _factor(first: Complex, second: Complex, window: NDArray[np.float64]) -> complex:
    power = float(np.sum(window * np.abs(second) ** 2))
    return complex(np.sum(window * first * np.conj(second)) / power) if power > 0 else 1.0 + 0.0j


def _level(first: Complex, second: Complex, window: NDArray[np.float64]) -> complex:
    """Return the factor to the same mean square; that of least squares would darken what is little alike."""
    factor = _factor(first, second, window)
    powers = [float(np.sum(window * np.abs(each) ** 2)) for each in (first, second)]
    size = np.sqrt(powers[0] / powers[1]) if min(powers) > 0 else 1.0
    return complex(size * factor / abs(factor)) if factor else complex(size)


def _likeness(first: Complex, second: Complex, window: NDArray[np.float64]) -> float:
    return abs(_factor(first, second, window)) * float(np.sqrt(np.sum(window * np.abs(second) ** 2)))


def _pair(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values[0]), float(values[1])
