"""The legend of a picture of complex values: hue is the phase, brightness the amplitude."""

from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.display.complex_image import complex_image

SIDE = 56
MARGIN = 14
ROOM = 3
"""How many times as wide and as high as the wheel a picture is that can spare its corner."""
LABELS = ((1, 0, "0"), (0, -1, "π/2"), (-1, 0, "π"), (0, 1, "−π/2"))
"""Where on the wheel, (x, y) in radii, and what is written there: the phase grows against the clock."""


class ColourWheel(QWidget):
    """Lies over the upper right corner of a picture while that shows complex values.

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
        self.setFixedSize(SIDE + 4 * MARGIN, SIDE + 2 * MARGIN + 4)
        self.setAccessibleName("Colour wheel: hue is the phase, brightness the amplitude")
        self._view_box = view_box
        self._wanted = False
        self._image = wheel_image(2 * SIDE)
        self.hide()
        view_box.sigResized.connect(self.place)

    def set_wanted(self, wanted: bool) -> None:
        """Show the wheel, or hide it."""
        if wanted != self._wanted:
            self._wanted = wanted
            self.place()

    def place(self, *_: object) -> None:
        """Stay in the corner; a picture too small for it goes without."""
        area: QRectF = self._view_box.sceneBoundingRect()
        large = area.width() > ROOM * self.width() and area.height() > ROOM * self.height()
        self.setVisible(self._wanted and large)
        self.move(round(area.right()) - self.width() - 2, round(area.top()) + 2)

    def paintEvent(self, event: QPaintEvent) -> None:  # Qt's name
        """Draw the wheel and its four phases."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 130))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        disc = QRectF((self.width() - SIDE) / 2, (self.height() - SIDE) / 2, SIDE, SIDE)
        painter.drawImage(disc, self._image)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor("white"))
        for x, y, text in LABELS:
            reach_x, reach_y = (SIDE / 2 + MARGIN, SIDE / 2 + MARGIN / 2)
            box = QRectF(0, 0, 2 * MARGIN, MARGIN)
            box.moveCenter(disc.center())
            box.translate(x * reach_x, y * reach_y)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()


def wheel_image(side: int) -> QImage:
    """Return a disc of all phases, dark in the middle and at full brightness at its rim."""
    axis = (np.arange(side) - (side - 1) / 2) / (side / 2)
    # Up on the screen is the positive imaginary axis.
    values = axis[None, :] - 1j * axis[:, None]
    colours = np.ascontiguousarray(complex_image(values, 1.0, np.abs(values) <= 1))
    return QImage(colours.data, side, side, 4 * side, QImage.Format.Format_RGBA8888).copy()
