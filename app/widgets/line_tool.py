"""A line with two ends to be dragged, over linked pictures: a ruler, and where a profile is taken."""

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainterPath
from PySide6.QtWidgets import QGraphicsPathItem

from app.display.line_profile import Place
from app.widgets.image_view import ImageView
from app.widgets.plot_colours import MARK, MARK_SHADOW, screen_pen

LINE = "#ffd400"
"""Apart from the colour of what is selected."""
STEPS = {
    Qt.Key.Key_Left: (0.0, -1.0),
    Qt.Key.Key_Right: (0.0, 1.0),
    Qt.Key.Key_Up: (-1.0, 0.0),
    Qt.Key.Key_Down: (1.0, 0.0),
}


class _DrawnLine:
    """The line in one picture."""

    def __init__(self, view: ImageView) -> None:
        self.view = view
        self.strokes = []
        for colour, width, depth in ((MARK_SHADOW, 3.5, 20), (LINE, 1.6, 21)):
            stroke = QGraphicsPathItem()
            stroke.setPen(screen_pen(colour, width))
            stroke.setZValue(depth)
            self.strokes.append(stroke)
        self.ends = [
            pg.TargetItem((0, 0), size=11, symbol="o", pen=screen_pen(LINE, 1.6), hoverPen=screen_pen(MARK, 2.0))
            for _ in range(2)
        ]
        self.text = pg.TextItem("", color=LINE, anchor=(0.5, 1.2), fill=(0, 0, 0, 150))
        for item in self.items:
            item.setZValue(max(item.zValue(), 22))
            view.view_box.addItem(item, ignoreBounds=True)

    @property
    def items(self) -> list[Any]:
        return [*self.strokes, *self.ends, self.text]


class LineTool(QObject):
    """Shows one line in all of several linked pictures.

    With the keyboard in a picture, the arrows move the line by a pixel, with Shift its second end alone, with Ctrl ten
    pixels at once.

    Parameters
    ----------
    views
        The pictures, on the same pixels.
    parent
        Owner.
    """

    moved = Signal()
    """The line lies elsewhere."""

    def __init__(self, views: Sequence[ImageView], parent: QObject) -> None:
        super().__init__(parent)
        self._lines = [_DrawnLine(view) for view in views]
        self._ends: tuple[Place, Place] = ((0.0, 0.0), (1.0, 1.0))
        self._placing = False
        self._placed = False
        self._visible = False
        for line in self._lines:
            line.view.installEventFilter(self)
            for end in line.ends:
                end.sigPositionChanged.connect(self._dragged)
        self._show()

    @property
    def visible(self) -> bool:
        """Whether the line is shown."""
        return self._visible

    @property
    def ends(self) -> tuple[Place, Place]:
        """Start and end, (row, column) each."""
        return self._ends

    def set_visible(self, visible: bool) -> None:
        """Show or hide the line; the first time, it lies across the middle of what is in view."""
        self._visible = visible
        view = self._lines[0].view
        if visible and not self._placed and view.values is not None:
            height, width = view.values.shape[:2]
            area = view.shown_range.intersected(QRectF(0, 0, width, height))
            y = area.center().y()
            self.set_ends((y, area.left() + 0.25 * area.width()), (y, area.left() + 0.75 * area.width()))
        self._show()

    def set_ends(self, start: Place, end: Place) -> None:
        """Lay the line elsewhere."""
        self._ends, self._placed = (start, end), True
        self._draw()
        self.moved.emit()

    def set_text(self, text: str) -> None:
        """Write along the line how long it is."""
        for line in self._lines:
            line.text.setText(text)

    def _show(self) -> None:
        for line in self._lines:
            for item in line.items:
                item.setVisible(self._visible)

    def _draw(self) -> None:
        (y0, x0), (y1, x1) = self._ends
        path = QPainterPath(QPointF(x0, y0))
        path.lineTo(x1, y1)
        self._placing = True
        for line in self._lines:
            for stroke in line.strokes:
                stroke.setPath(path)
            line.ends[0].setPos(x0, y0)
            line.ends[1].setPos(x1, y1)
            line.text.setPos((x0 + x1) / 2, (y0 + y1) / 2)
        self._placing = False

    def _dragged(self, end: pg.TargetItem) -> None:
        if self._placing:
            return
        place = (float(end.pos().y()), float(end.pos().x()))
        second = any(end is line.ends[1] for line in self._lines)
        self.set_ends(*((self._ends[0], place) if second else (place, self._ends[1])))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # Qt's name
        """Move the line with the arrow keys of a picture."""
        if not self._visible or not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        step = STEPS.get(Qt.Key(event.key()))
        if step is None:
            return False
        far = 10.0 if event.modifiers() & Qt.KeyboardModifier.ControlModifier else 1.0
        (y0, x0), (y1, x1) = self._ends
        y, x = far * step[0], far * step[1]
        start = (y0, x0) if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else (y0 + y, x0 + x)
        self.set_ends(start, (y1 + y, x1 + x))
        return True
