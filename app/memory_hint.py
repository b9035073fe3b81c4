"""The line below the settings of a training that tells how much memory it would take."""

import sys
from functools import partial

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from app.jobs.job_runner import JobRunner, Task
from app.jobs.job_thread import JobEnd
from app.jobs.memory_reader import MemoryAnswer, read_memory_need
from app.panels.training import TrainingPanel
from app.state.app_state import JobState
from app.state.session import Session
from ptycho_engine.errors import ConfigError

REST_MS = 400
"""How long the settings must have rested before it is asked."""


class MemoryHint(QObject):
    """Asks what a training would take when its settings or the scan change.

    To ask loads torch. A window in which only scans are looked at does without: it is asked once a person changes a
    setting, or torch is there already.

    Parameters
    ----------
    session
        Which scans and which bundle are open.
    panel
        Holds the settings, and shows the answer.
    runner
        Asks beside what computes.
    parent
        Owner.
    """

    def __init__(
        self, session: Session, panel: TrainingPanel, runner: JobRunner, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._panel = panel
        self._runner = runner
        self._edited = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.timeout.connect(self.ask)
        panel.form.changed.connect(self._note_edit)
        session.documents_changed.connect(self._timer.start)
        session.job_changed.connect(self._when_idle)

    def ask(self) -> None:
        """Ask now, where there is a scan and the settings fit their fields."""
        state = self._session.state
        if state.dataset is None or state.busy or not (self._edited or "torch" in sys.modules):
            self._panel.show_memory("", fits=True)
            return
        try:
            request = self._panel.request()
        except ConfigError:
            self._panel.show_memory("", fits=True)
            return
        told: list[MemoryAnswer] = []

        def show(_: JobEnd) -> None:
            answer = told[0] if told else MemoryAnswer("", fits=True)
            self._panel.show_memory(answer.text, fits=answer.fits)

        datasets = [state.dataset, *(state.datasets[key] for key in request.further_dataset_ids)]
        bundle = state.bundle if request.start_from_current else None
        verb = partial(read_memory_need, datasets, request.config, bundle, told)
        job = JobState(self._runner.new_id("memory"), "memory", "Estimating the memory")
        self._runner.start(Task(job, verb, "memory", when_ended=show))

    def stop(self) -> None:
        """Ask no more."""
        self._timer.stop()

    def _note_edit(self) -> None:
        focus = QApplication.focusWidget()
        # Settings that are filled in at the start are no person's doing.
        self._edited = self._edited or (focus is not None and self._panel.form.isAncestorOf(focus))
        self._timer.start()

    def _when_idle(self) -> None:
        if not self._session.state.busy:
            self._timer.start()
