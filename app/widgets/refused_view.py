"""A file that was refused: why, and what its pickles name and would have run."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.widgets.elided_label import ElidedLabel
from app.widgets.safety_view import SafetyView
from ptycho_engine.bundles.safety import SafetyReport


class RefusedView(QWidget):
    """Shows the reason in words above the safety report."""

    closed = Signal()
    """It was read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = ElidedLabel(parent=self)
        font = self.heading.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.2)
        self.heading.setFont(font)
        self.close_button = QPushButton("C&lose", self)
        self.close_button.setToolTip("Show the current bundle again; the file stays as it is")
        self.reason = QLabel(self)
        self.reason.setTextFormat(Qt.TextFormat.PlainText)
        self.reason.setWordWrap(True)
        self.reason.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.reason.setAccessibleName("Why the file was refused")
        self.safety = SafetyView(self)
        top = QHBoxLayout()
        top.addWidget(self.heading, 1)
        top.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 0)
        layout.addLayout(top)
        layout.addWidget(self.reason)
        layout.addWidget(self.safety, 1)
        layout.addStretch(0)
        self.close_button.clicked.connect(self.closed)

    def show_refused(self, name: str, reason: str, report: SafetyReport | None) -> None:
        """Show a file by its name; without a report, or with one of nothing, the reason alone."""
        self.heading.setText(f"{name} was not opened")
        self.reason.setText(reason)
        self.safety.setVisible(report is not None)
        self.safety.show_report(report)
