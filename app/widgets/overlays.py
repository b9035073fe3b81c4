"""What can be drawn over a picture: boxes, lines, points and the one marked box.

Each kind is a single graphics item, however many there are of them, so that an overlay costs little. Coordinates are
those of the picture: ``(row, column)`` edges, pixel ``[i, j]`` covering ``i..i+1`` and ``j..j+1``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QGraphicsPathItem, QStyleOptionGraphicsItem, QWidget

from app.display.complex_image import ByteArray
from app.widgets.plot_colours import MARK, MARK_SHADOW, screen_pen
from ptycho_engine.documents import Rectangle

ROUND_POINT_LIMIT = 3000
"""Round points cost ten times as much as square ones: more points than this are square."""

Points = NDArray[np.floating]


class PointCloud(QGraphicsItem):
    """Points of one size on the screen, each with a colour of a table."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: list[tuple[QColor, QPolygonF]] = []
        self._bounds = QRectF()
        self._n_points = 0
        self._size = 5.0

    @property
    def n_points(self) -> int:
        """Number of points drawn."""
        return self._n_points

    def set_points(self, points: Points, colours: ByteArray | QColor, *, size: float = 5.0) -> None:
        """Draw ``(n, 2)`` points ``(row, column)``, all in one colour or each in its row of ``(n, 4)`` bytes."""
        self.prepareGeometryChange()
        self._size = size
        self._n_points = len(points)
        self._bounds = _bounds(points)
        if isinstance(colours, QColor):
            self._groups = [(colours, _polygon(points))] if len(points) else []
        else:
            self._groups = _grouped(points, colours)
        self.update()

    def boundingRect(self) -> QRectF:  # Qt's name
        """Return the rectangle that holds all points."""
        margin = 4 * self._size
        return self._bounds.adjusted(-margin, -margin, margin, margin)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the points, one call for each colour."""
        few = self._n_points <= ROUND_POINT_LIMIT
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, few)
        for colour, polygon in self._groups:
            pen = screen_pen(colour, self._size)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap if few else Qt.PenCapStyle.SquareCap)
            painter.setPen(pen)
            painter.drawPoints(polygon)


def _bounds(points: Points) -> QRectF:
    if len(points) == 0:
        return QRectF()
    (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0)
    return QRectF(QPointF(float(left), float(top)), QPointF(float(right), float(bottom)))


def _polygon(points: Points) -> QPolygonF:
    x = np.ascontiguousarray(points[:, 1], dtype=np.float64)
    y = np.ascontiguousarray(points[:, 0], dtype=np.float64)
    polygon: QPolygonF = pg.functions.arrayToQPolygonF(x, y)
    return polygon


def _grouped(points: Points, colours: ByteArray) -> list[tuple[QColor, QPolygonF]]:
    if len(points) == 0:
        return []
    packed = np.ascontiguousarray(colours).view(np.uint32)[:, 0]
    groups = []
    for value in np.unique(packed):
        members = packed == value
        red, green, blue, alpha = (int(part) for part in colours[int(np.argmax(members))])
        groups.append((QColor(red, green, blue, alpha), _polygon(points[members])))
    return groups


class Overlay:
    """The drawings over one picture."""

    def __init__(self, view_box: Any) -> None:
        self._grid = _path_item(screen_pen("#000000", 1.0), 9)
        self._boxes = _path_item(screen_pen("#60ffffff", 1.0), 10)
        self._lines = _path_item(screen_pen(MARK, 1.2), 11)
        self._points = PointCloud()
        self._points.setZValue(12)
        self._hover = _MarkedBox(screen_pen("#ffffff", 1.0), 13)
        self._mark = _MarkedBox(screen_pen(MARK, 2.0), 14)
        self._mask = pg.ImageItem(axisOrder="row-major")
        self._mask.setZValue(8)
        view_box.addItem(self._mask, ignoreBounds=True)
        for item in (self._grid, self._boxes, self._lines, self._points, *self._hover.items, *self._mark.items):
            view_box.addItem(item, ignoreBounds=True)

    def set_grid(self, rows: Sequence[float], columns: Sequence[float], bounds: QRectF, colour: QColor) -> None:
        """Draw lines through whole rows and columns, at least a pixel of the screen wide at any zoom."""
        path = QPainterPath()
        for row in rows:
            path.moveTo(bounds.left(), row)
            path.lineTo(bounds.right(), row)
        for column in columns:
            path.moveTo(column, bounds.top())
            path.lineTo(column, bounds.bottom())
        self._grid.setPen(screen_pen(colour, 1.0))
        self._grid.setPath(path)

    def set_mask(self, colours: ByteArray | None) -> None:
        """Paint ``(height, width, 4)`` colours over the picture, clear where it is to be seen; or none."""
        if colours is None:
            self._mask.clear()
        else:
            self._mask.setImage(colours, levels=(0, 255), autoLevels=False)

    @property
    def has_mask(self) -> bool:
        """Whether colours are painted over the picture."""
        return self._mask.image is not None

    def set_boxes(self, centres: Points, side: float) -> None:
        """Outline a square of ``side`` pixels around each of ``(n, 2)`` centres ``(row, column)``."""
        path = QPainterPath()
        for row, column in centres:
            path.addRect(QRectF(float(column) - side / 2, float(row) - side / 2, side, side))
        self._boxes.setPath(path)

    def set_lines(self, starts: Points, ends: Points) -> None:
        """Draw a line from each of ``(n, 2)`` starts to its end, with an arrow head of a tenth of its length."""
        path = QPainterPath()
        for (y0, x0), (y1, x1) in zip(starts, ends, strict=True):
            line = QLineF(float(x0), float(y0), float(x1), float(y1))
            path.moveTo(line.p1())
            path.lineTo(line.p2())
            for turn in (155.0, -155.0):
                head = QLineF(line.p2(), line.p1())
                head.setAngle(line.angle() + turn)
                head.setLength(min(line.length() * 0.15, 4.0))
                path.moveTo(line.p2())
                path.lineTo(head.p2())
        self._lines.setPath(path)

    def set_points(self, points: Points, colours: ByteArray | QColor | None = None, *, size: float = 4.0) -> None:
        """Draw ``(n, 2)`` points ``(row, column)``."""
        self._points.set_points(points, QColor(MARK) if colours is None else colours, size=size)

    def set_mark(self, rectangle: Rectangle | QRectF | None) -> None:
        """Outline the one selected box, or none."""
        self._mark.show(rectangle)

    def set_hover(self, rectangle: Rectangle | QRectF | None) -> None:
        """Outline the box under the mouse, or none."""
        self._hover.show(rectangle)

    @property
    def mark(self) -> QRectF | None:
        """The selected box as it is drawn."""
        return self._mark.rectangle

    @property
    def hover(self) -> QRectF | None:
        """The box under the mouse as it is drawn."""
        return self._hover.rectangle

    def clear(self) -> None:
        """Take everything away but the marked boxes."""
        nothing = np.zeros((0, 2))
        self.set_boxes(nothing, 1.0)
        self.set_lines(nothing, nothing)
        self.set_points(nothing)


class _MarkedBox:
    """A rectangle with a dark line under its own, to be seen on light and dark pictures."""

    def __init__(self, pen: QPen, depth: float) -> None:
        shadow = screen_pen(MARK_SHADOW, pen.widthF() + 2.0)
        self.items = (_path_item(shadow, depth), _path_item(pen, depth + 0.5))
        self.rectangle: QRectF | None = None

    def show(self, rectangle: Rectangle | QRectF | None) -> None:
        if isinstance(rectangle, Rectangle):
            rectangle = QRectF(rectangle.column, rectangle.row, rectangle.width, rectangle.height)
        self.rectangle = rectangle
        path = QPainterPath()
        if rectangle is not None:
            path.addRect(rectangle)
        for item in self.items:
            item.setPath(path)


def _path_item(pen: QPen, depth: float) -> QGraphicsPathItem:
    item = QGraphicsPathItem()
    item.setPen(pen)
    item.setBrush(QBrush(Qt.BrushStyle.NoBrush))
    item.setZValue(depth)
    return item
