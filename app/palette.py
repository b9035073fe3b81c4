"""The command palette: every action and panel by a few letters of its name."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence, QPalette, QResizeEvent
from PySide6.QtWidgets import QDialog, QLabel, QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from app.display.fuzzy import fuzzy_score

COMMAND = Qt.ItemDataRole.UserRole
MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the palette."""

    name: str
    help: str
    action: QAction
    reason: str = ""
    """Why it cannot be taken now, empty if it can."""


class Palette(QDialog):
    """Letters narrow the list, Up and Down move in it, Enter does what is marked."""

    def __init__(self, commands: Sequence[Command], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Commands")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(620, 420)
        self._commands = tuple(commands)
        self._chosen: QAction | None = None
        self.search = QLineEdit(self)
        self.search.setAccessibleName("Search commands")
        self.search.setPlaceholderText("Type a few letters of what you want to do")
        self.list = QTreeWidget(self)
        self.list.setAccessibleName("Commands")
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.words = QLabel(self)
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setMinimumHeight(2 * self.words.fontMetrics().lineSpacing())
        layout = QVBoxLayout(self)
        for widget in (self.search, self.list, self.words):
            layout.addWidget(widget)
        self.search.textChanged.connect(self._narrow)
        self.search.installEventFilter(self)
        self.list.currentItemChanged.connect(self._tell)
        self.list.itemClicked.connect(self._take)
        self._narrow("")

    def shown(self) -> list[str]:
        """Return the names that are listed, the best first."""
        items = (self.list.topLevelItem(row) for row in range(self.list.topLevelItemCount()))
        return [item.text(0) for item in items if item is not None]

    def _narrow(self, text: str) -> None:
        ranked = [(fuzzy_score(text, command.name), command) for command in self._commands]
        found = [(score, command) for score, command in ranked if score is not None]
        if text:
            found.sort(key=lambda entry: -entry[0])
        self.list.clear()
        disabled = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
        for _, command in found:
            keys = command.action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            item = QTreeWidgetItem(self.list, [command.name, keys])
            item.setData(0, COMMAND, command)
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
            item.setToolTip(0, command.reason or command.help)
            if command.reason:
                item.setForeground(0, disabled)
                item.setForeground(1, disabled)
        self.list.setColumnWidth(0, max(200, self.list.viewport().width() - 150))
        first = self.list.topLevelItem(0)
        if first is not None:
            self.list.setCurrentItem(first)
        self._tell()

    def _current(self) -> Command | None:
        item = self.list.currentItem()
        command = item.data(0, COMMAND) if item is not None else None
        return command if isinstance(command, Command) else None

    def _tell(self, *_: object) -> None:
        command = self._current()
        if command is None:
            self.words.setText("Nothing is called so.")
        else:
            self.words.setText(f"{command.help}\nNot now: {command.reason}" if command.reason else command.help)

    def _take(self, *_: object) -> None:
        command = self._current()
        if command is not None and not command.reason:
            self._chosen = command.action
            self.accept()

    def done(self, result: int) -> None:
        """Close, then do what was chosen: it may open a dialog of its own."""
        super().done(result)
        if self._chosen is not None:
            self._chosen.trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # Qt's name
        """Let the keys of the list work while letters are typed."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            if event.key() in MOVES:
                self.list.keyPressEvent(event)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._take()
                return True
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # Qt's name
        """Give the names what the keys leave."""
        super().resizeEvent(event)
        self.list.setColumnWidth(0, max(200, self.list.viewport().width() - 150))
