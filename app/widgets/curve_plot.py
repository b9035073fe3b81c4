"""Curves over a common axis, with a second scale at the right if wanted. A million points stay quick."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import ArrayLike
from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from app.display.curves import SMOOTHING_WINDOWS, Curve
from app.display.exports import Export, csv_bytes, with_suffix
from app.display.levels import axis_ticks, whole_ticks
from app.widgets.colour_bar import tick_text
from app.widgets.curve_room import CURVES_PX, TITLED_PX, give_room
from app.widgets.drawn_series import DrawnSeries
from app.widgets.image_menu import ask_for_path, png_bytes
from app.widgets.legend_line import LegendEntry, LegendLine
from app.widgets.plot_colours import PALETTE_EVENTS, mixed, plot_colours, screen_pen

MOST_TICKS = 8
LATER_MS = 6
"""From fitting the axes to painting them."""
GRID_SHARE = 0.2
"""How much of the colour of the text is in the lines of the grid."""
DOTS_LIMIT = 60
"""Curves of fewer points show each of them."""


class CurvePlot(QWidget):
    """Named curves; the same name again replaces the curve."""

    export_asked = Signal(object)
    """An Export that is to be written to a file chosen by the user."""
    log_changed = Signal(bool)
    smoothing_changed = Signal(int)

    def __init__(
        self,
        name: str,
        *,
        x_label: str = "",
        y_label: str = "",
        secondary_label: str = "",
        log: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.name = name
        self.x_label, self.y_label, self.secondary_label = x_label, y_label, secondary_label
        self._log = log
        self._secondary_log = False
        self._smoothing = 1
        self._series: dict[str, DrawnSeries] = {}
        self._fitted = True
        self._build()
        self._apply_palette()
        self.set_log(log)

    def _build(self) -> None:
        self.setAccessibleName(self.name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._graphics = pg.PlotWidget(enableMenu=False)
        self._graphics.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._graphics.setMinimumSize(*CURVES_PX)
        self._plot = self._graphics.getPlotItem()
        self._plot.hideButtons()
        self._plot.setClipToView(True)
        self._plot.setDownsampling(auto=True, mode="peak")
        self.legend = LegendLine(self.name, self)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setTimerType(Qt.TimerType.PreciseTimer)
        self._later.setInterval(LATER_MS)
        self._later.timeout.connect(self._paint_now)
        self._right = pg.ViewBox(enableMenu=False)
        self._right.setMouseEnabled(x=True, y=False)
        self._plot.scene().addItem(self._right)
        right_axis = self._plot.getAxis("right")
        right_axis.linkToView(self._right)
        right_axis.enableAutoSIPrefix(False)
        self._right.setXLink(self._plot)
        for side in ("left", "bottom"):
            self._plot.getAxis(side).enableAutoSIPrefix(False)
            # Lines that let nothing through are drawn many times faster.
            self._plot.getAxis(side).setStyle(tickAlpha=255)
        self._plot.vb.sigResized.connect(self._place_right)
        self._plot.vb.sigResized.connect(self._choose_ticks)
        self._plot.vb.sigRangeChanged.connect(self._choose_ticks)
        self._plot.vb.sigXRangeChanged.connect(self._look_closer)
        self._right.sigRangeChanged.connect(self._choose_right_ticks)
        self._plot.scene().sigMouseClicked.connect(self._mouse_clicked)
        self._plot.setLabel("bottom", self.x_label)
        self._plot.setLabel("left", self.y_label)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.legend)
        layout.addWidget(self._graphics, 1)

    # --- curves ---

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names of the curves there are."""
        return tuple(self._series)

    @property
    def log(self) -> bool:
        """Whether the left axis is logarithmic."""
        return self._log

    @property
    def smoothing(self) -> int:
        """Number of neighbours in the running mean; 1 is none."""
        return self._smoothing

    def set_series(self, name: str, x: ArrayLike, y: ArrayLike, *, secondary: bool = False) -> None:
        """Draw a curve.

        Parameters
        ----------
        name
            The name in the legend.
        x, y
            ``(n,)`` values; a ``y`` that is not finite leaves a gap.
        secondary
            Measure it on the axis at the right.
        """
        series = self._series.get(name)
        if series is not None and series.secondary != secondary:
            self.remove_series(name)
            series = None
        if series is None:
            series = self._add(name, secondary)
        series.x = np.asarray(x, dtype=np.float64)
        series.y = np.asarray(y, dtype=np.float64)
        self._draw(series)

    def _add(self, name: str, secondary: bool) -> DrawnSeries:
        used = {series.number for series in self._series.values()}
        number = next(i for i in range(len(used) + 1) if i not in used)
        empty = np.zeros(0)
        curves = [pg.PlotDataItem() for _ in range(2)]
        for curve in curves:
            give_room(curve)
            curve.setDownsampling(auto=True, method="peak")
            curve.setClipToView(True)
            if secondary:
                curve.setLogMode(False, self._secondary_log)
                self._right.addItem(curve)
            else:
                self._plot.addItem(curve)
        if secondary:
            self._plot.showAxis("right")
            self._plot.setLabel("right", self.secondary_label or name)
        series = DrawnSeries(empty, empty, secondary, number, curves[0], curves[1])
        self._series[name] = series
        self._choose_ticks()
        self._colour(series)
        self._name_curves()
        return series

    def _name_curves(self) -> None:
        self.legend.set_entries([LegendEntry(name, series.pen) for name, series in self._series.items()])

    def remove_series(self, name: str) -> None:
        """Take a curve away, if it is there."""
        series = self._series.pop(name, None)
        if series is None:
            return
        for curve in (series.raw, series.smooth):
            if series.secondary:
                self._right.removeItem(curve)
            else:
                self._plot.removeItem(curve)
        if series.secondary and not any(other.secondary for other in self._series.values()):
            self._plot.hideAxis("right")
        self._choose_ticks()
        self._name_curves()

    def clear_series(self) -> None:
        """Take all curves away."""
        for name in self.series_names:
            self.remove_series(name)

    def _draw(self, series: DrawnSeries) -> None:
        log = self._secondary_log if series.secondary else self._log
        series.draw(log, self._smoothing, tuple(self._plot.vb.viewRange()[0]))
        few = 0 < series.x.size <= DOTS_LIMIT
        series.smooth.setSymbol("o" if few else None)
        if self._fitted and series.secondary:
            self._right.enableAutoRange(axis="y")

    def set_labels(self, *, x: str, y: str, secondary: str) -> None:
        """Name the axes anew."""
        if (x, y, secondary) == (self.x_label, self.y_label, self.secondary_label):
            return
        self.x_label, self.y_label, self.secondary_label = x, y, secondary
        self._plot.setLabel("bottom", x)
        self._plot.setLabel("left", y)
        if any(series.secondary for series in self._series.values()):
            self._plot.setLabel("right", secondary)

    def set_log(self, log: bool) -> None:
        """Make the left axis logarithmic or linear."""
        self._log = log
        self._plot.setLogMode(x=False, y=log)
        # The plot item makes all its axes logarithmic; the curves at the right are not.
        self._plot.getAxis("right").setLogMode(False, self._secondary_log)
        self._choose_ticks()
        for series in self._series.values():
            self._draw(series)
        self.log_changed.emit(log)

    def set_secondary_log(self, log: bool) -> None:
        """Make the right axis logarithmic or linear."""
        self._secondary_log = log
        self._plot.getAxis("right").setLogMode(False, log)
        for series in self._series.values():
            if series.secondary:
                for curve in (series.raw, series.smooth):
                    curve.setLogMode(False, log)
                self._draw(series)
        self._choose_right_ticks()

    def set_smoothing(self, window: int) -> None:
        """Draw the running mean over ``window`` points, and the curve itself behind it."""
        self._smoothing = max(1, window)
        for series in self._series.values():
            self._draw(series)
        self.smoothing_changed.emit(self._smoothing)

    def drawn_values(self, name: str) -> tuple[Curve, Curve]:
        """Return the values of the curve itself and of the line that is drawn bold."""
        series = self._series[name]
        return series.y, np.asarray(series.smooth.getOriginalDataset()[1])

    def drawn_points(self, name: str) -> int:
        """Return the number of points that reach the painter."""
        x, _ = self._series[name].smooth.getData()
        return 0 if x is None else len(x)

    # --- view ---

    def _look_closer(self, *_: object) -> None:
        """Draw long curves in the detail that the new view shows."""
        view = tuple(self._plot.vb.viewRange()[0])
        for series in self._series.values():
            if not series.suits(view):
                self._draw(series)

    def fit(self) -> None:
        """Show all curves, and follow them as they grow."""
        self._plot.enableAutoRange()
        self._right.enableAutoRange(axis="y")

    def settle(self) -> None:
        """Fit the axes to changed curves now, and paint in a later turn of the event loop.

        Left to the painter, it would paint everything twice; both in one turn would keep who waits meanwhile waiting.
        """
        if self.isVisible():
            self._graphics.viewport().setUpdatesEnabled(False)
            self._later.start()
        for view_box in (self._plot.vb, self._right):
            view_box.updateAutoRange()
            view_box.updateMatrix()

    def _paint_now(self) -> None:
        self._later.stop()
        self._graphics.viewport().setUpdatesEnabled(True)

    def _place_right(self, *_: object) -> None:
        self._right.setGeometry(self._plot.vb.sceneBoundingRect())
        self._right.linkedViewChanged(self._plot.vb, self._right.XAxis)

    def _choose_ticks(self, *_: object) -> None:
        """Put few round numbers on the axes; the library would draw a line for each of dozens, or for nine a decade."""
        if not self._series:
            for side in ("left", "bottom"):
                self._plot.getAxis(side).setTicks([[], []])
            return
        box, (x_range, y_range) = self._plot.vb, self._plot.vb.viewRange()
        across, up = (max(2, min(MOST_TICKS, int(side))) for side in (box.width() / 90, box.height() / 28))
        bottom = [(value, tick_text(value)) for value in whole_ticks(x_range[0], x_range[1], across)]
        for side, ticks in (("bottom", bottom), ("left", _ticks(y_range, self._log, up))):
            self._plot.getAxis(side).setTicks([ticks, []])
        titled = bool(self.x_label) and self._graphics.height() >= TITLED_PX
        if titled != self._plot.getAxis("bottom").label.isVisible():
            self._plot.showLabel("bottom", titled)

    def _choose_right_ticks(self, *_: object) -> None:
        up = max(2, min(MOST_TICKS, int(self._plot.vb.height() / 28)))
        ticks = _ticks(self._right.viewRange()[1], self._secondary_log, up)
        self._plot.getAxis("right").setTicks([ticks, []])

    def _mouse_clicked(self, event: Any) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.RightButton:
            event.accept()
            self._open_menu(event.screenPos().toPoint())
        elif event.double():
            self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # Qt's name
        """Home shows all curves, the menu key opens the menu."""
        if event.key() == Qt.Key.Key_Home:
            self.fit()
        elif event.key() == Qt.Key.Key_Menu:
            self._open_menu(self.mapToGlobal(self.rect().center()))
        else:
            super().keyPressEvent(event)

    def _open_menu(self, place: Any) -> None:
        menu = self.build_menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(place)

    def build_menu(self) -> QMenu:
        """Return the context menu."""
        menu = QMenu(self)
        log = menu.addAction("&Logarithmic")
        log.setCheckable(True)
        log.setChecked(self._log)
        log.triggered.connect(self.set_log)
        smoothing = menu.addMenu("&Smoothing")
        for window in SMOOTHING_WINDOWS:
            action = smoothing.addAction("None" if window == 1 else f"Mean of {window} points")
            action.setCheckable(True)
            action.setChecked(window == self._smoothing)
            action.triggered.connect(lambda _checked=False, window=window: self.set_smoothing(window))
        menu.addSeparator()
        menu.addAction("Save &PNG…", lambda: ask_for_path(self, ".png", self._save_png))
        menu.addAction("Save &numbers (CSV)…", lambda: ask_for_path(self, ".csv", self.save_csv))
        menu.addSeparator()
        menu.addAction("&Fit\tHome", self.fit)
        return menu

    def _save_png(self, path: str) -> None:
        self._paint_now()
        self.export_asked.emit(Export(with_suffix(path, ".png"), png_bytes(self.grab())))

    def save_csv(self, path: str) -> None:
        """Ask for the points of all curves to be written."""
        rows = [
            (name, float(x), float(y))
            for name, series in self._series.items()
            for x, y in zip(series.x, series.y, strict=True)
        ]
        header = ("curve", self.x_label or "x", "value")
        self.export_asked.emit(Export(with_suffix(path, ".csv"), csv_bytes(header, rows)))

    # --- colours ---

    def changeEvent(self, event: QEvent) -> None:  # Qt's name
        """Follow the palette of the desktop."""
        super().changeEvent(event)
        if event.type() in PALETTE_EVENTS:
            self._apply_palette()

    def _apply_palette(self) -> None:
        colours = plot_colours(self)
        self._graphics.setBackground(colours.background)
        for side in ("left", "bottom", "right"):
            axis = self._plot.getAxis(side)
            axis.setPen(colours.grid)
            axis.setTextPen(colours.foreground)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setTickPen(mixed(colours.foreground, colours.background, GRID_SHARE))
            axis.setGrid(255)
        for series in self._series.values():
            self._colour(series)
        self._name_curves()

    def _colour(self, series: DrawnSeries) -> None:
        choice = plot_colours(self).series
        colour = choice[series.number % len(choice)]
        faint = QColor(colour)
        faint.setAlpha(60)
        style = Qt.PenStyle.DashLine if series.secondary else Qt.PenStyle.SolidLine
        pen = screen_pen(colour, 1.8)
        pen.setStyle(style)
        series.pen = pen
        series.smooth.setPen(pen)
        series.smooth.setSymbolBrush(colour)
        series.smooth.setSymbolPen(None)
        series.smooth.setSymbolSize(5)
        series.raw.setPen(screen_pen(faint, 1.0))


def _ticks(edges: Sequence[float], log: bool, most: int) -> list[tuple[float, str]]:
    """Return where an axis has ticks, and their texts; a logarithmic one is given in powers of ten."""
    if not log:
        return [(value, tick_text(value)) for value in axis_ticks(edges[0], edges[1], "linear", most)]
    low, high = (10 ** float(np.clip(edge, -300, 300)) for edge in edges)
    return [(float(np.log10(value)), tick_text(value)) for value in axis_ticks(low, high, "log", most)]
