"""Driving pictures in tests: mouse, and what is really painted."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.widgets.image_view import ImageView
from ptycho_engine.arrays import FloatArray

# A test moves the mouse faster than a hand does; by default the second of two quick moves is dropped.
pg.setConfigOptions(mouseRateLimit=0, imageAxisOrder="row-major")

F_ROWS = ("XXXXX", "X....", "XXXX.", "X....", "X....", "X....")


def letter_f(n: int = 64, block: int = 8) -> FloatArray:
    """An upright F in the middle of ``(n, n)`` zeros: neither turned nor mirrored does it look the same."""
    stamp = np.array([[letter == "X" for letter in row] for row in F_ROWS], dtype=np.float32)
    large = np.kron(stamp, np.ones((block, block), dtype=np.float32))
    picture = np.zeros((n, n), dtype=np.float32)
    top, left = (n - large.shape[0]) // 2, (n - large.shape[1]) // 2
    picture[top : top + large.shape[0], left : left + large.shape[1]] = large
    return picture


def show(qtbot: QtBot, widget: QWidget, width: int = 500, height: int = 400) -> None:
    """Show a widget at a size and wait until it is laid out and painted."""
    qtbot.addWidget(widget)
    widget.resize(width, height)
    with qtbot.waitExposed(widget):
        widget.show()
    settle()


def settle() -> None:
    """Let what is due be painted."""
    for _ in range(3):
        QTest.qWait(0)


def screen_position(view: ImageView, row: float, column: float) -> QPoint:
    """Where a place of the picture lies on its viewport."""
    scene: QPointF = view.view_box.mapViewToScene(QPointF(column, row))
    point: QPoint = view.graphics.mapFromScene(scene)
    return point


def move_to(view: ImageView, row: float, column: float) -> None:
    """Move the mouse to the middle of a pixel of the picture."""
    settle()
    QTest.mouseMove(view.graphics.viewport(), screen_position(view, row + 0.5, column + 0.5))
    settle()


def click_at(view: ImageView, row: float, column: float) -> None:
    """Click into the middle of a pixel of the picture."""
    settle()
    where = screen_position(view, row + 0.5, column + 0.5)
    QTest.mouseClick(view.graphics.viewport(), Qt.MouseButton.LeftButton, pos=where)
    settle()


def painted_brightness(view: ImageView, shape: tuple[int, int]) -> NDArray[np.float64]:
    """The brightness on screen over the area of the picture, from its top to its bottom and from left to right.

    The order is that of the screen, not of the widget's own idea of rows and columns: a picture that is upside down in
    both would otherwise pass.
    """
    settle()
    grab: QImage = view.graphics.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    ratio = grab.devicePixelRatio()
    corners = [screen_position(view, row, column) * ratio for row, column in ((0, 0), shape)]
    (left, right), (top, bottom) = (
        sorted(edge) for edge in zip(*(corner.toTuple() for corner in corners), strict=True)
    )
    seen = np.zeros(shape)
    for row, column in np.ndindex(shape):
        x = left + (column + 0.5) / shape[1] * (right - left)
        y = top + (row + 0.5) / shape[0] * (bottom - top)
        seen[row, column] = grab.pixelColor(int(x), int(y)).lightnessF()
    return seen


def looks_like(seen: NDArray[np.float64], expected: NDArray[np.floating]) -> bool:
    """Whether what is seen follows what was given, upright, better than any other way to turn or mirror it."""

    def agreement(other: NDArray[np.floating]) -> float:
        return float(np.corrcoef(seen.ravel(), other.ravel())[0, 1])

    turned = [np.rot90(expected, k) for k in range(1, 4)] + [np.rot90(expected.T, k) for k in range(4)]
    return agreement(expected) > 0.95 and all(agreement(other) < 0.9 for other in turned)
