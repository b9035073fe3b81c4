"""How often values occur: outlines of histograms over a common axis."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import ArrayLike
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.display.levels import axis_ticks
from app.widgets.colour_bar import tick_text
from app.widgets.legend_line import LegendEntry, LegendLine
from app.widgets.plot_colours import PALETTE_EVENTS, plot_colours, screen_pen

MOST_TICKS = 6


class Histogram(QWidget):
    """Named histograms; the same name again replaces one."""

    def __init__(self, name: str, *, x_label: str = "", y_label: str = "values", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._series: dict[str, tuple[pg.PlotDataItem, int]] = {}
        self._graphics = pg.PlotWidget(enableMenu=False)
        self._graphics.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._graphics.setMinimumSize(120, 80)
        self._plot = self._graphics.getPlotItem()
        self._plot.hideButtons()
        self._plot.setMouseEnabled(x=False, y=False)
        self.legend = LegendLine(name, self)
        self._plot.setLabel("bottom", x_label)
        self._plot.setLabel("left", y_label)
        for side in ("left", "bottom"):
            self._plot.getAxis(side).enableAutoSIPrefix(False)
        self._plot.vb.sigRangeChanged.connect(self._choose_ticks)
        self._plot.vb.sigResized.connect(self._choose_ticks)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.legend)
        layout.addWidget(self._graphics, 1)
        self.setAccessibleName(name)
        self._apply_palette()

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names of the histograms that are shown."""
        return tuple(self._series)

    def set_series(self, name: str, counts: ArrayLike, edges: ArrayLike) -> None:
        """Show a histogram.

        Parameters
        ----------
        name
            Its name in the legend; empty for none.
        counts
            ``(bins,)`` values in each bin, or their density.
        edges
            ``(bins + 1,)`` ends of the bins.
        """
        self.remove_series(name)
        heights = np.asarray(counts, dtype=np.float64)
        if not heights.size:
            return
        used = {number for _, number in self._series.values()}
        number = next(i for i in range(len(used) + 1) if i not in used)
        item = pg.PlotDataItem(np.asarray(edges, dtype=np.float64), heights, stepMode="center", fillLevel=0.0)
        self._plot.addItem(item)
        self._series[name] = (item, number)
        self._colour(item, number)
        self._name_curves()

    def remove_series(self, name: str) -> None:
        """Take a histogram away, if it is there."""
        found = self._series.pop(name, None)
        if found is not None:
            self._plot.removeItem(found[0])
            self._name_curves()

    def clear(self) -> None:
        """Take all away."""
        for name in self.series_names:
            self.remove_series(name)

    def _choose_ticks(self, *_: object) -> None:
        """Put few round numbers on the axes, none where there is nothing to measure."""
        box, ranges = self._plot.vb, self._plot.vb.viewRange()
        room = (box.width() / 80, box.height() / 28)
        for side, (low, high), space in zip(("bottom", "left"), ranges, room, strict=True):
            most = max(2, min(MOST_TICKS, int(space)))
            ticks = [(value, tick_text(value)) for value in axis_ticks(low, high, "linear", most)]
            self._plot.getAxis(side).setTicks([ticks if self._series else [], []])

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette of the desktop."""
        super().changeEvent(event)
        if event.type() in PALETTE_EVENTS:
            self._apply_palette()

    def _apply_palette(self) -> None:
        colours = plot_colours(self)
        self._graphics.setBackground(colours.background)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(colours.grid)
            axis.setTextPen(colours.foreground)
        for item, number in self._series.values():
            self._colour(item, number)
        self._name_curves()

    def _colour(self, item: pg.PlotDataItem, number: int) -> None:
        pen, fill = self._style(number)
        item.setPen(pen)
        item.setFillBrush(fill)

    def _style(self, number: int) -> tuple[QPen, QColor]:
        choice = plot_colours(self).series
        colour = choice[number % len(choice)]
        faint = QColor(colour)
        faint.setAlpha(70)
        return screen_pen(colour, 1.4), faint

    def _name_curves(self) -> None:
        entries = [LegendEntry(name, *self._style(number)) for name, (_, number) in self._series.items() if name]
        self.legend.set_entries(entries)
