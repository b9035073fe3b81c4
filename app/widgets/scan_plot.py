"""Scan positions coloured by a figure; y points down, as rows of the object do."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainterPath
from PySide6.QtWidgets import QGraphicsPathItem, QMenu, QVBoxLayout, QWidget

from app.display.colormaps import colour_table
from app.display.density import PointBins, nearest_point
from app.display.exports import Export, with_suffix
from app.display.false_colours import false_colours
from app.display.levels import Levels, full_levels
from app.widgets.colour_bar import ColourBar
from app.widgets.elided_label import ElidedLabel
from app.widgets.image_menu import ask_for_path, png_bytes
from app.widgets.overlays import PointCloud
from app.widgets.plot_colours import MARK, PALETTE_EVENTS, plot_colours, screen_pen

POINT_LIMIT = 20_000
"""More points than this in view are drawn as a picture of bins."""

Points = NDArray[np.floating]


class ScanPlot(QWidget):
    """Positions as points, or as bins where there are very many; one of them can be picked."""

    picked = Signal(int)
    """The position nearest to a click."""
    hovered = Signal(object)
    """``int | None``: the position nearest to the mouse."""
    export_asked = Signal(object)
    """An Export that is to be written to a file chosen by the user."""

    def __init__(self, name: str, *, colour_map: str = "viridis", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.colour_map = colour_map
        self._points: Points = np.zeros((0, 2))
        self._figures: NDArray[Any] = np.zeros(0)
        self._levels: Levels = (0.0, 1.0)
        self._label = ""
        self._bins: PointBins | None = None
        self._mark: int | None = None
        self.n_links = 0
        """Number of lines between positions."""
        self.n_chosen_links = 0
        """Number of bold ones."""
        self._box: QRectF | None = None
        self._binned = False
        self._fitted = True
        self._build()
        self._apply_palette()

    def _build(self) -> None:
        self.setAccessibleName(self.name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._title = ElidedLabel(self.name, self)
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.setMinimumSize(QSize(160, 120))
        self.graphics.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.graphics.ci.layout.setContentsMargins(2, 9, 2, 9)
        self._plot = self.graphics.addPlot(row=0, col=0, enableMenu=False)
        self._plot.hideButtons()
        self._plot.setAspectLocked(True)
        self._plot.invertY(True)
        for side, text in (("left", "y [px]"), ("bottom", "x [px]")):
            self._plot.getAxis(side).enableAutoSIPrefix(False)
            self._plot.setLabel(side, text)
        self.view_box = self._plot.vb
        self.view_box.disableAutoRange()
        self._image = pg.ImageItem(axisOrder="row-major")
        self._cloud = PointCloud()
        self._link_item = _path_item(screen_pen("#80808080", 1.0))
        self._chosen_item = _path_item(screen_pen(MARK, 2.0))
        self._box_item = _path_item(screen_pen(MARK, 1.0))
        self._ring = PointCloud()
        self._dot = PointCloud()
        for depth, item in enumerate(
            (self._image, self._link_item, self._cloud, self._box_item, self._ring, self._dot)
        ):
            item.setZValue(depth)
            self.view_box.addItem(item, ignoreBounds=True)
        self.colour_bar = ColourBar(self.graphics, 0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._title)
        layout.addWidget(self.graphics, 1)
        scene = self.graphics.scene()
        scene.sigMouseClicked.connect(self._mouse_clicked)
        scene.sigMouseMoved.connect(self._mouse_moved)
        self.view_box.sigResized.connect(self._view_resized)
        self.view_box.sigRangeChangedManually.connect(self.zoomed_by_hand)
        self.view_box.sigRangeChanged.connect(self._choose_drawing)

    @property
    def marked(self) -> int | None:
        """The position that is marked as selected."""
        return self._mark

    @property
    def drawn_as_bins(self) -> bool:
        """Whether the positions in view are too many to be drawn as points."""
        return self._binned

    @property
    def title(self) -> str:
        """The line above the plot."""
        return self._title.text()

    def set_title(self, title: str) -> None:
        """Write the line above the plot."""
        self._title.setText(title)
        self._title.setVisible(bool(title))
        self.setAccessibleDescription(title)

    def set_axis_names(self, vertical: str, horizontal: str) -> None:
        """Name both axes, with their unit."""
        self._plot.setLabel("left", vertical)
        self._plot.setLabel("bottom", horizontal)

    def set_points(self, points: Points, figures: NDArray[Any], label: str, *, levels: Levels | None = None) -> None:
        """Show ``(n, 2)`` positions ``(y, x)`` coloured by ``(n,)`` figures.

        Parameters
        ----------
        points, figures
            A figure that is not finite is painted grey.
        label
            Name and unit of the figure, beside the colour bar.
        levels
            The figures at both ends of the colour bar; by default the smallest and the greatest.
        """
        moved = self._points is not points and not np.array_equal(self._points, points)
        if moved:
            self._bins = PointBins(points) if len(points) > POINT_LIMIT else None
        self._points, self._figures, self._label = points, figures, label
        self._levels = levels or full_levels(figures)
        self.colour_bar.show(self.colour_map, self._levels, "linear", label)
        self._binned = False
        self._draw()
        self.mark(self._mark)
        if moved:
            self.fit()

    def set_links(self, starts: Points, ends: Points) -> None:
        """Draw a line between each of ``(n, 2)`` starts and its end; empty arrays draw none."""
        self.n_links = len(starts)
        self._link_item.setPath(_lines(starts, ends))

    def set_chosen_links(self, starts: Points, ends: Points) -> None:
        """Draw these lines bold; empty arrays draw none."""
        self.n_chosen_links = len(starts)
        self._chosen_item.setPath(_lines(starts, ends))

    def set_box(self, box: QRectF | None) -> None:
        """Outline a region, or none."""
        path = QPainterPath()
        if box is not None:
            path.addRect(box)
        self._box = box
        self._box_item.setPath(path)

    def mark(self, index: int | None) -> None:
        """Mark one position as selected."""
        self._mark = index if index is not None and 0 <= index < len(self._points) else None
        chosen = self._points[[] if self._mark is None else [self._mark]]
        self._ring.set_points(chosen, QColor("#000000"), size=15.0)
        self._dot.set_points(chosen, QColor(MARK), size=11.0)

    # --- drawing ---

    def _draw(self) -> None:
        seen = self._seen()
        if len(self._points) > POINT_LIMIT and np.isfinite(self._figures).any():
            # Of very many, those that have a figure: the sample of a scan is seen as points, not as specks of bins.
            seen &= np.isfinite(self._figures)
        self._binned = int(np.count_nonzero(seen)) > POINT_LIMIT
        self._image.setVisible(self._binned)
        self._cloud.setVisible(not self._binned)
        if not self._binned:
            points, figures = (self._points, self._figures) if seen.all() else (self._points[seen], self._figures[seen])
            size = 7.0 if len(points) < 500 else 5.0 if len(points) < 5000 else 3.0
            self._cloud.set_points(points, self._colours(figures), size=size)
            return
        bins = (self._bins or PointBins(self._points)).mean(self._figures)
        self._image.setImage(false_colours(bins.mean, *self._levels, self.colour_map), autoLevels=False)
        (y, x), (height, width) = bins.origin, bins.bin_size
        self._image.setRect(QRectF(x, y, width * bins.mean.shape[1], height * bins.mean.shape[0]))

    def _seen(self) -> NDArray[np.bool_]:
        if len(self._points) <= POINT_LIMIT:
            return np.ones(len(self._points), dtype=bool)
        view: QRectF = self.view_box.viewRect()
        if self._bins is not None and view.contains(_rectangle(self._bins.low, self._bins.high)):
            return np.ones(len(self._points), dtype=bool)
        y, x = self._points[:, 0], self._points[:, 1]
        return (x >= view.left()) & (x <= view.right()) & (y >= view.top()) & (y <= view.bottom())

    def _colours(self, figures: NDArray[Any]) -> NDArray[np.uint8]:
        low, high = self._levels
        finite = np.isfinite(figures)
        # 64 colours, not 256: one drawing call each.
        step = np.clip((np.where(finite, figures, low) - low) / (high - low) * 63, 0, 63).astype(int)
        colours = colour_table(self.colour_map)[np.round(step * 255 / 63).astype(int)]
        return np.where(finite[:, None], colours, np.array([128, 128, 128, 255], dtype=np.uint8))

    def _choose_drawing(self, *_: object) -> None:
        if len(self._points) > POINT_LIMIT:
            self._draw()

    # --- zoom, mouse, keyboard ---

    def fit(self) -> None:
        """Show all positions, and keep doing so when the window changes."""
        self._fitted = True
        if len(self._points) == 0:
            return
        (top, left), (bottom, right) = self._points.min(axis=0), self._points.max(axis=0)
        box = QRectF(QPointF(float(left), float(top)), QPointF(float(right), float(bottom)))
        if self._box is not None:
            box = box.united(self._box)
        margin = 0.03 * max(box.width(), box.height(), 1.0)
        self.view_box.setRange(box.adjusted(-margin, -margin, margin, margin), padding=0)

    def zoomed_by_hand(self, *_: object) -> None:
        """Keep the part in view from now on."""
        self._fitted = False

    def _view_resized(self, *_: object) -> None:
        if self._fitted:
            self.fit()

    def nearest(self, y: float, x: float) -> int | None:
        """Return the position nearest to a place."""
        return nearest_point(self._points, y, x)

    def _mouse_moved(self, scene_position: QPointF) -> None:
        if self.view_box.sceneBoundingRect().contains(scene_position):
            place: QPointF = self.view_box.mapSceneToView(scene_position)
            self.hovered.emit(self.nearest(place.y(), place.x()))
        else:
            self.hovered.emit(None)

    def _mouse_clicked(self, event: Any) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.RightButton:
            event.accept()
            self._open_menu(event.screenPos().toPoint())
        elif event.double():
            self.fit()
        elif self.view_box.sceneBoundingRect().contains(event.scenePos()):
            place: QPointF = self.view_box.mapSceneToView(event.scenePos())
            index = self.nearest(place.y(), place.x())
            if index is not None:
                self.picked.emit(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # Qt's name
        """Home shows all positions, arrows go to the next one, the menu key opens the menu."""
        steps = {Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1}
        if event.key() == Qt.Key.Key_Home:
            self.fit()
        elif event.key() == Qt.Key.Key_Menu:
            self._open_menu(self.mapToGlobal(self.rect().center()))
        elif event.key() in steps and len(self._points):
            start = -1 if self._mark is None else self._mark
            self.picked.emit((start + steps[Qt.Key(event.key())]) % len(self._points))
        else:
            super().keyPressEvent(event)

    def _open_menu(self, place: Any) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Save &PNG…", lambda: ask_for_path(self, ".png", self._save_png))
        menu.addAction("&Fit\tHome", self.fit)
        menu.popup(place)

    def _save_png(self, path: str) -> None:
        self.export_asked.emit(Export(with_suffix(path, ".png"), png_bytes(self.grab())))

    def changeEvent(self, event: QEvent) -> None:  # Qt's name
        """Follow the palette of the desktop."""
        super().changeEvent(event)
        if event.type() in PALETTE_EVENTS:
            self._apply_palette()

    def _apply_palette(self) -> None:
        colours = plot_colours(self)
        self.graphics.setBackground(colours.background)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(colours.grid)
            axis.setTextPen(colours.foreground)
        link = QColor(colours.foreground)
        link.setAlpha(90)
        self._link_item.setPen(screen_pen(link, 1.0))
        self.colour_bar.set_colours(colours)


def _rectangle(low: Points, high: Points) -> QRectF:
    return QRectF(QPointF(float(low[1]), float(low[0])), QPointF(float(high[1]), float(high[0])))


def _path_item(pen: Any) -> QGraphicsPathItem:
    item = QGraphicsPathItem()
    item.setPen(pen)
    return item


def _lines(starts: Points, ends: Points) -> QPainterPath:
    path = QPainterPath()
    for (y0, x0), (y1, x1) in zip(starts, ends, strict=True):
        path.moveTo(QPointF(float(x0), float(y0)))
        path.lineTo(QPointF(float(x1), float(y1)))
    return path
