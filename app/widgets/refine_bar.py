"""What a refinement of the canvas needs: how many passes, whether the probe moves too, and which canvas to look at."""

from typing import Literal

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QPushButton, QSpinBox, QVBoxLayout, QWidget

from app.widgets.choice_box import ChoiceBox

Shown = Literal["refined", "network", "difference"]
SHOWN: dict[Shown, str] = {
    "refined": "Refined",
    "network": "As the network drew it",
    "difference": "Refined − network",
}
DEFAULT_PASSES = 20
"""Enough to come near the iterative level on the scans tried; see the table in docs/guide.md."""


class RefineBar(QWidget):
    """A button, its two settings, and the choice of what is shown afterwards."""

    asked = Signal(int, bool)
    """Passes, and whether the probe is refined too."""
    shown_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton("Refi&ne", self)
        self.button.setAccessibleName("Refine the canvas")
        self.passes = QSpinBox(self)
        self.passes.setRange(1, 10_000)
        self.passes.setValue(DEFAULT_PASSES)
        self.passes.setSuffix(" passes")
        self.passes.setAccessibleName("Passes of the refinement")
        self.passes.setToolTip("How often the refinement goes over all patterns of the scan")
        self.probe = QCheckBox("and pro&be", self)
        self.probe.setAccessibleName("Refine the probe too")
        self.probe.setToolTip(
            "Refine the probe with the object, at constant total light: for a probe known only roughly"
        )
        self.shown = ChoiceBox("Which canvas is shown", SHOWN, parent=self)
        self.shown.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.shown.setMinimumContentsLength(5)
        bar = QHBoxLayout()
        bar.addWidget(self.button)
        bar.addWidget(self.passes)
        bar.addWidget(self.probe)
        bar.addStretch(1)
        # On a line of its own, once there is something to choose: beside the others it made the window too wide.
        rows = QVBoxLayout(self)
        rows.setContentsMargins(4, 0, 4, 2)
        rows.setSpacing(2)
        rows.addLayout(bar)
        rows.addWidget(self.shown)
        self.button.clicked.connect(self._ask)
        self.shown.currentIndexChanged.connect(self._tell)
        self.allow("There is no canvas yet", refined=False)

    def allow(self, hindrance: str, *, refined: bool) -> None:
        """Allow to refine where nothing hinders it, and to compare where there is a refinement."""
        self.button.setEnabled(not hindrance)
        self.button.setToolTip(
            f"Cannot refine now: {hindrance}"
            if hindrance
            else "Bring the canvas in line with the measured patterns. Network and refined canvas are both kept."
        )
        self.shown.setVisible(refined)
        if not refined and self.shown.choice != "refined":
            self.shown.choose("refined")

    def _ask(self) -> None:
        self.asked.emit(self.passes.value(), self.probe.isChecked())

    def _tell(self, _index: int) -> None:
        self.shown_changed.emit()
