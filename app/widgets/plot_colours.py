"""The colours of plots, taken from the palette of the desktop: light and dark follow by themselves."""

from dataclasses import dataclass

from PySide6.QtCore import QEvent
from PySide6.QtGui import QColor, QPalette, QPen
from PySide6.QtWidgets import QWidget

PALETTE_EVENTS = (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange)
"""What tells a widget that its colours are to be taken anew."""
MARK = "#19c3ff"
"""Selected things are outlined in this; it stands out on every colour map."""
MARK_SHADOW = "#000000"


@dataclass(frozen=True, slots=True)
class PlotColours:
    """What a plot is painted with."""

    background: QColor
    foreground: QColor
    grid: QColor
    series: tuple[QColor, ...]
    """Colours of curves, apart in hue and in lightness (Okabe and Ito)."""


def plot_colours(widget: QWidget) -> PlotColours:
    """Return the colours that go with the palette of ``widget``."""
    palette = widget.palette()
    background = palette.color(QPalette.ColorRole.Base)
    foreground = palette.color(QPalette.ColorRole.Text)
    grid = QColor(foreground)
    grid.setAlpha(60)
    dark = background.lightness() < 128
    names = ("#56b4e9", "#e69f00", "#00b488", "#cc79a7") if dark else ("#0072b2", "#d55e00", "#00795a", "#a0427c")
    return PlotColours(background, foreground, grid, tuple(QColor(name) for name in names))


def screen_pen(colour: QColor | str, width: float) -> QPen:
    """Return a pen whose width is in pixels of the screen, whatever the zoom."""
    pen = QPen(QColor(colour))
    pen.setWidthF(width)
    pen.setCosmetic(True)
    return pen


def mixed(one: QColor, other: QColor, share: float) -> QColor:
    """Return a colour that lets nothing through, of which ``share`` is ``one`` and the rest ``other``."""
    parts = zip((one.red(), one.green(), one.blue()), (other.red(), other.green(), other.blue()), strict=True)
    return QColor(*(round(share * a + (1 - share) * b) for a, b in parts))
