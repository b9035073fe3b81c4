"""From values to a colour range."""

import numpy as np
import pytest

from app.display.levels import (
    Scaling,
    auto_levels,
    axis_ticks,
    full_levels,
    nice_ticks,
    percentile_levels,
    sane_levels,
    scale_level,
    scale_values,
    symmetric_levels,
    whole_ticks,
)

NAN = np.full((4, 4), np.nan, dtype=np.float32)


def test_percentiles_ignore_outliers_and_values_that_are_not_finite() -> None:
    values = np.linspace(0, 1, 10_001, dtype=np.float32)
    values[:3] = (1e9, np.nan, np.inf)
    low, high = percentile_levels(values)
    assert low == pytest.approx(0.01, abs=1e-3)
    assert high == pytest.approx(0.99, abs=1e-3)
    assert full_levels(values)[1] == pytest.approx(1e9)


@pytest.mark.parametrize("values", [NAN, np.zeros((0, 0), np.float32), np.full((2, 2), np.inf, np.float32)])
def test_a_picture_without_any_value_has_a_range_all_the_same(values: np.ndarray) -> None:
    for low, high in (percentile_levels(values), full_levels(values), symmetric_levels(values)):
        assert np.isfinite((low, high)).all()
        assert high > low


@pytest.mark.parametrize(("constant", "expected"), [(0.0, (0, 1)), (3.0, (0, 6)), (-2.0, (-4, 0)), (1e-20, (0, 2e-20))])
def test_a_constant_picture_is_shown_from_zero_to_twice_its_value(constant: float, expected: tuple[int, int]) -> None:
    assert percentile_levels(np.full((8, 8), constant, np.float32)) == pytest.approx(expected)
    assert full_levels(np.full((8, 8), constant, np.float32)) == pytest.approx(expected)


def test_a_nearly_constant_picture_keeps_its_own_range() -> None:
    low, high = percentile_levels(np.array([0.0] * 999 + [1.0], np.float32))
    assert (low, high) == (0.0, 1.0)
    assert sane_levels(2.0, 1.0) == (1.0, 2.0)


def test_signed_values_get_a_range_around_zero() -> None:
    low, high = symmetric_levels(np.array([-4.0, 1.0, 2.0], np.float32), percentile=100)
    assert (low, high) == (-4.0, 4.0)


@pytest.mark.parametrize("scaling", ["linear", "sqrt", "log"])
def test_values_and_levels_are_scaled_alike(scaling: Scaling) -> None:
    values = np.array([[1.0, 4.0], [100.0, np.nan]], np.float32)
    painted = scale_values(values, scaling)
    assert painted.dtype == np.float32
    assert np.isnan(painted[1, 1])
    for value, shown in zip(values.ravel()[:3], painted.ravel()[:3], strict=True):
        assert shown == pytest.approx(scale_level(float(value), scaling), rel=1e-6)


def test_a_zero_is_darker_than_one_photon_on_a_logarithmic_scale_not_missing() -> None:
    painted = scale_values(np.array([0.0, -1.0, 0.1, 10.0], np.float32), "log")
    np.testing.assert_allclose(painted, [np.log10(0.05), np.log10(0.05), -1, 1], atol=1e-6)
    assert np.isfinite(scale_values(np.zeros(3, np.float32), "log")).all()
    low, high = auto_levels(np.array([0.0, 0.1, 10.0], np.float32), "full", "log")
    assert (low, high) == pytest.approx((0.05, 10))
    low, high = auto_levels(np.zeros((2, 2), np.float32), "full", "log")
    assert 0 < low < high


@pytest.mark.parametrize("scaling", ["linear", "sqrt", "log"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (1e-4, 3.0), (7.0, 12.0), (-3.2, 3.2), (1e-30, 1e-20), (0, 1e9)])
def test_ticks_lie_inside_the_range_and_are_few(scaling: Scaling, low: float, high: float) -> None:
    ticks = nice_ticks(low, high, scaling)
    assert 1 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    slack = 1e-6 * (high - low)
    assert low - slack <= ticks[0]
    assert ticks[-1] <= high + slack


@pytest.mark.parametrize(("low", "high"), [(1.5e9, 2.7e9), (1.2e9, 4.5e9), (1e-3, 1e3), (2.1, 2.2), (3.0, 31.0)])
def test_an_axis_has_two_ticks_at_the_least(low: float, high: float) -> None:
    for most in (2, 3, 6):
        ticks = axis_ticks(low, high, "log", most)
        assert 2 <= len(ticks) <= 3 * most
        assert all(low * (1 - 1e-6) <= tick <= high * (1 + 1e-6) for tick in ticks)


def test_a_short_axis_has_no_more_ticks_than_it_takes() -> None:
    assert axis_ticks(2.7e8, 5.5e8, "log", 2) == [3e8, 4e8, 5e8]
    assert axis_ticks(1.3e4, 4e4, "log", 2) == [2e4, 4e4]


@pytest.mark.parametrize("high", [1.2, 3.0, 11.0, 47.0, 999.0, 123456.0])
def test_steps_are_counted_in_whole_numbers(high: float) -> None:
    for most in (3, 5, 8):
        ticks = whole_ticks(-0.05 * high, high, most)
        assert len(ticks) >= 2
        assert all(tick == int(tick) for tick in ticks)
