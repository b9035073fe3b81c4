"""Tells that a long job has ended to whoever is not looking at the window."""

import time
from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QSystemTrayIcon, QWidget

from app.display.wording import duration
from app.state.app_events import NoticeRaised
from app.state.app_state import JobState, Notice
from app.state.session import Session
from app.widgets.icons import icon

LONG_S = 60.0
"""A job is long from here on: whoever waits less stays in front of it."""
SHOWN_MS = 15_000
WORDS = {"completed": "has completed", "stopped": "was stopped", "failed": "has failed"}
NOTICE_KEY = "job_ended"


class JobEndNotice(QObject):
    """Watches the computing job.

    Parameters
    ----------
    session
        What runs.
    window
        Nothing is told while it is the one in use.
    notify
        Shows a title and a text on the desktop; by default in the tray, where there is one.
    clock
        Seconds from any origin.
    """

    def __init__(
        self,
        session: Session,
        window: QWidget,
        notify: Callable[[str, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(window)
        self._session = session
        self._window = window
        self._notify = notify if notify is not None else self._show_in_tray
        self._clock = clock
        self._job_id = ""
        self._began_s = 0.0
        self._tray: QSystemTrayIcon | None = None
        session.job_changed.connect(self._look)

    def _look(self) -> None:
        job = self._session.state.job
        if job is None:
            return
        if job.busy:
            if job.id != self._job_id:
                self._job_id, self._began_s = job.id, self._clock()
        elif job.id == self._job_id:
            self._job_id = ""
            self._tell(job, self._clock() - self._began_s)

    def _tell(self, job: JobState, seconds: float) -> None:
        if seconds < LONG_S or self._window.isActiveWindow():
            return
        text = f"{job.title} {WORDS.get(job.state, 'has ended')} after {duration(seconds)}."
        if job.state != "failed":
            # A failure raises a notice of its own, which says why.
            self._session.apply(NoticeRaised(Notice(NOTICE_KEY, "info", text)))
        self._notify("Ptychoscope", text)

    def _show_in_tray(self, title: str, text: str) -> None:
        if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
            return
        if self._tray is None:
            self._tray = QSystemTrayIcon(icon("canvas"), self)
            self._tray.messageClicked.connect(self._come_forward)
            self._tray.activated.connect(self._come_forward)
        self._tray.show()
        self._tray.showMessage(title, text, self._tray.icon(), SHOWN_MS)

    def _come_forward(self) -> None:
        if self._tray is not None:
            self._tray.hide()
        self._window.raise_()
        self._window.activateWindow()
