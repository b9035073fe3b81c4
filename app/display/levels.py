"""From values to a colour range: scaling, percentiles, and a sane range for whatever comes."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray

Scaling = Literal["linear", "sqrt", "log"]
LevelMode = Literal["percentiles", "wide", "full"]
Levels = tuple[float, float]

SCALINGS: tuple[Scaling, ...] = ("linear", "sqrt", "log")
SAMPLE_LIMIT = 50_000
"""Percentiles of larger pictures are taken from an even sample of about this many values."""


def scale_values(values: NDArray[np.floating], scaling: Scaling) -> FloatArray:
    """Return what is painted for ``values``; NaN stays NaN.

    In ``log`` a value that has no logarithm is painted as half the smallest positive one, not left out: an empty
    detector pixel is dark, not missing, and darker than one that saw a photon.
    """
    array = np.asarray(values, dtype=np.float32)
    if scaling == "linear":
        return array
    if scaling == "sqrt":
        return np.asarray(np.sign(array) * np.sqrt(np.abs(array)), dtype=np.float32)
    floor = smallest_positive(array) / 2
    clipped = np.where(np.isnan(array), np.float32(np.nan), np.maximum(array, np.float32(floor)))
    return np.asarray(np.log10(clipped), dtype=np.float32)


def smallest_positive(values: NDArray[np.floating]) -> float:
    """Return the smallest finite value above zero, or 1 where there is none."""
    positive = values[np.isfinite(values) & (values > 0)]
    return float(positive.min()) if positive.size else 1.0


def scale_level(level: float, scaling: Scaling) -> float:
    """Return where one value lies on the painted scale."""
    if scaling == "sqrt":
        return float(np.sign(level) * np.sqrt(abs(level)))
    if scaling == "log":
        return float(np.log10(level)) if level > 0 else float(np.log10(np.finfo(np.float32).tiny))
    return float(level)


def finite_sample(values: NDArray[np.floating]) -> FloatArray:
    """Return the finite values, thinned evenly when there are very many."""
    flat = np.asarray(values, dtype=np.float32).ravel()
    if flat.size > SAMPLE_LIMIT:
        # An odd step does not fall into the period of a picture whose width is even.
        flat = flat[:: (flat.size // SAMPLE_LIMIT) | 1]
    return np.asarray(flat[np.isfinite(flat)], dtype=np.float32)


def percentile_levels(values: NDArray[np.floating], low: float = 1.0, high: float = 99.0) -> Levels:
    """Return the range between two percentiles of the finite values."""
    sample = finite_sample(values)
    if sample.size == 0:
        return (0.0, 1.0)
    bottom, top = np.percentile(sample, (low, high))
    if not top > bottom:
        return full_levels(values)
    return sane_levels(float(bottom), float(top))


def full_levels(values: NDArray[np.floating]) -> Levels:
    """Return the range from the smallest to the greatest finite value."""
    array = np.asarray(values, dtype=np.float32)
    low, high = (float(array.min()), float(array.max())) if array.size else (np.nan, np.nan)
    if not np.isfinite(high - low):
        finite = array[np.isfinite(array)]
        if finite.size == 0:
            return (0.0, 1.0)
        low, high = float(finite.min()), float(finite.max())
    return sane_levels(low, high)


def symmetric_levels(values: NDArray[np.floating], percentile: float = 99.0) -> Levels:
    """Return a range around zero that holds ``percentile`` percent of the finite values."""
    sample = finite_sample(values)
    if sample.size == 0:
        return (-1.0, 1.0)
    reach = float(np.percentile(np.abs(sample), percentile)) or float(np.abs(sample).max())
    return (-reach, reach) if reach > 0 else (-1.0, 1.0)


def sane_levels(low: float, high: float) -> Levels:
    """Return a range that can be painted: finite and not empty.

    A constant picture is painted from zero to twice its value, so that it looks flat and its level can be read.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return (0.0, 1.0)
    if high < low:
        low, high = high, low
    smallest_step = 4 * float(np.finfo(np.float32).eps) * max(abs(low), abs(high))
    if high - low > smallest_step:
        return (low, high)
    if high == 0.0:
        return (0.0, 1.0)
    return (0.0, 2 * high) if high > 0 else (2 * low, 0.0)


def auto_levels(values: NDArray[np.floating], mode: LevelMode, scaling: Scaling) -> Levels:
    """Return the range that fits ``mode``, above zero where the scaling needs it."""
    if scaling != "log":
        return _levels_by(values, mode)
    array = np.asarray(values, dtype=np.float32)
    positive = np.where(array > 0, array, np.float32(np.nan))
    low, high = _levels_by(positive, mode)
    if low <= 0:
        low = high / 1e3
    return (min(low, smallest_positive(array) / 2), high) if bool((array <= 0).any()) else (low, high)


def _levels_by(values: NDArray[np.floating], mode: LevelMode) -> Levels:
    if mode == "full":
        return full_levels(values)
    return percentile_levels(values) if mode == "percentiles" else percentile_levels(values, 0.1, 99.9)


def nice_ticks(low: float, high: float, scaling: Scaling, most: int = 6) -> list[float]:
    """Return round values between two levels for the axis of a colour bar, at most about ``most``."""
    if scaling == "log" and low > 0 and high / low >= 3:
        return _log_ticks(low, high, most)
    span = high - low
    if not (np.isfinite(span) and span > 0):
        return [low]
    raw = span / max(most - 1, 1)
    magnitude = 10.0 ** np.floor(np.log10(raw))
    step_size = float(next((m for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw), 10) * magnitude)
    first, last = int(np.ceil(low / step_size - 1e-9)), int(np.floor(high / step_size + 1e-9))
    return [round(i * step_size, 12) if abs(i * step_size) > 1e-6 else i * step_size for i in range(first, last + 1)]


def axis_ticks(low: float, high: float, scaling: Scaling, most: int = 6) -> list[float]:
    """Return round values for an axis: two of them at the least, for one alone tells no scale."""
    # As few more as it takes: an axis that is short and holds no two round values would get more than it has room for.
    choices: list[tuple[Scaling, int]] = [(scaling, most), *(("linear", most + more) for more in range(3 * most + 1))]
    ticks: list[float] = []
    for kind, number in choices:
        ticks = nice_ticks(low, high, kind, number)
        if len(ticks) > 1:
            break
    return ticks


def whole_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round values for an axis that counts: whole numbers, where the axis is long enough to hold two."""
    for number in range(most, 1, -1):
        ticks = nice_ticks(low, high, "linear", number)
        if len(ticks) > 1 and all(tick == round(tick) for tick in ticks):
            return ticks
    return axis_ticks(low, high, "linear", most)


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return powers of ten, or 1, 2 and 5 of each decade where there are few decades."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1.0, 2.0, 5.0) if len(decades) <= most // 2 + 1 else (1.0,)
    ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
    inside = [tick for tick in ticks if low * (1 - 1e-6) <= tick <= high * (1 + 1e-6)]
    return inside[:: max(1, -(-len(inside) // (most + 2)))]
