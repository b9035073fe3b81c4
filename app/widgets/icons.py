"""Small icons drawn in the text colour of the palette, so that they suit light and dark desktops alike."""

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPalette, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QApplication

_SIDE = 64
Draw = Callable[[QPainter, QColor], None]


def icon(name: str) -> QIcon:
    """Return the icon called ``name``; a grey one when disabled."""
    made = QIcon()
    palette = QApplication.palette()
    for mode, group in (
        (QIcon.Mode.Normal, QPalette.ColorGroup.Active),
        (QIcon.Mode.Disabled, QPalette.ColorGroup.Disabled),
    ):
        colour = palette.color(group, QPalette.ColorRole.WindowText)
        pixmap = QPixmap(_SIDE, _SIDE)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour, 5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        _DRAW[name](painter, colour)
        painter.end()
        made.addPixmap(pixmap, mode)
    return made


def _open(painter: QPainter, colour: QColor) -> None:
    painter.drawPolyline(
        QPolygonF([QPointF(8, 52), QPointF(8, 14), QPointF(24, 14), QPointF(30, 22), QPointF(50, 22), QPointF(50, 28)])
    )
    painter.drawPolygon(QPolygonF([QPointF(8, 52), QPointF(18, 30), QPointF(58, 30), QPointF(48, 52)]))


def _train(painter: QPainter, colour: QColor) -> None:
    painter.setBrush(colour)
    painter.drawPolygon(QPolygonF([QPointF(18, 12), QPointF(18, 52), QPointF(52, 32)]))


def _infer(painter: QPainter, colour: QColor) -> None:
    painter.drawRect(QRectF(10, 10, 44, 44))
    for left, top in ((10, 10), (32, 10), (10, 32)):
        painter.drawRect(QRectF(left, top, 22, 22))
    painter.fillRect(QRectF(34, 34, 18, 18), colour)


def _stop(painter: QPainter, colour: QColor) -> None:
    painter.setBrush(colour)
    painter.drawRoundedRect(QRectF(14, 14, 36, 36), 4, 4)


def _resume(painter: QPainter, colour: QColor) -> None:
    painter.setBrush(colour)
    painter.drawRect(QRectF(12, 14, 7, 36))
    painter.drawPolygon(QPolygonF([QPointF(28, 14), QPointF(28, 50), QPointF(56, 32)]))


def _dataset(painter: QPainter, colour: QColor) -> None:
    for row in range(3):
        for column in range(3):
            painter.setBrush(colour if (row + column) % 2 == 0 else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(14 + 18 * column, 14 + 18 * row), 5, 5)


def _bundle(painter: QPainter, colour: QColor) -> None:
    painter.drawPolygon(QPolygonF([QPointF(32, 6), QPointF(58, 32), QPointF(32, 58), QPointF(6, 32)]))
    painter.setBrush(colour)
    painter.drawPolygon(QPolygonF([QPointF(32, 22), QPointF(42, 32), QPointF(32, 42), QPointF(22, 32)]))


def _figures(painter: QPainter, colour: QColor) -> None:
    for left, top in ((10, 34), (28, 12), (46, 24)):
        painter.drawLine(QPointF(left, 54), QPointF(left, top))


def _canvas(painter: QPainter, colour: QColor) -> None:
    painter.drawRect(QRectF(8, 12, 48, 40))
    path = QPainterPath(QPointF(10, 48))
    path.cubicTo(22, 10, 34, 60, 54, 18)
    painter.drawPath(path)


def _running(painter: QPainter, colour: QColor) -> None:
    painter.setBrush(QColor("#3b8fe0"))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawPolygon(QPolygonF([QPointF(18, 12), QPointF(18, 52), QPointF(52, 32)]))


def _completed(painter: QPainter, colour: QColor) -> None:
    painter.setPen(
        QPen(QColor("#2ea868"), 8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    )
    painter.drawPolyline(QPolygonF([QPointF(12, 34), QPointF(26, 48), QPointF(52, 16)]))


def _stopped(painter: QPainter, colour: QColor) -> None:
    painter.setBrush(QColor("#d29a2a"))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawRect(QRectF(16, 14, 12, 36))
    painter.drawRect(QRectF(36, 14, 12, 36))


def _failed(painter: QPainter, colour: QColor) -> None:
    painter.setPen(QPen(QColor("#d9534f"), 8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawLine(QPointF(16, 16), QPointF(48, 48))
    painter.drawLine(QPointF(48, 16), QPointF(16, 48))


def _pause(painter: QPainter, colour: QColor) -> None:
    painter.setBrush(colour)
    for left in (14, 37):
        painter.drawRect(QRectF(left, 14, 12, 36))


_DRAW: dict[str, Draw] = {
    "open": _open,
    "train": _train,
    "infer": _infer,
    "stop": _stop,
    "pause": _pause,
    "resume": _resume,
    "dataset": _dataset,
    "bundle": _bundle,
    "canvas": _canvas,
    "figures": _figures,
    "running": _running,
    "completed": _completed,
    "stopped": _stopped,
    "failed": _failed,
}
