"""The one door through which the window tells the person that something is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

COLOURS = {"error": ("#b3261e", "#ffffff"), "warning": ("#8a5a00", "#ffffff"), "info": ("#1f5f99", "#ffffff")}
"""Background and text; each pair has a contrast of at least 4.5."""


@dataclass(frozen=True, slots=True)
class NoticeText:
    """What one line of the bar shows."""

    key: str
    level: str
    message: str
    details: str = ""
    count: int = 1
    action: str = ""
    """What a button in it says; empty for none."""


class NoticeBar(QWidget):
    """Lines above the panels, each with its details and a button to close it."""

    closed = Signal(str)
    """The key of the notice that was read."""
    action_asked = Signal(str)
    """The key of the notice whose button was pressed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice_bar")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(1)
        self._lines: dict[str, _Line] = {}
        self.hide()

    def show_notices(self, notices: Sequence[NoticeText]) -> None:
        """Show these notices and no others, the newest on top."""
        wanted = {notice.key: notice for notice in notices}
        for key in [key for key, line in self._lines.items() if wanted.get(key) != line.notice]:
            line = self._lines.pop(key)
            self._layout.removeWidget(line)
            line.hide()
            line.deleteLater()
        for notice in notices:
            if notice.key not in self._lines:
                line = _Line(notice, self)
                line.closed.connect(self.closed)
                line.action_asked.connect(self.action_asked)
                self._lines[notice.key] = line
                self._layout.insertWidget(0, line)
        self.setVisible(bool(self._lines))

    def messages(self) -> list[str]:
        """Return what is shown, from top to bottom."""
        lines = sorted(self._lines.values(), key=self._layout.indexOf)
        return [line.notice.message for line in lines]


class _Line(QFrame):
    """One notice."""

    closed = Signal(str)
    action_asked = Signal(str)

    def __init__(self, notice: NoticeText, parent: QWidget) -> None:
        super().__init__(parent)
        self.notice = notice
        background, text = COLOURS.get(notice.level, COLOURS["info"])
        self.setObjectName("notice_line")
        self.setStyleSheet(
            f"#notice_line {{ background: {background}; }}"
            f"#notice_line QLabel {{ color: {text}; }}"
            f"#notice_line QToolButton, #notice_line QPushButton {{ color: {text}; background: transparent;"
            f" border: 1px solid {text}; border-radius: 3px; padding: 2px 8px; }}"
        )
        message = QLabel(notice.message if notice.count == 1 else f"{notice.message}  (×{notice.count})", self)
        message.setWordWrap(True)
        message.setTextFormat(Qt.TextFormat.PlainText)
        message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        message.setSizePolicy(policy)
        self.details_button = QPushButton("Details", self)
        self.details_button.setCheckable(True)
        self.details_button.setVisible(bool(notice.details))
        self.action_button = QPushButton(notice.action, self)
        self.action_button.setVisible(bool(notice.action))
        self.action_button.clicked.connect(lambda: self.action_asked.emit(self.notice.key))
        self.close_button = QToolButton(self)
        self.close_button.setText("×")
        self.close_button.setToolTip("Close this notice")
        self.close_button.setAccessibleName("Close this notice")
        self.details = _Details(notice.details, self)
        self.details.hide()
        top = QHBoxLayout()
        top.addWidget(message, 1)
        top.addWidget(self.action_button)
        top.addWidget(self.details_button)
        top.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 5, 8, 5)
        layout.addLayout(top)
        layout.addWidget(self.details)
        self.details_button.toggled.connect(self.details.setVisible)
        self.close_button.clicked.connect(self._close)

    def _close(self) -> None:
        self.closed.emit(self.notice.key)


class _Details(QWidget):
    """The traceback, to be read and copied."""

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._view = QPlainTextEdit(text, self)
        self._view.setReadOnly(True)
        self._view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._view.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._view.setFixedHeight(160)
        copy = QPushButton("Copy", self)
        copy.clicked.connect(self._copy)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self._view, 1)
        layout.addWidget(copy, 0, Qt.AlignmentFlag.AlignTop)

    def sizeHint(self) -> QSize:
        """Return a height that shows about ten lines."""
        return QSize(400, 168)

    def _copy(self) -> None:
        QApplication.clipboard().setText(self._view.toPlainText())
