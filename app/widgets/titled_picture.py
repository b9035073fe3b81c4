"""A picture of a widget under its title, as it is copied and saved."""

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QWidget


def titled_picture(widget: QWidget, body: QPixmap, title: str) -> QPixmap:
    """Return ``body`` under the whole of its title, in font and colours of a widget."""
    ratio = body.devicePixelRatio()
    width, height = round(body.width() / ratio), round(body.height() / ratio)
    lines = widget.fontMetrics().boundingRect(QRect(4, 2, max(width - 8, 1), 1000), Qt.TextFlag.TextWordWrap, title)
    top = lines.height() + 6
    whole = QPixmap(round(width * ratio), round((height + top) * ratio))
    whole.setDevicePixelRatio(ratio)
    whole.fill(widget.palette().color(QPalette.ColorRole.Window))
    painter = QPainter(whole)
    painter.setFont(widget.font())
    painter.setPen(widget.palette().color(QPalette.ColorRole.WindowText))
    painter.drawText(lines, Qt.TextFlag.TextWordWrap, title)
    painter.drawPixmap(0, top, body)
    painter.end()
    return whole
