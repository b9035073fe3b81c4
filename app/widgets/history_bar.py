"""A slider through what was shown earlier, and a button back to what is shown now."""

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QWidget


class HistoryBar(QWidget):
    """Hidden while there is nothing to go back to."""

    chosen = Signal(int)
    """The place in the history that the person went to."""
    live_asked = Signal()
    """Follow the newest again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setAccessibleName("Earlier previews")
        self.slider.setToolTip("Go back through the previews that were kept: drag, or Left and Right")
        self.slider.setPageStep(5)
        self.place = QLabel(self)
        self.place.setAccessibleName("Place in the history")
        self.live = QPushButton("&Live", self)
        self.live.setToolTip("Follow the newest patches again")
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 0, 4, 2)
        row.addWidget(QLabel("History", self))
        row.addWidget(self.slider, 1)
        row.addWidget(self.place)
        row.addWidget(self.live)
        self.slider.valueChanged.connect(self.chosen)
        self.live.clicked.connect(self.live_asked)
        self.show_history((), None, can_follow=False)

    def show_history(self, steps: Sequence[int], place: int | None, *, can_follow: bool) -> None:
        """Show where in the history the picture is.

        Parameters
        ----------
        steps
            The step of each preview, oldest first.
        place
            Which of them is shown; ``None`` follows the newest.
        can_follow
            Whether the button leads somewhere else.
        """
        last = max(0, len(steps) - 1)
        at = last if place is None else min(place, last)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, last)
            self.slider.setValue(at)
        self.place.setText(f"step {steps[at]} of {steps[last]} · {at + 1}/{len(steps)}" if steps else "")
        self.place.setMinimumWidth(max(self.place.minimumWidth(), self.place.sizeHint().width()))
        self.live.setEnabled(can_follow)
        self.setVisible(len(steps) > 1 or can_follow)
