"""A list of what waits for its turn: its order can be changed, and each can be taken out."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

KEY = Qt.ItemDataRole.UserRole
ROWS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One line."""

    key: str
    text: str
    tool_tip: str


class QueueList(QWidget):
    """Hidden while nothing waits."""

    moved = Signal(str, int)
    """The key, and by how many places towards the end."""
    removed = Signal(str)
    automatic_changed = Signal(bool)
    next_asked = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.automatic = QCheckBox("Queue: start the next by itself", self)
        self.automatic.setToolTip("Start the first of the queue when the running job has ended, however it ended")
        self.list = QListWidget(self)
        self.list.setAccessibleName(name)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setFixedHeight(ROWS_SHOWN * self.list.fontMetrics().lineSpacing() + 20)
        self.up = _arrow(Qt.ArrowType.UpArrow, "Move up in the queue", "Ctrl+Up", self)
        self.down = _arrow(Qt.ArrowType.DownArrow, "Move down in the queue", "Ctrl+Down", self)
        self.remove = QPushButton("Remo&ve", self)
        self.remove.setToolTip("Take this training out of the queue (Del)")
        self.start = QPushButton("Start ne&xt", self)
        self.start.setToolTip("Start the first of the queue now")
        buttons = QHBoxLayout()
        for button in (self.up, self.down, self.remove, self.start):
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 0)
        layout.setSpacing(2)
        layout.addWidget(self.automatic)
        layout.addWidget(self.list)
        layout.addLayout(buttons)
        self.automatic.toggled.connect(self.automatic_changed)
        self.up.clicked.connect(lambda: self._move(-1))
        self.down.clicked.connect(lambda: self._move(1))
        self.remove.clicked.connect(self._remove)
        self.start.clicked.connect(self.next_asked)
        # Of the list alone, which has meanings of its own for these keys.
        for keys, act in (
            ("Del", self._remove),
            ("Ctrl+Up", lambda: self._move(-1)),
            ("Ctrl+Down", lambda: self._move(1)),
        ):
            shortcut = QShortcut(QKeySequence(keys), self.list)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(act)
        self.list.currentRowChanged.connect(self._allow)
        self._can_start = ""
        self.show_lines((), automatic=True, why_not_start="")

    @property
    def current(self) -> str:
        """The key of the line under the cursor, empty if there is none."""
        item = self.list.currentItem()
        return "" if item is None else str(item.data(KEY))

    def show_lines(self, lines: Sequence[QueueLine], *, automatic: bool, why_not_start: str) -> None:
        """Show these lines; the cursor stays on its own."""
        before, row = self.current, self.list.currentRow()
        self._can_start = why_not_start
        with QSignalBlocker(self.list), QSignalBlocker(self.automatic):
            self.list.clear()
            for line in lines:
                item = QListWidgetItem(line.text, self.list)
                item.setData(KEY, line.key)
                item.setToolTip(f"{line.text}\n{line.tool_tip}")
            keys = [line.key for line in lines]
            self.list.setCurrentRow(keys.index(before) if before in keys else min(max(row, 0), len(keys) - 1))
            self.automatic.setChecked(automatic)
        self.setVisible(bool(lines))
        self._allow()

    def _allow(self, *_: object) -> None:
        row, count = self.list.currentRow(), self.list.count()
        self.up.setEnabled(row > 0)
        self.down.setEnabled(0 <= row < count - 1)
        self.remove.setEnabled(row >= 0)
        self.start.setVisible(not self.automatic.isChecked())
        self.start.setEnabled(not self._can_start)

    def _move(self, places: int) -> None:
        if 0 <= self.list.currentRow() + places < self.list.count():
            self.moved.emit(self.current, places)

    def _remove(self) -> None:
        if self.current:
            self.removed.emit(self.current)


def _arrow(arrow: Qt.ArrowType, name: str, keys: str, parent: QWidget) -> QToolButton:
    button = QToolButton(parent)
    button.setArrowType(arrow)
    button.setAccessibleName(name)
    button.setToolTip(f"{name} ({keys})")
    return button
