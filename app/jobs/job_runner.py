"""Which jobs run: one that computes, one that opens or writes files beside it, and readings of what is looked at."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from PySide6.QtCore import QDeadlineTimer, QObject, Signal

from app.errors import Failure
from app.jobs.job_thread import JobEnd, JobEvent, JobThread
from app.state.app_events import JobBegan, JobCancelling, JobEnded, JobHeld, JobPausing, Logged, NoticeRaised
from app.state.app_state import JobState, LogEntry, Notice
from app.state.requests import TrainRequest
from app.state.session import Session

Verb = Callable[[], Iterator[JobEvent]]
Slot = Literal[
    "compute",
    "files",
    "frame",
    "summary",
    "region",
    "groups",
    "previews",
    "examine",
    "study",
    "compare",
    "compare_canvases",
    "phase",
    "guide",
    "gpu",
    "memory",
]
"""In each place runs at most one job; all but the first two only read what is looked at, and are no jobs to the person.
"""
READINGS: tuple[Slot, ...] = tuple(slot for slot in get_args(Slot) if slot not in ("compute", "files"))
READING_MS = 500
"""How long a reading is waited for when the window is gone."""
IN_LINE: tuple[Slot, ...] = ("files", "examine", "study")
"""Where every task waits for its turn."""


@dataclass(frozen=True, slots=True)
class Task:
    """A job that runs or waits for its turn."""

    job: JobState
    verb: Verb
    slot: Slot
    keeps_losses: bool = False
    request: TrainRequest | None = None
    """The training that this job does."""
    notice_key: str = ""
    """A failure of the same key replaces the notice of an earlier one."""
    when_ended: Callable[[JobEnd], None] | None = None


class JobRunner(QObject):
    """Starts threads and hands their events to the session."""

    idle = Signal()
    """Nothing computes, opens or writes any more."""
    computed = Signal()
    """A computing job has ended, and all that it told is told."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._threads: dict[Slot, JobThread] = {}
        self._tasks: dict[str, Task] = {}
        self._waiting: dict[Slot, deque[Task]] = {slot: deque() for slot in ("files", *READINGS)}
        self._number = 0

    @property
    def busy(self) -> bool:
        """Whether something computes, opens or writes."""
        return "compute" in self._threads or "files" in self._threads

    @property
    def computing(self) -> bool:
        """Whether a job computes."""
        return "compute" in self._threads

    @property
    def reading(self) -> bool:
        """Whether patterns are being read to be looked at."""
        return any(slot in self._threads for slot in READINGS)

    def new_id(self, verb: str) -> str:
        """Return an id that no other job of this window has."""
        self._number += 1
        return f"{verb}-{self._number}"

    def start(self, task: Task) -> bool:
        """Start a job, or let it wait for its turn; return whether it was accepted.

        A second computing job is refused; files, examinations and studies wait in line; of the other readings only
        the last one asked for waits.
        """
        if task.slot not in self._threads:
            self._begin(task)
            return True
        if task.slot == "compute":
            return False
        waiting = self._waiting[task.slot]
        if task.slot not in IN_LINE:
            waiting.clear()
            if task.slot != "frame":
                self._threads[task.slot].cancel()
        waiting.append(task)
        return True

    def cancel(self, slot: Slot = "compute") -> None:
        """Ask the job of a slot to stop, and forget what waits behind it; returns at once."""
        if slot in self._waiting:
            self._waiting[slot].clear()
        thread = self._threads.get(slot)
        if thread is None or thread.cancelled:
            return
        thread.cancel()
        if slot in ("compute", "files"):
            self._session.apply(JobCancelling(thread.job_id))

    def pause(self) -> None:
        """Ask the computing job to wait between two steps; returns at once."""
        thread = self._threads.get("compute")
        if thread is not None and not thread.cancelled:
            thread.pause()
            self._session.apply(JobPausing(thread.job_id))

    def go_on(self) -> None:
        """Let the computing job go on that was asked to wait."""
        thread = self._threads.get("compute")
        if thread is not None and not thread.cancelled:
            thread.go_on()
            self._session.apply(JobHeld(thread.job_id, False))

    def cancel_all(self) -> None:
        """Ask everything to stop."""
        for slot in tuple(self._threads):
            self.cancel(slot)

    def leave(self) -> None:
        """Stop computing, opening and reading, but let what is being written come to its end."""
        for slot, thread in tuple(self._threads.items()):
            if slot != "files" or self._tasks[thread.job_id].job.verb == "open":
                self.cancel(slot)

    def wait(self, milliseconds: int) -> bool:
        """Wait for all threads, only when the window is gone already; return whether they ended.

        Those that only read what is looked at have nothing to keep, and are waited for no longer than ``READING_MS``.
        """
        keeping, reading = QDeadlineTimer(milliseconds), QDeadlineTimer(min(milliseconds, READING_MS))
        # Every one is looked at, so that all have the same time.
        ended = [thread.wait(reading if slot in READINGS else keeping) for slot, thread in self._threads.items()]
        return all(ended)

    def _begin(self, task: Task) -> None:
        thread = JobThread(task.job.id, task.verb, computes=task.slot == "compute", parent=self)
        self._threads[task.slot] = thread
        self._tasks[task.job.id] = task
        if task.slot == "compute" or task.slot == "files":
            self._session.apply(JobBegan(task.job, task.slot, task.keeps_losses, task.request))
            thread.delivered.connect(self._deliver)
            thread.held.connect(self._hold)
        else:
            thread.delivered.connect(self._apply)
        thread.ended.connect(self._finish)
        thread.begin()

    def _deliver(self, job_id: str, events: tuple[JobEvent, ...]) -> None:
        self._session.deliver(job_id, events)

    def _hold(self, job_id: str, waits: bool) -> None:
        self._session.apply(JobHeld(job_id, waits))

    def _apply(self, job_id: str, events: tuple[JobEvent, ...]) -> None:
        self._session.apply(*events)

    def _finish(self, job_id: str, end: JobEnd) -> None:
        task = self._tasks.pop(job_id)
        del self._threads[task.slot]
        self._session.apply(JobEnded(job_id, end.outcome))
        if end.failure is not None:
            self._tell(task, end.failure)
        elif task.slot == "compute":
            entry = LogEntry("info", f"{task.job.title}: {end.outcome}", time.time(), task.job.verb)
            self._session.apply(Logged(entry))
        if task.when_ended is not None:
            task.when_ended(end)
        waiting = self._waiting.get(task.slot)
        if waiting and task.slot not in self._threads:
            self._begin(waiting.popleft())
        if task.slot == "compute":
            self.computed.emit()
        if not self.busy:
            self.idle.emit()

    def _tell(self, task: Task, failure: Failure) -> None:
        key = task.notice_key or task.job.verb
        entry = LogEntry("error", failure.message, time.time(), task.job.verb)
        notice = Notice(key, "error", failure.message, failure.details)
        self._session.apply(Logged(entry), NoticeRaised(notice))
