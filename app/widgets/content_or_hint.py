"""The content of a panel, or a sentence that says how to get some."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStackedWidget, QWidget


class ContentOrHint(QStackedWidget):
    """Shows its content once there is any; before, what to do.

    Parameters
    ----------
    content
        The content; ``None`` where it is put in later.
    parent
        Owner.
    """

    def __init__(self, content: QWidget | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hint = QLabel(self)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._hint.setWordWrap(True)
        self._hint.setMargin(24)
        self.addWidget(self._hint)
        if content is not None:
            self.put(content)

    def put(self, content: QWidget) -> None:
        """Take in the content, behind the sentence."""
        self.addWidget(content)

    @property
    def hint(self) -> str:
        """The sentence that is shown, empty while the content is."""
        return self._hint.text() if self.currentIndex() == 0 else ""

    def show_hint(self, text: str) -> None:
        """Show a sentence instead of the content."""
        self._hint.setText(text)
        self.setCurrentIndex(0)

    def show_content(self) -> None:
        """Show the content."""
        self.setCurrentIndex(1)
