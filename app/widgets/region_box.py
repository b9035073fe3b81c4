"""A rectangle on a picture that can be moved and resized with the mouse, in whole pixels."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QObject, QRectF, Signal

from app.widgets.image_view import ImageView
from app.widgets.plot_colours import MARK, screen_pen
from ptycho_engine.documents import Rectangle


class RegionBox(QObject):
    """The rectangle of one picture; hidden until it is given a place."""

    moved = Signal(object)
    """``Rectangle`` while it is being dragged."""
    settled = Signal(object)
    """``Rectangle`` when the mouse lets go of it."""

    def __init__(self, view: ImageView) -> None:
        super().__init__(view)
        self._box: Any = pg.RectROI(
            (0, 0),
            (1, 1),
            pen=screen_pen(MARK, 2.0),
            handlePen=screen_pen(MARK, 2.0),
            scaleSnap=True,
            translateSnap=True,
            rotatable=False,
        )
        self._box.addScaleHandle((0, 0), (1, 1))
        self._box.setZValue(20)
        self._box.hide()
        view.view_box.addItem(self._box, ignoreBounds=True)
        self._quiet = False
        self._box.sigRegionChanged.connect(self._tell_moved)
        self._box.sigRegionChangeFinished.connect(self._tell_settled)

    @property
    def rectangle(self) -> Rectangle | None:
        """The rows and columns inside, ``None`` while it is hidden."""
        if not self._box.isVisible():
            return None
        (x, y), (width, height) = self._box.pos(), self._box.size()
        return Rectangle(round(y), round(x), max(1, round(height)), max(1, round(width)))

    def show(self, rectangle: Rectangle | None, side: int = 0) -> None:
        """Place it inside a picture of ``side`` pixels, or hide it; tells nobody."""
        self._quiet = True
        self._box.setVisible(rectangle is not None)
        if rectangle is not None:
            self._box.maxBounds = QRectF(0, 0, side, side)
            self._box.setPos((rectangle.column, rectangle.row), finish=False)
            self._box.setSize((rectangle.width, rectangle.height), finish=False)
        self._quiet = False

    def _tell_moved(self, *_: object) -> None:
        if not self._quiet and self.rectangle is not None:
            self.moved.emit(self.rectangle)

    def _tell_settled(self, *_: object) -> None:
        if not self._quiet and self.rectangle is not None:
            self.settled.emit(self.rectangle)
