"""The form of a training, and its start, stop and resume."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.panels.panel import Panel
from app.state.app_state import AppState
from app.state.requests import TrainRequest
from app.state.session import Session
from app.widgets.config_form import ConfigForm
from app.widgets.elided_label import ElidedLabel
from app.widgets.icons import icon
from app.widgets.queue_list import QueueLine, QueueList
from app.widgets.several_choice import SeveralChoice
from ptycho_engine.config import TrainConfig
from ptycho_engine.errors import ConfigError

LABELS = {
    "n_filters_scale": "Filters ×",
    "neighbor_count": "Neighbours",
    "early_stop_patience": "Early stop",
    "log_patch_stats": "Log statistics",
    "patch_stats_limit": "Statistics limit",
    "preview_interval_s": "Preview every",
    "preview_count": "Preview",
    "checkpoint_every": "Checkpoint every",
    "log_every": "Loss every",
    "accelerator": "Device",
}
NO_TEST_SCAN = "none"


def why_not_start(state: AppState) -> str:
    """Return why no training can start, empty if one can."""
    if state.dataset is None:
        return "Open a scan first (Ctrl+O)."
    if state.busy:
        return "Another job is running."
    return ""


def why_not_queue(state: AppState) -> str:
    """Return why no training can be put into the queue, empty if one can."""
    return "" if state.dataset is not None else "Open a scan first (Ctrl+O)."


def why_not_resume(state: AppState) -> str:
    """Return why the current run cannot go on, empty if it can."""
    if state.busy:
        return "Another job is running."
    run = state.run
    if run is None or run.verb != "train":
        return "No training was stopped."
    if run.state not in ("stopped", "failed"):
        return "This training is complete."
    if state.run_id not in state.requests:
        return "The scan of this training is not open."
    return ""


class TrainingPanel(Panel):
    """Filled in once, it starts a training on the current scan."""

    title = "Training"
    panel_id = "training"
    help_text = "The settings of a training. Point at a field to read what it means."

    train_asked = Signal(object)
    """``TrainRequest``: train as filled in."""
    queue_asked = Signal(object)
    """``TrainRequest``: train as filled in when its turn comes."""
    queue_remove_asked = Signal(str)
    queue_move_asked = Signal(str, int)
    queue_automatic_asked = Signal(bool)
    queue_next_asked = Signal()
    resume_asked = Signal(object)
    """``None``: the current run should go on."""
    stop_asked = Signal()
    """The running job should stop."""
    pause_asked = Signal()
    """The running job should wait, or go on if it waits."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.scan = ElidedLabel(parent=self)
        self.test_scan = QComboBox(self)
        self.test_scan.setAccessibleName("Test scan")
        self.test_scan.setToolTip(
            "A second open scan to validate on after each epoch; with one, the best epoch is kept by its loss"
        )
        self.test_scan.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.further = SeveralChoice("Also train on", "scan", self)
        self.further.setToolTip(
            "More open scans to train on at once, each with its own probe, scales and photons;\n"
            "the groups asked for are drawn from each of them"
        )
        self.folder = QLineEdit(self)
        self.folder.setAccessibleName("Run folder")
        self.folder.setPlaceholderText("new, among the runs")
        self.folder.setToolTip(
            "Where the run is kept: bundle, checkpoints, losses\nEmpty: a new folder in ~/Ptychoscope/runs"
        )
        browse = QToolButton(self)
        browse.setText("…")
        browse.setAccessibleName("Choose the folder of the run")
        browse.setToolTip("Choose the folder of the run")
        browse.clicked.connect(self._browse)
        self.from_bundle = QCheckBox("Start from the current bundle", self)
        self.from_bundle.setToolTip("Go on from the weights of the current bundle instead of a fresh network")
        self.detached = QCheckBox("Keep running without this window", self)
        self.detached.setToolTip(
            "Train in a process of its own: it goes on when the window is closed, and the next one finds it again.\n"
            "Its losses and patches are shown here as those of any run that is watched.\n"
            "A crash of that process, or its end for want of memory, leaves the window as it is;\n"
            "the training goes on from its checkpoint."
        )
        # Made in the order in which they are seen: Tab follows it.
        self.form = ConfigForm(TrainConfig, labels=LABELS, parent=self)
        self.start_button = QPushButton(icon("train"), "Start training", self)
        self.queue_button = QPushButton("Add to queue", self)
        self.resume_button = QPushButton(icon("resume"), "Resume", self)
        self.pause_button = QPushButton(icon("pause"), "Pause", self)
        self.stop_button = QPushButton(icon("stop"), "Stop", self)
        self.queue = QueueList("Queue of trainings", self)
        self.reason = QLabel(self)
        self.reason.setWordWrap(True)
        self._lay_out(browse)
        self.take_keys(self.test_scan)
        self.start_button.clicked.connect(self.ask_to_train)
        self.queue_button.clicked.connect(self.ask_to_queue)
        self.queue.removed.connect(self.queue_remove_asked)
        self.queue.moved.connect(self.queue_move_asked)
        self.queue.automatic_changed.connect(self.queue_automatic_asked)
        self.queue.next_asked.connect(self.queue_next_asked)
        self.resume_button.clicked.connect(lambda: self.resume_asked.emit(None))
        self.pause_button.clicked.connect(self.pause_asked)
        self.stop_button.clicked.connect(self.stop_asked)
        self.form.changed.connect(self._update_buttons)
        self.watch(session.documents_changed)
        self.watch(session.job_changed)
        self.watch(session.queue_changed)

    def _lay_out(self, browse: QToolButton) -> None:
        scans = QFormLayout()
        scans.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        scans.addRow("Scan", self.scan)
        scans.addRow("Test scan", self.test_scan)
        scans.addRow("Also train on", self.further)
        folder = QHBoxLayout()
        folder.addWidget(self.folder, 1)
        folder.addWidget(browse)
        scans.addRow("Run folder", folder)
        inner = QWidget(self)
        fields = QVBoxLayout(inner)
        fields.setContentsMargins(8, 6, 8, 6)
        fields.addLayout(scans)
        fields.addWidget(self.from_bundle)
        fields.addWidget(self.detached)
        fields.addWidget(self.form, 1)
        scroll = QScrollArea(self)
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QVBoxLayout()
        buttons.setContentsMargins(8, 0, 8, 0)
        for row in (
            (self.start_button, self.queue_button),
            (self.resume_button, self.pause_button, self.stop_button),
        ):
            line = QHBoxLayout()
            for button in row:
                line.addWidget(button, 1)
            buttons.addLayout(line)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 6)
        layout.addWidget(scroll, 1)
        layout.addLayout(buttons)
        layout.addWidget(self.queue)
        layout.addWidget(self.reason)
        self.reason.setContentsMargins(8, 0, 8, 0)
        self.setMinimumWidth(max(inner.minimumSizeHint().width() + 24, buttons.minimumSize().width(), 250))

    def refresh(self) -> None:
        """Show which scans there are and what can be done."""
        state = self.session.state
        self.scan.setText(state.dataset.name if state.dataset is not None else "none open")
        self._list_test_scans(state)
        self.further.offer([(scan.name, key) for key, scan in state.datasets.items() if key != state.dataset_id])
        self.from_bundle.setEnabled(state.bundle is not None)
        if state.bundle is None:
            self.from_bundle.setChecked(False)
        self._update_buttons()
        lines = [QueueLine(run.id, run.title, run.details) for run in state.queue.runs]
        self.queue.show_lines(lines, automatic=state.queue.automatic, why_not_start="Busy." if state.busy else "")

    def changeEvent(self, event: QEvent) -> None:
        """Draw the icons in the colours of a changed palette."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "stop_button"):
            for button, name in (
                (self.start_button, "train"),
                (self.resume_button, "resume"),
                (self.pause_button, "pause"),
                (self.stop_button, "stop"),
            ):
                button.setIcon(icon(name))

    def show_config(self, values: dict[str, Any]) -> None:
        """Fill in the form."""
        self.form.show_values(values)

    def request(self) -> TrainRequest:
        """Return the training as filled in; ``ConfigError`` names the field that does not fit."""
        text = self.folder.text().strip()
        return TrainRequest(
            self.form.config(),
            dataset_id=self.session.state.dataset_id,
            test_dataset_id=self.test_scan.currentData(),
            run_folder=Path(text).expanduser().absolute() if text else None,
            start_from_current=self.from_bundle.isChecked(),
            further_dataset_ids=self.further.chosen,
            detached=self.detached.isChecked(),
        )

    def ask_to_train(self) -> None:
        """Ask for the training that is filled in, if it can be started."""
        request = self._whole_request()
        if request is not None and not why_not_start(self.session.state):
            self.train_asked.emit(request)

    def ask_to_queue(self) -> None:
        """Ask for the training that is filled in to be done when its turn comes."""
        request = self._whole_request()
        if request is not None and not why_not_queue(self.session.state):
            self.queue_asked.emit(request)

    def _whole_request(self) -> TrainRequest | None:
        try:
            return self.request()
        except ConfigError:
            return None

    def _list_test_scans(self, state: AppState) -> None:
        wanted: list[tuple[str, str | None]] = [(NO_TEST_SCAN, None)]
        wanted += [(scan.name, key) for key, scan in state.datasets.items() if key != state.dataset_id]
        shown = [(self.test_scan.itemText(row), self.test_scan.itemData(row)) for row in range(self.test_scan.count())]
        if shown == wanted:
            return
        chosen = self.test_scan.currentData()
        with QSignalBlocker(self.test_scan):
            self.test_scan.clear()
            for name, key in wanted:
                self.test_scan.addItem(name, key)
            self.test_scan.setCurrentIndex(max(0, self.test_scan.findData(chosen)))

    def _update_buttons(self) -> None:
        state = self.session.state
        try:
            self.form.config()
            start, queue = why_not_start(state), why_not_queue(state)
        except ConfigError as error:
            start = queue = str(error)
        resume = why_not_resume(state)
        stoppable = state.stoppable
        stopping = stoppable is not None and stoppable.state == "cancelling"
        _allow(self.start_button, start, "Train on the current scan (Ctrl+T)")
        _allow(self.queue_button, queue, "Train so when the running job and those before it have ended (Ctrl+Shift+A)")
        _allow(self.resume_button, resume, "Go on with the stopped training from its checkpoint")
        _allow(
            self.stop_button,
            "" if stoppable is not None and not stopping else "Nothing runs.",
            "Stop; the checkpoint stays",
        )
        self.stop_button.setText("Stopping…" if stopping else "Stop")
        held = state.job is not None and state.job.held
        computes = state.busy and not stopping
        _allow(self.pause_button, "" if computes else "Nothing computes.", "Let the job wait, or go on (Ctrl+P)")
        self.pause_button.setText("Go on" if held else "Pause")
        self.reason.setText(start if not state.busy else "")
        self.reason.setVisible(bool(self.reason.text()))

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Folder of the run", self.folder.text())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.folder.setText)
        dialog.open()


def _allow(button: QPushButton, reason: str, tool_tip: str) -> None:
    button.setEnabled(not reason)
    button.setToolTip(reason or tool_tip)
