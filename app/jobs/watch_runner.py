"""Which runs of other processes are followed: each in a thread of its own, which mostly waits."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject

from app.jobs.job_thread import JobEnd, JobEvent, JobThread
from app.state.app_events import NoticeClosed, NoticeRaised, WatchBegan, WatchStopped, WatchTold
from app.state.app_state import Notice, run_id
from app.state.requests import TrainRequest
from app.state.session import Session
from ptycho_engine.events import EngineEvent

Wait = Callable[[float], object]
Watch = Callable[[Path, Wait], Iterator[EngineEvent]]
"""Follows the run in a folder; the second argument is called between two looks and returns early at the end."""


class WatchRunner(QObject):
    """Follows folders and hands what they tell to the session.

    Parameters
    ----------
    session
        Where it is told.
    watch
        The verb.
    parent
        Owner.
    """

    def __init__(self, session: Session, watch: Watch, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._watch = watch
        self._threads: dict[str, JobThread] = {}
        self._stops: dict[str, threading.Event] = {}
        self._number = 0

    @property
    def watching(self) -> bool:
        """Whether some folder is followed."""
        return bool(self._threads)

    def begin(self, folder: Path, request: TrainRequest | None = None) -> None:
        """Follow the run in a folder; one that is followed already is only shown."""
        key = run_id(folder)
        if key is None or key in self._keys():
            return
        self._number += 1
        stop = threading.Event()
        thread = JobThread(f"watch-{self._number}|{key}", partial(self._watch, folder, stop.wait), parent=self)
        self._threads[thread.job_id], self._stops[thread.job_id] = thread, stop
        self._session.apply(NoticeClosed(_notice_key(key)), WatchBegan(folder, request))
        thread.delivered.connect(self._deliver)
        thread.ended.connect(self._finish)
        thread.begin()

    def stop(self, key: str) -> None:
        """Follow a run no more; returns at once."""
        for job_id, thread in self._threads.items():
            if _key(job_id) == key and not thread.cancelled:
                thread.cancel()
                self._stops[job_id].set()
                self._session.apply(WatchStopped(key))

    def stop_all(self) -> None:
        """Follow nothing any more."""
        for key in self._keys():
            self.stop(key)

    def wait(self, milliseconds: int) -> bool:
        """Wait for all threads, only when the window is gone already; return whether they ended."""
        return all(thread.wait(milliseconds) for thread in tuple(self._threads.values()))

    def _keys(self) -> list[str]:
        return [_key(job_id) for job_id, thread in self._threads.items() if not thread.cancelled]

    def _deliver(self, job_id: str, events: tuple[JobEvent, ...]) -> None:
        if not self._threads[job_id].cancelled:
            self._session.tell(WatchTold(_key(job_id), event) for event in events)  # type: ignore[arg-type]

    def _finish(self, job_id: str, end: JobEnd) -> None:
        del self._threads[job_id]
        del self._stops[job_id]
        key = _key(job_id)
        if key in self._keys():
            # Stopped, and followed again before the thread had ended.
            return
        self._session.apply(WatchStopped(key))
        if end.failure is not None:
            notice = Notice(_notice_key(key), "error", end.failure.message, end.failure.details)
            self._session.apply(NoticeRaised(notice))


def _key(job_id: str) -> str:
    return job_id.split("|", 1)[1]


def _notice_key(key: str) -> str:
    return f"watch:{key}"
