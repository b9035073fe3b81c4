"""One line on how far all patterns are read, with what can be done about it."""

from typing import Literal

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from app.widgets.elided_label import ElidedLabel
from app.widgets.still_bar import StillBar

Action = Literal["read", "stop", "again"]
_ACTIONS: dict[Action, tuple[str, str]] = {
    "read": ("Re&ad all patterns", "Read every pattern of the scan; until then the figures are those of a sample"),
    "stop": ("S&top reading", "Stop reading; what was read stays"),
    "again": ("Try &again", "Read the patterns again"),
}


class ReadingBar(QWidget):
    """What was read, progress while it runs, and one button."""

    read_asked = Signal()
    """All patterns should be read."""
    again_asked = Signal()
    """What failed should be tried again."""
    stop_asked = Signal()
    """The reading should stop."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = ElidedLabel(parent=self)
        self.progress = StillBar("Patterns read", 70, self)
        self.button = QPushButton(self)
        self._action: Action | None = None
        self.button.clicked.connect(self._clicked)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 4, 2)
        row.addWidget(self.text, 1)
        row.addWidget(self.progress)
        row.addWidget(self.button)
        self.show_state("", None)

    @property
    def action(self) -> Action | None:
        """What the button does, ``None`` while there is none."""
        return self._action

    def show_state(self, text: str, action: Action | None, n_done: int = 0, n_total: int = 0) -> None:
        """Show how it stands.

        Parameters
        ----------
        text
            What was read, in words.
        action
            What the button offers.
        n_done, n_total
            Progress of what runs; no bar where the total is 0.
        """
        self.text.setText(text)
        self.progress.setVisible(n_total > 0)
        if n_total > 0:
            self.progress.setRange(0, n_total)
            self.progress.setValue(n_done)
        if action != self._action or not self.button.text():
            self._action = action
            label, tip = _ACTIONS[action or "read"]
            self.button.setText(label)
            self.button.setToolTip(tip)
        self.button.setVisible(action is not None)

    def _clicked(self) -> None:
        signals = {"read": self.read_asked, "stop": self.stop_asked, "again": self.again_asked}
        if self._action is not None:
            signals[self._action].emit()
