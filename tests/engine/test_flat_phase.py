"""The phase without ramp and without jumps, of objects whose phase is known."""

import numpy as np

from ptycho_engine.diagnostics.phase import flat_phase
from ptycho_engine.documents import Canvas

Y, X = np.mgrid[:100, :120].astype(float)
HILL = 1.2 * np.exp(-((Y - 50) ** 2 + (X - 60) ** 2) / 300)


def canvas_of(phase: np.ndarray[tuple[int, ...], np.dtype[np.float64]], shown: slice = slice(None)) -> Canvas:
    weight = np.zeros(phase.shape, np.float32)
    weight[shown] = 1
    values = (0.8 * np.exp(1j * phase)).astype(np.complex64) * (weight > 0)
    return Canvas(values, weight, (0, 0), np.zeros((1, 2)), 64, 32)


def test_a_ramp_is_found_and_taken_out() -> None:
    slope = (0.31, -0.17)
    found = flat_phase(canvas_of(HILL + slope[0] * Y + slope[1] * X + 1.0), unwrap=False)
    np.testing.assert_allclose(found.slope_rad_per_px, slope, atol=2e-3)
    left = found.wrapped - HILL
    assert np.ptp(left) < 0.25
    assert found.unwrapped is None


def test_jumps_are_removed_and_the_ramp_can_be_put_back() -> None:
    steep = 12 * HILL + 0.05 * X
    found = flat_phase(canvas_of(steep), unwrap=True)
    assert np.nanmax(found.wrapped) - np.nanmin(found.wrapped) > 6
    assert found.unwrapped is not None
    assert found.unwrapped_with_ramp is not None
    left = found.unwrapped_with_ramp - steep
    assert np.ptp(left) < 1e-3


def test_what_is_not_stitched_has_no_phase() -> None:
    found = flat_phase(canvas_of(HILL, slice(20, 80)), unwrap=True)
    assert found.unwrapped is not None
    for picture in (found.wrapped, found.unwrapped):
        assert np.isnan(picture[:20]).all()
        assert np.isfinite(picture[20:80]).all()
    nothing = flat_phase(canvas_of(HILL, slice(0, 0)), unwrap=True)
    assert np.isnan(nothing.wrapped).all()
