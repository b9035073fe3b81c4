"""A caption and a text a line, the texts wrapped."""

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget


class CaptionTable(QWidget):
    """Shows lines whose texts can be selected; each is as high as its text needs.

    Qt's form layout gives wrapped texts heights of its own estimate, and cuts what is longer: hence a grid.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 6, 0, 6)
        self._grid.setColumnStretch(1, 1)
        self.texts: list[QLabel] = []
        """Of the lines that are shown."""

    def show_lines(self, lines: Iterable[tuple[str, str]]) -> None:
        """Show these captions and texts in the place of those before."""
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        self.texts = []
        top = Qt.AlignmentFlag.AlignTop
        for row, (caption, text) in enumerate(lines):
            label = QLabel(text, self)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(QLabel(caption, self), row, 0, top)
            self._grid.addWidget(label, row, 1)
            self.texts.append(label)
