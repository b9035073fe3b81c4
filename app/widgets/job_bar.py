"""The status bar's contents: device, what lies under the pointer, the running job with its time left and Cancel."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from app.widgets.elided_label import ElidedLabel
from app.widgets.still_bar import StillBar

WORDS = {"pausing": "Pausing…", "cancelling": "Stopping…"}
ALARM, WARNING = "#d9534f", "#c98a1b"


class JobBar(QWidget):
    """One line at the foot of the window."""

    cancel_asked = Signal()
    pause_asked = Signal()
    """Let the job wait, or go on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device = QLabel(self)
        self.device.setTextFormat(Qt.TextFormat.PlainText)
        self.readout = ElidedLabel(parent=self)
        self.readout.setAccessibleName("Value under the pointer")
        self._value = ""
        self._tip = ""
        self.findings = QToolButton(self)
        self.findings.setAutoRaise(True)
        self.findings.setAccessibleName("Findings")
        self.findings.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.title = QLabel(self)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setMaximumWidth(340)
        self.progress = StillBar("Progress of the job", 160, self)
        self.left = QLabel(self)
        self.left.setMinimumWidth(self.left.fontMetrics().horizontalAdvance("0:00:00 left"))
        self.pause = QPushButton("Pause", self)
        self.pause.setMinimumWidth(self.pause.sizeHint().width() + 8)
        self.pause.clicked.connect(self.pause_asked)
        self.cancel = QPushButton("Cancel", self)
        self.cancel.setToolTip("Stop the running job (Ctrl+.)")
        self.cancel.clicked.connect(self.cancel_asked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 1, 6, 1)
        layout.setSpacing(10)
        layout.addWidget(self.device)
        layout.addWidget(self.findings)
        layout.addWidget(self.readout, 1)
        for widget in (self.title, self.progress, self.left, self.pause, self.cancel):
            layout.addWidget(widget)
        # As high without the button as with it: the window above must not jump when a job begins.
        self.setMinimumHeight(layout.sizeHint().height())
        self.show_idle("")
        self.show_findings(0, 0, 0)

    def show_findings(self, errors: int, warnings: int, remarks: int) -> None:
        """Show how many diagnoses are open, the worse ones by their number; nothing where there is none."""
        serious = errors + warnings
        words = f"{serious} diagnos{'is' if serious == 1 else 'es'}" if serious else f"{remarks} remarks"
        self.findings.setText("1 remark" if words == "1 remarks" else words)
        self.findings.setToolTip(f"{errors} errors, {warnings} warnings, {remarks} remarks: show the diagnoses (Alt+0)")
        self.findings.setStyleSheet(f"color: {ALARM if errors else WARNING}; font-weight: bold" if serious else "")
        self.findings.setVisible(bool(serious or remarks))

    def show_value(self, text: str) -> None:
        """Show the value under the pointer."""
        self._value = text
        self._show_words()

    def show_tip(self, text: str) -> None:
        """Show what the action under the pointer does, in place of the value; empty takes it away."""
        self._tip = text
        self._show_words()

    def _show_words(self) -> None:
        self.readout.setText(self._tip or self._value)

    def show_idle(self, text: str) -> None:
        """Show that nothing runs, and in ``text`` how the last job ended."""
        self.title.setText(self._elided(text))
        self.title.setToolTip(text)
        for widget in (self.progress, self.left, self.pause, self.cancel):
            widget.hide()

    def show_job(self, title: str, n_done: int, n_total: int, left: str, state: str, *, can_pause: bool = True) -> None:
        """Show a running job.

        Parameters
        ----------
        title
            What it does.
        n_done, n_total
            How far it is; a total of 0 is not known yet.
        left
            Time left, in words.
        state
            Of a job that is busy: ``"running"``, ``"pausing"``, ``"paused"``, ``"cancelling"``.
        can_pause
            Whether it can be asked to wait.
        """
        self.title.setText(self._elided(f"Paused: {title}" if state == "paused" else WORDS.get(state, title)))
        self.title.setToolTip(title)
        # The bar's whole numbers are thousandths: totals may exceed what it can count.
        self.progress.setRange(0, 1000 if n_total > 0 else 0)
        self.progress.setValue(min(1000, 1000 * n_done // n_total) if n_total > 0 else 0)
        self.progress.setFormat(f"{100 * n_done / n_total:.0f} %" if n_total > 0 else "")
        self.left.setText(left)
        stopping, held = state == "cancelling", state in ("pausing", "paused")
        self.cancel.setEnabled(not stopping)
        self.pause.setText("Go on" if held else "Pause")
        self.pause.setToolTip("Go on with the job (Ctrl+P)" if held else "Let the job wait between two steps (Ctrl+P)")
        self.pause.setEnabled(not stopping)
        for widget in (self.progress, self.left, self.cancel):
            widget.show()
        self.pause.setVisible(can_pause)

    def _elided(self, text: str) -> str:
        return self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, self.title.maximumWidth() - 8)
