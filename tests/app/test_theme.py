"""The dark palette can be read, and its boxes can be seen."""

import pytest
from PySide6.QtGui import QColor, QPalette

from app.theme import _dark_palette

Role = QPalette.ColorRole


def luminance(colour: QColor) -> float:
    """Return the relative luminance as WCAG defines it."""
    parts = (colour.redF(), colour.greenF(), colour.blueF())
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: QColor, other: QColor) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        (Role.WindowText, Role.Window),
        (Role.Text, Role.Base),
        (Role.ButtonText, Role.Button),
        (Role.PlaceholderText, Role.Base),
        (Role.HighlightedText, Role.Highlight),
        (Role.ToolTipText, Role.ToolTipBase),
    ],
)
def test_texts_stand_out(text: Role, ground: Role) -> None:
    palette = _dark_palette()
    assert contrast(palette.color(text), palette.color(ground)) >= 4.5


def test_fields_and_empty_check_boxes_stand_out_from_the_window() -> None:
    palette = _dark_palette()
    assert contrast(palette.color(Role.Base), palette.color(Role.Window)) >= 1.35
    assert contrast(palette.color(Role.Button), palette.color(Role.Window)) >= 1.15
