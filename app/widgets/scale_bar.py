"""A bar of a round length in the corner of a picture whose pixels have a known side."""

from typing import Any

from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.display.lengths import metres_text, round_length

SHARE = 0.3
"""The bar is at most this part of the picture wide."""
MARGIN = 6
THICKNESS = 4


class ScaleBar(QWidget):
    """Lies over the lower right corner of a picture, and is saved with it.

    Parameters
    ----------
    parent
        The widget that shows the scene.
    view_box
        The part of the scene that holds the picture.
    """

    def __init__(self, parent: QWidget, view_box: Any) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._view_box = view_box
        self._pixel_size_m: float | None = None
        self._bar_px = 0.0
        self.text = ""
        """The length of the bar, in words."""
        self.hide()
        view_box.sigRangeChanged.connect(self.place)
        view_box.sigResized.connect(self.place)

    def set_pixel_size(self, pixel_size_m: float | None) -> None:
        """Show a bar for pixels of this side, ``None`` hides it."""
        self._pixel_size_m = pixel_size_m
        self.place()

    @property
    def bar_px(self) -> float:
        """The length of the bar on the screen, in its pixels."""
        return self._bar_px

    def place(self, *_: object) -> None:
        """Follow zoom and size of the picture."""
        area: QRectF = self._view_box.sceneBoundingRect()
        across = float(self._view_box.viewRect().width())
        self.setVisible(self._pixel_size_m is not None and area.width() > 60 and across > 0)
        if self._pixel_size_m is None or area.width() <= 60 or across <= 0:
            return
        metres_per_px = across * self._pixel_size_m / area.width()
        length_m = round_length(SHARE * area.width() * metres_per_px)
        self._bar_px = length_m / metres_per_px
        self.text = metres_text(length_m)
        words = self.fontMetrics()
        width = round(max(self._bar_px, words.horizontalAdvance(self.text))) + 2 * MARGIN
        height = words.height() + THICKNESS + 2 * MARGIN
        self.resize(width, height)
        corner = QPoint(round(area.right()) - width - MARGIN, round(area.bottom()) - height - MARGIN)
        self.move(corner)
        self.setAccessibleName(f"Scale bar: {self.text}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # Qt's name
        """Draw the bar with its length, light on a dark ground: to be seen on every picture."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 130))
        painter.setPen(QColor("white"))
        middle = self.rect().adjusted(0, MARGIN // 2, 0, -THICKNESS - MARGIN)
        painter.drawText(middle, Qt.AlignmentFlag.AlignCenter, self.text)
        bar = QRectF((self.width() - self._bar_px) / 2, self.height() - MARGIN - THICKNESS, self._bar_px, THICKNESS)
        painter.fillRect(bar, QColor("white"))
        painter.end()
