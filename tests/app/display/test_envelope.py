"""Long curves thinned to what a screen shows, against their own values."""

import numpy as np
import pytest

from app.display import envelope
from app.display.envelope import fits, neighbourhood, thinned

RNG = np.random.default_rng(0)


def test_each_piece_keeps_its_least_and_greatest_value_and_the_curve_its_ends() -> None:
    x, y = np.arange(300_000.0), RNG.normal(size=300_000)
    y[[123_456, 222_222]] = 50.0, -50.0
    places, values = thinned(x, y, False, (0.0, 300_000.0))
    assert len(places) < 30_000
    assert np.all(np.diff(places) >= 0)
    assert (places[0], places[-1]) == (0.0, 299_999.0)
    assert (values.max(), values.min()) == (50.0, -50.0)
    assert abs(places[np.argmax(values)] - 123_456) < 30


def test_what_is_in_view_is_drawn_finely_and_the_rest_keeps_its_extent() -> None:
    x, y = np.arange(10_000_000.0), RNG.normal(size=10_000_000)
    places, values = thinned(x, y, False, (1000.0, 3000.0))
    inside = (places >= 1000) & (places < 3000)
    assert np.array_equal(np.unique(values[inside]), np.unique(y[1000:3000]))
    assert (values.max(), values.min()) == (y.max(), y.min())
    assert len(places) < 10_000


@pytest.mark.parametrize("log", [False, True])
def test_what_cannot_be_shown_hides_nothing_beside_it(log: bool) -> None:
    x, y = np.arange(200_001.0), np.full(200_001, 2.0)
    y[::3], y[1::7], y[5::11] = np.nan, np.inf, -1.0
    _, values = thinned(x, y, log, (0.0, 200_001.0))
    shown = values[np.isfinite(values)]
    assert shown.max() == 2.0
    assert shown.min() == (2.0 if log else -1.0)
    nothing = thinned(x, np.full(200_001, np.nan), log, (0.0, 1.0))[1]
    assert np.isnan(nothing).all()


def test_short_curves_and_places_that_go_back_are_left_as_they_are() -> None:
    y = RNG.random(200_000)
    for x in (np.arange(50.0), np.concatenate([np.arange(100_000.0), np.arange(100_000.0)])):
        places, values = thinned(x, y[: len(x)], False, (0.0, 10.0))
        assert np.array_equal(places, x)
        assert np.array_equal(values, y[: len(x)])


def test_a_view_is_drawn_anew_when_it_leaves_what_is_fine_or_comes_much_closer() -> None:
    fine = neighbourhood((100.0, 200.0))
    assert fits(fine, (50.0, 250.0))
    assert not fits(fine, (-20.0, 100.0))
    assert not fits(fine, (150.0, 160.0))
    assert envelope.LONG_CURVE > 2 * envelope.FINE_PIECES
