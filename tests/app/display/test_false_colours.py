"""Colours of values, against the colour of each looked up by itself."""

import numpy as np
import pytest

from app.display import false_colours as painter
from app.display.colormaps import colour_table
from app.display.false_colours import false_colours


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_value_has_its_colour(monkeypatch: pytest.MonkeyPatch, dtype: type[np.floating]) -> None:
    monkeypatch.setattr(painter, "_BLOCK", 7)
    values = np.linspace(-3.0, 7.0, 60).reshape(6, 10).astype(dtype)
    painted = false_colours(values, 0.5, 4.5, "inferno")
    expected = colour_table("inferno")[np.clip(np.floor((values - 0.5) / 4.0 * 256), 0, 255).astype(int)]
    assert np.array_equal(painted, expected)


def test_what_is_no_number_is_clear_and_what_has_no_end_has_the_last_colour() -> None:
    painted = false_colours(np.array([[np.nan, np.inf, -np.inf, 1.0]]), 0.0, 1.0, "viridis")
    table = colour_table("viridis")
    assert painted[0, 0, 3] == 0
    assert np.array_equal(painted[0, 1:], table[[255, 0, 255]])


def test_a_small_range_far_from_zero_is_told_apart() -> None:
    values = np.array([[1e6, 1e6 + 1.0]], np.float32)
    painted = false_colours(values, 1e6, 1e6 + 1.0, "gray")
    assert np.array_equal(painted[0, :, 0], [0, 255])


def test_the_room_of_a_picture_of_the_same_size_is_used_again() -> None:
    first, second = np.array([[0.0, 1.0]], np.float32), np.array([[1.0, np.nan]], np.float32)
    room = false_colours(first, 0.0, 1.0, "gray")
    assert false_colours(second, 0.0, 1.0, "gray", room=room) is room
    assert np.array_equal(room, false_colours(second, 0.0, 1.0, "gray"))
    larger = false_colours(np.array([[0.0, 1.0, 0.5]], np.float32), 0.0, 1.0, "gray", room=room)
    assert larger.shape == (1, 3, 4)
    assert larger[0, 1, 0] == 255
