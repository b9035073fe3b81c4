"""A line of text that gives way."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget


class ElidedLabel(QLabel):
    """A label that shortens its text instead of widening the window; the whole text is its tool tip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_text(self, text: str) -> None:
        """Show ``text`` as far as there is room."""
        self._whole = text
        self.setToolTip(text)
        self._elide()

    def whole_text(self) -> str:
        """Return the text before shortening."""
        return self._whole

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the room there is."""
        self._elide()

    def minimumSizeHint(self) -> QSize:
        """Return almost nothing: the text may be shortened."""
        return QSize(20, super().minimumSizeHint().height())

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))
