"""An inference with settings of one's own: what is stitched and how, VarPro, refinement, the device."""

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QFrame,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.actions import why_not_infer
from app.state.session import Session
from app.widgets.config_form import ConfigForm
from app.widgets.elided_label import ElidedLabel
from ptycho_engine.config import InferConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.inference_settings import with_meaning, without_meaning

HIDDEN = ("log_patch_stats", "patch_stats_limit")
"""Nothing is written from the window, and the Statistics panel shows all of them."""
LABELS = {
    "neighbor_count": "Neighbours",
    "varpro": "VarPro",
    "refine": "Refine",
    "preview_interval_s": "Preview every",
    "preview_count": "Preview",
    "accelerator": "Device",
}


class InferDialog(QDialog):
    """The settings of an inference of the current scan with the current bundle; it stays until it is closed.

    What means nothing for the network, or beside another setting, is greyed and says why.

    Parameters
    ----------
    session
        What is open.
    parent
        The window.
    """

    infer_asked = Signal(object)
    """``InferConfig``: infer so."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setWindowTitle("Infer with settings – Ptychoscope")
        self.scan = ElidedLabel(parent=self)
        self.bundle = ElidedLabel(parent=self)
        self.form = ConfigForm(InferConfig, hidden=HIDDEN, labels=LABELS, parent=self)
        self.form.fold.setChecked(True)
        self.infer_button = QPushButton("&Infer", self)
        self.usual_button = QPushButton("&As usual", self)
        self.usual_button.setToolTip("Fill in what Infer (Ctrl+I) takes")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.infer_button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton(self.usual_button, QDialogButtonBox.ButtonRole.ResetRole)
        self.infer_button.setDefault(True)
        self._lay_out(buttons)
        self.infer_button.clicked.connect(self._ask)
        self.usual_button.clicked.connect(self.fill_in_usual)
        buttons.rejected.connect(self.close)
        self.form.changed.connect(self._refresh)
        session.documents_changed.connect(self._refresh_if_seen)
        session.job_changed.connect(self._refresh_if_seen)
        self._refresh()

    def _lay_out(self, buttons: QDialogButtonBox) -> None:
        subject = QFormLayout()
        subject.addRow("Scan", self.scan)
        subject.addRow("Bundle", self.bundle)
        scroll = QScrollArea(self)
        scroll.setWidget(self.form)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.addLayout(subject)
        layout.addWidget(scroll, 1)
        layout.addWidget(buttons)
        self.resize(420, 640)

    def present(self) -> None:
        """Show it in front of the window."""
        self.show()
        self.raise_()
        self.activateWindow()

    def fill_in_usual(self) -> None:
        """Fill in the usual settings."""
        with QSignalBlocker(self.form):
            self.form.show_values(InferConfig().as_dict())
        self._refresh()

    def _ask(self) -> None:
        try:
            config = self.form.config()
        except ConfigError:
            return
        self.infer_asked.emit(with_meaning(config, self._session.state.bundle_as_read))

    def showEvent(self, event: QShowEvent) -> None:
        """Follow what happened while the dialog was hidden."""
        super().showEvent(event)
        self._refresh()

    def _refresh_if_seen(self) -> None:
        if self.isVisible():
            self._refresh()

    def _refresh(self) -> None:
        state = self._session.state
        bundle = state.bundle_as_read
        self.scan.setText(state.dataset.name if state.dataset is not None else "none open")
        self.bundle.setText(bundle.name if bundle is not None else "none open")
        reason = why_not_infer(state)
        try:
            reasons = without_meaning(self.form.config(), bundle)
        except ConfigError as error:
            reason = reason or str(error)
        else:
            for name in self.form.editors:
                self.form.allow(name, reasons.get(name, ""))
        self.infer_button.setEnabled(not reason)
        self.infer_button.setToolTip(reason or "Infer the current scan with the current bundle so")
