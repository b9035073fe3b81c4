"""A button with a menu in which any number of named entries can be ticked."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolButton, QWidget


class SeveralChoice(QToolButton):
    """A drop-down of entries with ticks; the button says what is ticked.

    Parameters
    ----------
    name
        Accessible name.
    noun
        What the entries are, for the text of the button: "scan" gives "none", the entry's name, or "2 scans".
    """

    chosen_changed = Signal()
    """The ticks changed."""

    def __init__(self, name: str, noun: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._noun = noun
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.setAccessibleName(name)
        self.setMenu(self._menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._tell()

    @property
    def chosen(self) -> tuple[str, ...]:
        """The keys that are ticked, in their order."""
        return tuple(str(action.data()) for action in self._menu.actions() if action.isChecked())

    def offer(self, entries: Sequence[tuple[str, str]]) -> None:
        """Offer these ``(text, key)`` entries; ticks of keys that stay are kept."""
        before = [(action.text(), str(action.data())) for action in self._menu.actions()]
        if before == list(entries):
            return
        kept = set(self.chosen)
        self._menu.clear()
        for text, key in entries:
            action = QAction(text, self._menu, checkable=True)
            action.setData(key)
            action.setChecked(key in kept)
            action.toggled.connect(self._on_toggled)
            self._menu.addAction(action)
        self._tell()

    def choose(self, keys: Sequence[str]) -> None:
        """Tick these keys, as far as they are offered, and no others."""
        for action in self._menu.actions():
            action.setChecked(str(action.data()) in keys)

    def _on_toggled(self, _: bool) -> None:
        self._tell()
        self.chosen_changed.emit()

    def _tell(self) -> None:
        ticked = [action.text() for action in self._menu.actions() if action.isChecked()]
        self.setEnabled(bool(self._menu.actions()))
        if len(ticked) == 1:
            self.setText(ticked[0])
        else:
            self.setText(f"{len(ticked)} {self._noun}s" if ticked else "none")
