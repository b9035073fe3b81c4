"""One thread for one job: pulls the engine's generator and hands its events to the window, at a bearable pace.

The only file that makes threads.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal

from app.errors import Failure, describe
from app.jobs.mailbox import Mailbox
from app.state.app_events import FiguresOpened, NoticeRaised, RunOpened
from app.state.app_state import JobOutcome
from app.state.bundle_readings import BundlesCompared, BundleStudied, ReadingsRanked
from app.state.canvas_readings import CanvasesCompared, PhasePrepared, ReconstructionOpened
from app.state.examinations import DocumentExamined
from app.state.preview_history import PreviewsRead
from app.state.readings import FrameRead, GroupsFound, RegionSummed, ScanSummarised
from app.state.refused_files import FileRefused
from ptycho_engine.errors import Stopped
from ptycho_engine.events import EngineEvent, LossMeasured, StatsMeasured, StepDone

DELIVERY_INTERVAL_MS = 40
COUNTERS_INTERVAL_MS = 1000
"""Shortest time between deliveries of nothing but figures: each costs a repaint of curves, tables and progress."""
FIGURES = (StepDone, LossMeasured, StatsMeasured)
"""What comes with each step, and faster than it can be read."""
EVENTS_PER_DELIVERY = 500
SWITCH_INTERVAL_S = 0.1e-3
"""How long a computing thread may keep the interpreter while the window waits for it."""

JobEvent: TypeAlias = (
    EngineEvent
    | RunOpened
    | FiguresOpened
    | NoticeRaised
    | ReconstructionOpened
    | FrameRead
    | ScanSummarised
    | RegionSummed
    | GroupsFound
    | DocumentExamined
    | BundleStudied
    | BundlesCompared
    | ReadingsRanked
    | CanvasesCompared
    | PhasePrepared
    | PreviewsRead
    | FileRefused
)
Verb = Callable[[], Iterator[JobEvent]]


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended."""

    outcome: JobOutcome
    failure: Failure | None = None


class JobThread(QThread):
    """A running verb of the engine.

    Parameters
    ----------
    job_id
        The id that its events carry.
    verb
        Makes the generator; called in the thread.
    computes
        Whether torch's own threads must be told to leave a core to the window.
    parent
        Owner.
    """

    delivered = Signal(str, object)
    """The id of the job and a tuple of its events."""
    ended = Signal(str, object)
    """The id of the job and its ``JobEnd``, after its last event."""
    held = Signal(str, bool)
    """The id of the job, and whether it now waits for ``go_on`` or has gone on."""
    _woken = Signal(bool)
    """Something waits in the mailbox, and whether it is more than counters."""

    _running: ClassVar[set["JobThread"]] = set()
    _usual_switch_interval_s: ClassVar[float] = 0.0

    def __init__(self, job_id: str, verb: Verb, *, computes: bool = False, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.job_id = job_id
        self.setObjectName(job_id)
        self._verb: Verb | None = verb
        self._computes = computes
        self._cancelled = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._hurried = threading.Event()
        self._mailbox: Mailbox[JobEvent] = Mailbox()
        self._end = JobEnd("stopped")
        self._over = False
        self._last_delivery_s = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._deliver)
        # Queued: the signal is emitted in the job's thread, the slot belongs to the window's.
        self._woken.connect(self._deliver_soon, Qt.ConnectionType.QueuedConnection)
        self.finished.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    def begin(self) -> None:
        """Start the thread; call it in the window's thread."""
        if not JobThread._running:
            JobThread._usual_switch_interval_s = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_INTERVAL_S)
        JobThread._running.add(self)
        self.start()

    def cancel(self) -> None:
        """Ask the job to stop at its next event; returns at once."""
        self._cancelled.set()
        self._going.set()

    def pause(self) -> None:
        """Ask the job to wait at its next event, until ``go_on``; it then takes no time of the processor."""
        if not self.cancelled:
            self._going.clear()

    def go_on(self) -> None:
        """Let a job go on that was asked to wait."""
        self._going.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancelled.is_set()

    def run(self) -> None:
        """Pull the events; in the job's thread."""
        verb, self._verb = self._verb, None
        if verb is None:
            return
        try:
            if self._computes:
                _leave_a_core_to_the_window()
            completed = self._pull(verb)
            self._end = JobEnd("completed" if completed else "stopped")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a job is told, and kills nothing else
            self._end = JobEnd("failed", describe(error))

    def _pull(self, verb: Verb) -> bool:
        if self._cancelled.is_set():
            return False
        events = verb()
        try:
            for event in events:
                waits = self._mailbox.put(event)
                hurries = not isinstance(event, FIGURES) and not self._hurried.is_set()
                if hurries:
                    self._hurried.set()
                if waits or hurries:
                    self._woken.emit(hurries)
                if not self._going.is_set():
                    self._wait_to_go_on()
                if self._cancelled.is_set():
                    return False
        except Stopped:
            return False
        finally:
            # The engine frees the device and completes its files in the generator's own ``finally``.
            if isinstance(events, Generator):
                events.close()
        return True

    def _wait_to_go_on(self) -> None:
        # Between two events the generator is at rest, outside of every context of torch.
        self.held.emit(self.job_id, True)
        self._going.wait()
        self.held.emit(self.job_id, False)

    def _deliver_soon(self, hurries: bool) -> None:
        if self._over:
            return
        passed_ms = (time.monotonic() - self._last_delivery_s) * 1e3
        interval_ms = DELIVERY_INTERVAL_MS if hurries else COUNTERS_INTERVAL_MS
        wait_ms = max(0, round(interval_ms - passed_ms))
        if not self._timer.isActive() or self._timer.remainingTime() > wait_ms:
            self._timer.start(wait_ms)

    def _deliver(self) -> None:
        # Cleared first: an event that comes after this wakes the window again.
        self._hurried.clear()
        events = self._mailbox.take(EVENTS_PER_DELIVERY)
        self._last_delivery_s = time.monotonic()
        if events:
            self.delivered.emit(self.job_id, events)
        if self._over and not self._mailbox:
            self._tell_end()
        elif self._mailbox:
            self._timer.start(0 if self._over else DELIVERY_INTERVAL_MS)

    def _finish(self) -> None:
        """Hand over the last events, however many, then the end."""
        self._over = True
        JobThread._running.discard(self)
        if not JobThread._running:
            sys.setswitchinterval(JobThread._usual_switch_interval_s)
        self._deliver()

    def _tell_end(self) -> None:
        self._timer.stop()
        self.ended.emit(self.job_id, self._end)
        self.deleteLater()


def asked_to_stop() -> bool:
    """Tell whether the job in whose thread this is called was asked to stop."""
    thread = QThread.currentThread()
    return isinstance(thread, JobThread) and thread.cancelled


def _leave_a_core_to_the_window() -> None:
    # Late: the window starts without torch.
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores - 1)))
