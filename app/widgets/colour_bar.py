"""The colour bar beside a picture: its colours, its values, and what they are in words."""

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QGraphicsItem, QGraphicsRectItem

from app.display.colormaps import colour_table
from app.display.levels import Levels, Scaling, nice_ticks, scale_level
from app.widgets.plot_colours import PlotColours, mixed, screen_pen

BAR_WIDTH = 14
Tick = tuple[float, str]


class ColourBar:
    """A bar in two cells of a graphics layout: the colours, and an axis with the name of the quantity."""

    def __init__(self, layout: Any, row: int, column: int) -> None:
        self._view = layout.addViewBox(row=row, col=column, enableMenu=False, enableMouse=False)
        self._view.setFixedWidth(BAR_WIDTH)
        self._image = pg.ImageItem(axisOrder="row-major")
        # Kept as it is on the screen: to stretch a few colours over hundreds of lines costs as much as a picture.
        self._image.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self._view.addItem(self._image, ignoreBounds=True)
        # The library would draw a frame twice, each time through all that paths can be.
        self._frame = QGraphicsRectItem(self._view.parentItem())
        self._frame.setZValue(self._view.zValue() + 1)
        self._view.geometryChanged.connect(self._fit_frame)
        self._axis = pg.AxisItem("right")
        self._axis.enableAutoSIPrefix(False)
        self._axis.linkToView(self._view)
        layout.addItem(self._axis, row=row, col=column + 1)
        self._view.sigResized.connect(self._fit_label)
        self.label = ""
        self.tick_texts: tuple[str, ...] = ()
        self._visible = True
        self._shown: tuple[object, ...] = ()
        self._colour_map = ""

    def show(
        self,
        colour_map: str,
        levels: Levels,
        scaling: Scaling,
        label: str,
        ticks: Sequence[Tick] | None = None,
    ) -> None:
        """Show the colours of a map between two levels.

        Parameters
        ----------
        colour_map, levels, scaling
            As the picture is painted.
        label
            The quantity, its scale and its unit.
        ticks
            Values with their texts, where round numbers will not do (multiples of pi).
        """
        shown = (colour_map, levels, scaling, label, None if ticks is None else tuple(ticks))
        if shown == self._shown:
            # A bar that stays as it is costs nothing: live pictures come many times a second.
            return
        self._shown = shown
        low, high = scale_level(levels[0], scaling), scale_level(levels[1], scaling)
        if colour_map != self._colour_map:
            self._colour_map = colour_map
            self._image.setImage(colour_table(colour_map)[:, None], autoLevels=False)
        self._image.setRect(QRectF(0.0, low, 1.0, high - low))
        self._view.setRange(xRange=(0, 1), yRange=(low, high), padding=0)
        chosen = [(value, tick_text(value)) for value in nice_ticks(*levels, scaling)] if ticks is None else list(ticks)
        self._axis.setTicks([[(scale_level(value, scaling), text) for value, text in chosen], []])
        self.tick_texts = tuple(text for _, text in chosen)
        self.label = label if scaling == "linear" else f"{label} ({scaling})"
        self._fit_label()

    def _fit_label(self, *_: object) -> None:
        """Write as much of the label as there is room for, all of it in the tool tip."""
        room = int(self._view.height())
        text = QFontMetrics(self._axis.label.font()).elidedText(self.label, Qt.TextElideMode.ElideRight, max(room, 20))
        if text != self._axis.labelText:
            self._axis.setLabel(text)
        self._axis.setToolTip(self.label)

    def _fit_frame(self) -> None:
        self._frame.setRect(self._view.geometry())

    def set_visible(self, visible: bool) -> None:
        """Show or hide the bar; a hidden one takes no room."""
        if visible == self._visible:
            return
        self._visible = visible
        self._view.setVisible(visible)
        self._frame.setVisible(visible)
        self._axis.setVisible(visible)
        self._view.setFixedWidth(BAR_WIDTH if visible else 0)
        self._axis.setWidth(None if visible else 0)

    def set_colours(self, colours: PlotColours) -> None:
        """Follow the palette."""
        self._axis.setPen(QColor(colours.foreground))
        self._axis.setTextPen(QColor(colours.foreground))
        # In a colour that lets nothing through: blending such a line takes as long as half of a picture.
        grid = mixed(colours.foreground, colours.background, colours.grid.alphaF())
        self._frame.setPen(screen_pen(grid, 1.0))


def tick_text(value: float) -> str:
    """Return a short text of a value."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:.5g}" if abs(value) < 1e5 else f"{value:.6g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
