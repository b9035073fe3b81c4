"""Colour maps and complex pictures."""

import numpy as np
import pytest

from app.display.colormaps import COLOUR_MAPS, CYCLIC_MAPS, colour_table
from app.display.complex_image import complex_image


def _lightness(name: str) -> np.ndarray:
    """CIE lightness of a colour table, 0 to 100."""
    rgb = colour_table(name)[:, :3] / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.asarray(np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance))


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_every_table_is_opaque_and_cannot_be_changed(name: str) -> None:
    table = colour_table(name)
    assert table.shape == (256, 4)
    assert table.dtype == np.uint8
    assert (table[:, 3] == 255).all()
    assert not table.flags.writeable


@pytest.mark.parametrize("name", ["gray", "inferno", "viridis", "cividis"])
def test_amplitude_maps_grow_lighter_throughout(name: str) -> None:
    assert (np.diff(_lightness(name)[::4]) > 0).all()


@pytest.mark.parametrize("name", CYCLIC_MAPS)
def test_the_ends_of_cyclic_maps_meet(name: str) -> None:
    table = colour_table(name).astype(int)
    step = np.abs(np.diff(table, axis=0)).max()
    assert np.abs(table[0] - table[-1]).max() <= step


def test_the_diverging_map_is_lightest_in_the_middle_and_even_on_both_sides() -> None:
    lightness = _lightness("blue-white-red")
    assert lightness.argmax() in (127, 128)
    np.testing.assert_allclose(lightness, lightness[::-1], atol=6)


def test_published_maps_have_their_published_ends() -> None:
    assert tuple(colour_table("viridis")[0, :3]) == (0x44, 0x01, 0x54)
    assert tuple(colour_table("viridis")[-1, :3]) == (0xFD, 0xE7, 0x25)


def test_an_unknown_map_is_named_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"no colour map 'jet'.*viridis"):
        colour_table("jet")


@pytest.mark.parametrize(
    ("phase", "colour"),
    [(0, (255, 0, 0)), (2 * np.pi / 3, (0, 255, 0)), (-2 * np.pi / 3, (0, 0, 255)), (np.pi, (0, 255, 255))],
)
def test_hue_tells_the_phase_as_the_bar_beside_it_does(phase: float, colour: tuple[int, int, int]) -> None:
    picture = complex_image(np.array([[np.exp(1j * phase)]]), 1.0)
    assert tuple(picture[0, 0]) == (*colour, 255)
    at = round((phase + np.pi) / (2 * np.pi) * 255)
    assert np.abs(colour_table("hsv")[at, :3].astype(int) - colour).max() <= 6


def test_brightness_tells_the_amplitude_and_holes_are_transparent() -> None:
    values = np.array([[0.5, 2.0, np.nan, 1.0]], dtype=np.complex64)
    picture = complex_image(values, 1.0, np.array([[True, True, True, False]]))
    assert picture[0, :, 0].tolist()[:2] == [128, 255]
    assert picture[0, :, 3].tolist() == [255, 255, 0, 0]
    assert (complex_image(np.zeros((2, 2), np.complex64), float("nan"))[..., :3] == 0).all()
