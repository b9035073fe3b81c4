"""How long a window that is left waits for what still runs, and when it waits no more."""

import time

from PySide6.QtCore import QObject, QTimer, Signal

from app.state.app_events import NoticeRaised
from app.state.app_state import Notice
from app.state.session import Session

PATIENCE_MS = 1_000
"""After this long a person is told what is waited for, and what has nothing to keep is not waited for any more."""
LEAVING_MS = 5_000
"""How long the process waits for its threads after the window is gone."""
LEAST_MS = 200
"""As long for threads that nobody waits for: time to see that they have been asked to stop."""


class Leaving(QObject):
    """Follows a window from the moment it is asked to close.

    A job that computes is waited for until its state is kept. One that still imports torch, reads or groups a scan has
    nothing to keep and may take long: it is not waited for. Whoever closes the window a second time ends it at once.

    Parameters
    ----------
    session
        What runs.
    parent
        Owner.
    """

    insisted = Signal()
    """Nothing is to be waited for any more."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._began_s: float | None = None
        self._told = False
        self._waits = True
        self._timer = QTimer(self)
        self._timer.setInterval(PATIENCE_MS)
        self._timer.timeout.connect(self.look)

    def begin(self) -> None:
        """Take note that the window is asked to close, for the first time or once more."""
        if self._began_s is not None:
            self._insist()
            return
        self._began_s = time.monotonic()
        self._timer.start()

    def end(self) -> None:
        """Look no more: the window is gone."""
        self._timer.stop()

    def milliseconds_left(self) -> int:
        """Return how long threads are still to be waited for once the window is gone."""
        if not self._waits:
            return LEAST_MS
        if self._began_s is None:
            return LEAVING_MS
        return max(LEAST_MS, LEAVING_MS - round((time.monotonic() - self._began_s) * 1e3))

    def look(self) -> None:
        """End what need not be waited for, and tell once what is waited for."""
        job, file_job = self._session.state.job, self._session.state.file_job
        writes = file_job is not None and file_job.busy
        if job is not None and job.busy and not job.device and not writes:
            # It has not told its device yet: it is still being made ready.
            self._timer.stop()
            self._insist()
        elif not self._told and (writes or (job is not None and job.busy)):
            self._told = True
            text = "The window closes when what runs has stopped and is kept. Close it once more to end at once."
            self._session.apply(NoticeRaised(Notice("leaving", "info", text)))

    def _insist(self) -> None:
        self._waits = False
        self.insisted.emit()
