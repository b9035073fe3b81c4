"""The window: panels around a middle with tabs, actions, notices, status bar. It knows no job and no controller."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent, QStatusTipEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app import dialogs
from app.actions import ACTIONS, INFERENCES, Actions
from app.arrangement import AREAS, Arrangement
from app.display.exports import with_suffix
from app.display.wording import duration
from app.front import Front
from app.layouts import LAYOUTS
from app.menus import Menus
from app.panel_shelf import PanelPlace, PanelShelf
from app.panels.panel import Panel, PanelSpec
from app.panels.turns import Turns
from app.settings import SettingsStore
from app.state.app_state import AppState, JobState, has_documents
from app.state.examinations import listed
from app.state.session import Session
from app.widgets.job_bar import JobBar
from app.widgets.notice_bar import NoticeBar, NoticeText
from app.widgets.welcome import Welcome

BUNDLE_FILTER = "PtychoPINN bundles (*.zip)"


class MainWindow(QMainWindow):
    """Shows the session through its panels, and tells what the person asks for."""

    open_asked = Signal(object)
    """A list of paths."""
    train_asked = Signal()
    """Train as it is filled in."""
    infer_asked = Signal(object)
    """``InferConfig``."""
    resume_asked = Signal(object)
    stop_asked = Signal()
    save_bundle_asked = Signal(object)
    """``Path``."""
    export_canvas_asked = Signal(object)
    """``Path``."""
    simulate_asked = Signal(object)
    """``Path`` of the scan to be made."""
    close_asked = Signal(str)
    notice_closed = Signal(str)
    theme_asked = Signal(str)
    leave_asked = Signal()
    """Everything should stop, the window is to close."""

    def __init__(self, session: Session, settings: SettingsStore, panels: Sequence[PanelSpec]) -> None:
        super().__init__()
        self.session = session
        self.settings = settings
        self.specs = tuple(panels)
        self._turns = Turns(self)
        self.panels = PanelShelf(self)
        self.panels.built.connect(self._panel_built)
        self.docks: dict[str, QDockWidget] = {}
        self._leaving = False
        self._question: QMessageBox | None = None
        self.setWindowTitle("Ptychoscope")
        self.setObjectName("main_window")
        self.setAcceptDrops(True)
        self.setDockOptions(
            QMainWindow.DockOption.AnimatedDocks
            | QMainWindow.DockOption.AllowNestedDocks
            | QMainWindow.DockOption.AllowTabbedDocks
        )
        self.actions_by_id = Actions(self)
        self._build_middle()
        self._build_panels()
        self.arrangement = Arrangement(self, self.tabs, self.specs, self.panels, self.docks, settings)
        self.menus = Menus(self, self.actions_by_id, self.docks, self.specs)
        self._connect_actions()
        self.job_bar = JobBar(self)
        self.job_bar.cancel_asked.connect(self.stop_asked)
        self.job_bar.findings.clicked.connect(self._show_diagnoses)
        self.statusBar().addWidget(self.job_bar, 1)
        self.statusBar().setSizeGripEnabled(True)
        session.settled.connect(self._show_state)
        self.arrangement.restore()
        self._tick_layout()
        self.front = Front(session, self._front_panel, self._bring_forward, self)
        self._show_state()

    def _build_middle(self) -> None:
        self.notice_bar = NoticeBar(self)
        self.notice_bar.closed.connect(self.notice_closed)
        self.welcome = Welcome(self)
        self.welcome.open_asked.connect(self._ask_for_files)
        self.welcome.simulate_asked.connect(self._ask_where_to_simulate)
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.tabs.setMovable(True)
        self.middle = QStackedWidget(self)
        self.middle.addWidget(self.welcome)
        self.middle.addWidget(self.tabs)
        central = QWidget(self)
        layout = QVBoxLayout(central)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.notice_bar)
        layout.addWidget(self.middle, 1)
        self.setCentralWidget(central)

    def _build_panels(self) -> None:
        for spec in self.specs:
            if spec.area == "center":
                place = PanelPlace(spec, self.session, self.tabs)
                self.tabs.setTabToolTip(self.tabs.addTab(place, spec.title), f"{spec.help} ({spec.shortcut})")
                self.panels.put(place)
            else:
                dock = QDockWidget(spec.title, self)
                dock.setObjectName(f"dock_{spec.panel_id}")
                panel = spec.factory(self.session, dock)
                dock.setWidget(panel)
                self.addDockWidget(AREAS[spec.area], dock)
                self.docks[spec.panel_id] = dock
                self.panels.put(panel)
        # The docks at the sides reach down to the status bar only where nothing lies below the middle.
        self.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)

    def _panel_built(self, panel: Panel) -> None:
        panel.readout_changed.connect(self._show_readout)
        panel.take_turns(self._turns)

    def _connect_actions(self) -> None:
        handlers = {
            "open": self._ask_for_files,
            "open_folder": self._ask_for_folder,
            "save_bundle": self._ask_where_to_save,
            "export_canvas": self._ask_where_to_export,
            "close_dataset": self._close_dataset,
            "quit": self.close,
            "train": self._train,
            "resume": self._resume,
            **dict.fromkeys(INFERENCES, self._infer),
            "stop": self.stop_asked.emit,
            "simulate": self._ask_where_to_simulate,
            "reset_layout": self.arrangement.reset,
            "full_screen": self._toggle_full_screen,
            "shortcuts": self.show_shortcuts,
            "about": self._show_about,
        }
        for name, handler in handlers.items():
            self.actions_by_id[name].triggered.connect(handler)
        for name in LAYOUTS:
            self.actions_by_id[f"layout_{name}"].triggered.connect(self._layout_chosen)
        self.menus.recent_chosen.connect(self._open_recent)
        self.menus.panel_chosen.connect(self.show_panel)
        self.menus.theme_chosen.connect(self.theme_asked)

    # What is shown

    def _show_state(self) -> None:
        state = self.session.state
        self.actions_by_id.update(state)
        empty = not (has_documents(state) or state.busy)
        self.middle.setCurrentWidget(self.welcome if empty else self.tabs)
        self.notice_bar.show_notices(
            [NoticeText(n.key, n.level, n.message, n.details, n.count, n.action) for n in state.notices]
        )
        self._show_job(state)
        self._count_diagnoses(state)
        name = state.dataset.name if state.dataset is not None else ""
        self.setWindowTitle(f"{name} – Ptychoscope" if name else "Ptychoscope")

    def _show_job(self, state: AppState) -> None:
        running = [job for job in (state.stoppable, state.file_job) if job is not None and job.busy]
        if running:
            job = running[0]
            left = f"{duration(job.seconds_left)} left" if job.seconds_left is not None and not job.held else ""
            self.job_bar.show_job(job.does, job.n_done, job.n_total, left, job.state, can_pause=job is state.job)
        else:
            self.job_bar.show_idle(state.log[-1].text if state.log else "")

    def _count_diagnoses(self, state: AppState) -> None:
        found = [row.finding.severity for row in listed(state)]
        self.job_bar.show_findings(*(found.count(severity) for severity in ("error", "warning", "info")))

    def _show_diagnoses(self) -> None:
        if "diagnoses" in self.panels:
            self.show_panel("diagnoses")

    def _show_readout(self, text: str) -> None:
        self.job_bar.show_value(text)

    def show_panel(self, panel_id: str) -> None:
        """Bring a panel to the front and give it the keyboard."""
        panel = self.panels[panel_id]
        dock = self.docks.get(panel_id)
        if dock is not None:
            dock.show()
            dock.raise_()
        else:
            self.middle.setCurrentWidget(self.tabs)
            self._bring_forward(panel_id)
        focus = self.focusWidget()
        if focus is None or not panel.isAncestorOf(focus):
            panel.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def bring_forward(self, panel_id: str) -> None:
        """Bring a panel to the front and leave the keyboard where it is."""
        dock = self.docks.get(panel_id)
        if dock is not None:
            dock.show()
            dock.raise_()
        elif panel_id in self.panels:
            self.middle.setCurrentWidget(self.tabs)
            self._bring_forward(panel_id)

    def _front_panel(self) -> str:
        front = self.tabs.currentWidget()
        return front.panel_id if isinstance(front, PanelPlace) else ""

    def _bring_forward(self, panel_id: str) -> None:
        self.tabs.setCurrentWidget(self.panels.tab(panel_id))

    # Files

    def _ask_for_files(self) -> None:
        dialogs.ask_for_files(self, self.settings.settings.last_folder, self.open_asked.emit)

    def _ask_for_folder(self) -> None:
        dialogs.ask_for_folder(self, self.settings.settings.last_folder, self.open_asked.emit)

    def _open_recent(self, path: str) -> None:
        self.open_asked.emit([path])

    def _ask_where_to_save(self) -> None:
        bundle = self.session.state.bundle
        folder = Path(self.settings.settings.last_folder or Path.home())
        name = f"{bundle.name.removesuffix('.h5.zip')}.h5.zip" if bundle is not None else "wts.h5.zip"
        dialogs.ask_where_to_save(self, "Save bundle as", folder / name, BUNDLE_FILTER, self._save_chosen)

    def _save_chosen(self, path: str) -> None:
        self.save_bundle_asked.emit(with_suffix(path, ".h5.zip"))

    def _ask_where_to_export(self) -> None:
        proposal = Path(self.settings.settings.last_folder or Path.home()) / "reconstruction.npz"
        dialogs.ask_where_to_save(self, "Export canvas", proposal, dialogs.CANVAS_FILTER, self._export_chosen)

    def _export_chosen(self, path: str) -> None:
        self.export_canvas_asked.emit(with_suffix(path, ".npz"))

    def _ask_where_to_simulate(self) -> None:
        proposal = Path(self.settings.settings.last_folder or Path.home()) / "demo_scan.npz"
        dialogs.ask_where_to_save(self, "Simulate a demo scan", proposal, "Scans (*.npz)", self._simulate_chosen)

    def _simulate_chosen(self, path: str) -> None:
        self.simulate_asked.emit(with_suffix(path, ".npz"))

    def _close_dataset(self) -> None:
        if self.session.state.dataset_id is not None:
            self.close_asked.emit(self.session.state.dataset_id)

    def _train(self) -> None:
        # What is filled in should be seen by whoever starts it.
        if "training" in self.panels:
            self.show_panel("training")
        self.train_asked.emit()

    def _infer(self) -> None:
        sender = self.sender()
        self.infer_asked.emit(INFERENCES[sender.objectName() if sender is not None else "infer"])

    def _resume(self) -> None:
        self.resume_asked.emit(None)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            _accept_copy(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the files that were dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            _accept_copy(event)
            self.open_asked.emit(paths)

    # Help

    def show_shortcuts(self) -> None:
        """List what can be done by which keys."""
        rows = [(spec.shortcut, spec.text.replace("&", ""), spec.help) for spec in ACTIONS]
        rows += [(spec.shortcut, f"Panel {spec.title}", spec.help) for spec in self.specs]
        dialogs.show_shortcuts(self, rows)

    def _show_about(self) -> None:
        dialogs.show_about(self)

    # Layouts

    def _layout_chosen(self) -> None:
        sender = self.sender()
        if isinstance(sender, QAction):
            self.use_layout(sender.objectName().removeprefix("layout_"))

    def use_layout(self, name: str) -> None:
        """Arrange the panels in another way, as it was left last time."""
        self.arrangement.use(name)
        self._tick_layout()

    def _tick_layout(self) -> None:
        for other in LAYOUTS:
            self.actions_by_id[f"layout_{other}"].setChecked(other == self.arrangement.layout_id)

    def _toggle_full_screen(self, full: bool) -> None:
        (self.showFullScreen if full else self.showNormal)()

    def event(self, event: QEvent) -> bool:  # Qt's name
        """Show status tips beside the running job: Qt's own way would hide its progress and Cancel."""
        if isinstance(event, QStatusTipEvent):
            self.job_bar.show_tip(event.tip())
            return True
        return super().event(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Size the docks when the window has its size."""
        super().showEvent(event)
        self.arrangement.shown()

    def changeEvent(self, event: QEvent) -> None:
        """Draw the icons in the colours of a changed palette."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "actions_by_id"):
            self.actions_by_id.redraw_icons()

    # The end

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close at once if nothing runs, else ask what becomes of the job."""
        state = self.session.state
        if not _any_busy(state):
            if not self._leaving:
                self._leaving = True
                self.leave_asked.emit()
            self.arrangement.remember()
            super().closeEvent(event)
            return
        event.ignore()
        if state.job is not None and state.job.busy and not self._leaving:
            self._ask_before_closing(state.job)
        else:
            self.leave()

    def _ask_before_closing(self, job: JobState) -> None:
        if self._question is not None:
            self._question.raise_()
            return
        save = self.save_and_leave if job.verb == "train" else None
        self._question = dialogs.ask_before_closing(self, job.title, save, self.leave)
        self._question.finished.connect(self._answered)

    def _answered(self) -> None:
        self._question = None

    def save_and_leave(self) -> None:
        """Leave, and come back to the running training at the next start."""
        folder = self.session.state.running_training
        if folder is not None:
            self.settings.change(resume_run=str(folder))
        self.leave()

    def leave(self) -> None:
        """Stop what runs and close the window when it has ended."""
        self._leaving = True
        self.leave_asked.emit()
        if not _any_busy(self.session.state):
            self.close()

    def finish_leaving(self) -> None:
        """Close the window if it only waited for the jobs to end."""
        if self._leaving:
            self.close()


def _accept_copy(event: QDropEvent) -> None:
    """Take files as copies: after a move, the file manager would delete them."""
    event.setDropAction(Qt.DropAction.CopyAction)
    event.accept()


def _any_busy(state: AppState) -> bool:
    return state.busy or (state.file_job is not None and state.file_job.busy)
