"""The log: messages with level, time and source."""

import time

from PySide6.QtCore import Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QComboBox, QHBoxLayout, QLineEdit, QToolButton, QVBoxLayout, QWidget

from app.display.exports import Export, with_suffix
from app.panels.panel import Panel
from app.state.app_state import LogEntry
from app.state.session import Session
from app.widgets.image_menu import ask_for_path
from app.widgets.table import Cell, Table

COLOURS = {"warning": "#c98a1b", "error": "#d9534f"}
LEVELS = {
    "All": ("info", "warning", "error"),
    "Warnings": ("warning", "error"),
    "Errors": ("error",),
}


def row_of(entry: LogEntry) -> tuple[Cell, ...]:
    """Return one message as a row."""
    colour = QColor(COLOURS[entry.level]) if entry.level in COLOURS else None
    clock = time.strftime("%H:%M:%S", time.localtime(entry.time_s))
    return (
        Cell(clock, colour=colour),
        Cell(entry.level, colour=colour),
        Cell(entry.source, colour=colour),
        Cell(entry.text, colour=colour),
    )


class LogPanel(Panel):
    """Shows the newest messages, and follows them while the end is in sight."""

    title = "Log"
    panel_id = "log"
    help_text = "What happened, with level, time and source."

    export_asked = Signal(object)
    """``Export`` of the messages, to be written to a file."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.level = QComboBox(self)
        self.level.addItems(list(LEVELS))
        self.level.setAccessibleName("Level")
        self.filter = QLineEdit(self)
        self.filter.setPlaceholderText("Filter")
        self.filter.setAccessibleName("Filter of the messages")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMinimumWidth(90)
        self.copy_button = _small_button("Copy", self)
        self.copy_button.setToolTip("Copy the selected messages, or all that are shown")
        self.save_button = _small_button("Save…", self)
        self.save_button.setToolTip("Save all messages as text")
        self.table = Table("Messages", ("time", "level", "source", "message"), stretch=3, parent=self)
        self._shown: tuple[LogEntry, ...] = ()
        top = QHBoxLayout()
        top.addWidget(self.level)
        top.addWidget(self.filter, 1)
        top.addWidget(self.copy_button)
        top.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addLayout(top)
        layout.addWidget(self.table, 1)
        self.take_keys(self.level)
        self.level.currentIndexChanged.connect(self._show_all)
        self.filter.textChanged.connect(self.table.set_filter)
        self.copy_button.clicked.connect(self._copy)
        self.save_button.clicked.connect(lambda: ask_for_path(self, ".txt", self._save))
        self.watch(session.log_changed)

    def refresh(self) -> None:
        """Add what is new; begin anew only when more than the whole bounded log went by."""
        entries = self.session.state.log
        bar = self.table.verticalScrollBar()
        follow = bar.value() >= bar.maximum() - 2
        new = self._new_entries(entries)
        if new is None:
            self._show_all()
        else:
            self._shown = entries
            self.table.content.add_rows([row_of(entry) for entry in new if self._passes(entry)])
            self.table.content.drop_first(self.table.content.rowCount() - len(entries))
        if follow:
            self.table.scrollToBottom()

    def _new_entries(self, entries: tuple[LogEntry, ...]) -> tuple[LogEntry, ...] | None:
        if not self._shown:
            return entries
        last = self._shown[-1]
        for back in range(1, len(entries) + 1):
            if entries[-back] is last:
                return entries[len(entries) - back + 1 :]
        return None

    def _passes(self, entry: LogEntry) -> bool:
        return entry.level in LEVELS[self.level.currentText()]

    def _show_all(self) -> None:
        self._shown = self.session.state.log
        self.table.content.set_rows([row_of(entry) for entry in self._shown if self._passes(entry)])
        self.table.scrollToBottom()

    def _copy(self) -> None:
        if self.table.selectionModel().hasSelection():
            self.table.copy()
            return
        QApplication.clipboard().setText("\n".join("\t".join(row) for row in self.table.shown_rows()))

    def _save(self, path: str) -> None:
        lines = [
            "\t".join(
                [
                    time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.time_s)),
                    entry.level,
                    entry.source,
                    entry.text,
                ]
            )
            for entry in self.session.state.log
        ]
        self.export_asked.emit(Export(with_suffix(path, ".txt"), ("\n".join(lines) + "\n").encode()))


def _small_button(text: str, parent: QWidget) -> QToolButton:
    button = QToolButton(parent)
    button.setText(text)
    return button


def _line(entry: LogEntry) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.time_s))
    return f"{moment}\t{entry.level}\t{entry.source}\t{entry.text}"
