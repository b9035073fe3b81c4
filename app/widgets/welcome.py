"""What the middle of the window says before anything is open."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

HINT = "Drop a scan (.npz) or a bundle (wts.h5.zip) here,\nor press Ctrl+O"
STEPS = (
    "1  Open a scan: look at its patterns and positions.\n"
    "2  Train a network on it and watch the patches, or open a bundle.\n"
    "3  Infer: the stitched object appears on the canvas."
)


class Welcome(QFrame):
    """Says what to do first."""

    open_asked = Signal()
    simulate_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("welcome")
        heading = QLabel(HINT, self)
        font = heading.font()
        font.setPointSizeF(font.pointSizeF() * 1.5)
        heading.setFont(font)
        steps = QLabel(STEPS, self)
        open_button = QPushButton("Open…", self)
        demo_button = QPushButton("Simulate a demo scan…", self)
        open_button.clicked.connect(self.open_asked)
        demo_button.clicked.connect(self.simulate_asked)
        layout = QVBoxLayout(self)
        layout.addStretch(2)
        for widget in (heading, steps, open_button, demo_button):
            layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
            layout.addSpacing(12)
        heading.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)
