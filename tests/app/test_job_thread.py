import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator

import pytest
from PySide6.QtCore import QCoreApplication, Qt, QThread
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.jobs import job_thread
from app.jobs.job_thread import JobEnd, JobThread, asked_to_stop
from ptycho_engine.documents import PatchStats
from ptycho_engine.errors import DatasetError
from ptycho_engine.events import EngineEvent, LossMeasured, MessageLogged, StatsMeasured, StepDone
from ptycho_engine.stoppable_reading import stoppable
from tests.app.samples import loss_measured, make_dataset, step_done


class Heard:
    """What a job told, in the order it arrived."""

    def __init__(self, job: JobThread) -> None:
        self.events: list[EngineEvent] = []
        self.deliveries = 0
        self.threads: set[QThread] = set()
        self.end: JobEnd | None = None
        job.delivered.connect(self.deliver)
        job.ended.connect(self.finish)

    def deliver(self, job_id: str, events: tuple[EngineEvent, ...]) -> None:
        assert self.end is None
        self.deliveries += 1
        self.threads.add(QThread.currentThread())
        self.events.extend(events)

    def finish(self, job_id: str, end: JobEnd) -> None:
        self.end = end


def run(qtbot: QtBot, verb: Callable[[], Iterator[EngineEvent]]) -> Heard:
    job = JobThread("job-1", verb)
    heard = Heard(job)
    with qtbot.waitSignal(job.ended, timeout=30_000):
        job.begin()
    return heard


def test_all_events_arrive_in_the_window_s_thread_before_the_end(qtbot: QtBot) -> None:
    def verb() -> Iterator[EngineEvent]:
        for step in range(1800):
            yield loss_measured(step)
            yield step_done(step)

    heard = run(qtbot, verb)
    assert [event.step for event in heard.events if isinstance(event, LossMeasured)] == list(range(1800))
    steps = [event.step for event in heard.events if isinstance(event, StepDone)]
    assert steps[-1] == 1799
    assert len(steps) <= heard.deliveries
    assert heard.end == JobEnd("completed")
    assert heard.threads == {QApplication.instance().thread()}  # type: ignore[union-attr]


def test_a_flood_is_delivered_in_bounded_portions(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_thread, "EVENTS_PER_DELIVERY", 10)
    sizes: list[int] = []
    job = JobThread("job-1", lambda: iter([loss_measured(step) for step in range(95)]))
    job.delivered.connect(lambda _, events: sizes.append(len(events)))
    with qtbot.waitSignal(job.ended, timeout=30_000):
        job.begin()
    assert sum(sizes) == 95
    assert max(sizes) <= 10


def test_cancel_stops_at_the_next_event_and_closes_the_generator(qtbot: QtBot) -> None:
    closed = threading.Event()
    going = threading.Event()
    go_on = threading.Event()

    def verb() -> Generator[EngineEvent, None, None]:
        try:
            yield step_done(1)
            going.set()
            assert go_on.wait(5)
            yield step_done(2)
            yield step_done(3)
        finally:
            closed.set()

    # Held here, so that only close() can end it, not the garbage collector.
    events = verb()
    job = JobThread("job-1", lambda: events)
    heard = Heard(job)
    with qtbot.waitSignal(job.ended, timeout=30_000):
        job.begin()
        assert going.wait(5)
        job.cancel()
        assert job.cancelled
        go_on.set()
    assert closed.is_set()
    assert heard.end == JobEnd("stopped")
    assert step_done(3) not in heard.events


def test_cancel_stops_a_verb_that_reads_a_scan_without_an_event(qtbot: QtBot) -> None:
    scan, reads = stoppable(make_dataset(), asked_to_stop), threading.Event()
    scan.diffraction(slice(None))  # whatever runs elsewhere is not asked to stop

    def verb() -> Iterator[EngineEvent]:
        yield step_done(1)
        while True:
            scan.diffraction(slice(0, 1))
            reads.set()

    job = JobThread("job-1", verb)
    heard = Heard(job)
    with qtbot.waitSignal(job.ended, timeout=30_000):
        job.begin()
        assert reads.wait(5)
        job.cancel()
    assert heard.end == JobEnd("stopped")
    scan.diffraction(slice(None))


def test_a_job_cancelled_before_it_runs_does_nothing(qtbot: QtBot) -> None:
    called = threading.Event()

    def verb() -> Iterator[EngineEvent]:
        called.set()
        return iter([step_done(1)])

    job = JobThread("job-1", verb)
    heard = Heard(job)
    job.cancel()
    with qtbot.waitSignal(job.ended, timeout=30_000):
        job.begin()
    assert not called.is_set()
    assert heard.end == JobEnd("stopped")


def test_a_failure_is_text_and_keeps_nothing_alive(qtbot: QtBot) -> None:
    kept: list[weakref.ref[object]] = []

    class Tensor:
        pass

    def verb() -> Iterator[EngineEvent]:
        tensor = Tensor()
        kept.append(weakref.ref(tensor))
        yield step_done(1)
        raise DatasetError("the scan is empty", "Choose another file.", file="a.npz")

    heard = run(qtbot, verb)
    assert heard.events == [step_done(1)]
    assert heard.end is not None
    assert heard.end.outcome == "failed"
    assert heard.end.failure is not None
    assert heard.end.failure.message == "a.npz: the scan is empty. Choose another file."
    assert "Traceback" in heard.end.failure.details
    assert heard.end.failure.expected
    # Not even in a cycle: nothing is collected while a test of the window runs.
    assert not gc.isenabled()
    assert kept[0]() is None


def test_a_failure_while_closing_is_told(qtbot: QtBot) -> None:
    going = threading.Event()

    def verb() -> Generator[EngineEvent, None, None]:
        try:
            while True:
                going.set()
                yield step_done(1)
        finally:
            raise RuntimeError("the disk is full")

    job = JobThread("job-1", verb)
    heard = Heard(job)
    with qtbot.waitSignal(job.ended, timeout=30_000):
        job.begin()
        assert going.wait(5)
        job.cancel()
    assert heard.end is not None
    assert heard.end.failure is not None
    assert "the disk is full" in heard.end.failure.message
    assert not heard.end.failure.expected


def test_the_switch_interval_is_short_only_while_a_job_runs(qtbot: QtBot) -> None:
    usual = sys.getswitchinterval()
    during: list[float] = []

    def verb() -> Iterator[EngineEvent]:
        during.append(sys.getswitchinterval())
        yield step_done(1)

    run(qtbot, verb)
    assert during == [pytest.approx(job_thread.SWITCH_INTERVAL_S)]
    assert sys.getswitchinterval() == usual


def test_pictures_are_delivered_no_faster_than_the_interval(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock_s[0])
    waits: list[int] = []
    job = JobThread("job-1", lambda: iter(()))
    monkeypatch.setattr(job._timer, "start", waits.append)
    job._last_delivery_s = 100.0
    clock_s[0] = 100.010
    job._deliver_soon(True)
    job._deliver_soon(False)
    clock_s[0] = 101.0
    job._deliver_soon(True)
    job._deliver_soon(False)
    assert waits == [30, 990, 0, 0]
    job.deleteLater()
    QCoreApplication.processEvents()


def test_what_hurries_does_not_wait_for_counters(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    job = JobThread("job-1", lambda: iter(()))
    job._last_delivery_s = 100.0
    job._deliver_soon(False)
    assert job._timer.interval() == job_thread.COUNTERS_INTERVAL_MS
    job._deliver_soon(True)
    assert job._timer.interval() == job_thread.DELIVERY_INTERVAL_MS
    job._deliver_soon(False)
    assert job._timer.interval() == job_thread.DELIVERY_INTERVAL_MS
    job._timer.stop()
    job.deleteLater()
    QCoreApplication.processEvents()


def test_a_flood_wakes_the_window_once_for_counters_and_once_for_the_rest(qtbot: QtBot) -> None:
    told: list[bool] = []

    def verb() -> Iterator[EngineEvent]:
        for step in range(50):
            yield step_done(step)
            yield MessageLogged("info", str(step))

    job = JobThread("job-1", verb)
    job._woken.connect(told.append, Qt.ConnectionType.DirectConnection)
    assert job._pull(verb)
    assert told == [False, True]
    job.deleteLater()
    QCoreApplication.processEvents()


def test_the_figures_of_each_step_do_not_hurry(qtbot: QtBot) -> None:
    told: list[bool] = []

    def verb() -> Iterator[EngineEvent]:
        for step in range(5):
            yield step_done(step)
            yield loss_measured(step)
            yield StatsMeasured(step, PatchStats("train", step, 2, 1.0, 0.5, 0.1, ()))

    job = JobThread("job-1", verb)
    job._woken.connect(told.append, Qt.ConnectionType.DirectConnection)
    assert job._pull(verb)
    assert told == [False]
    job.deleteLater()
    QCoreApplication.processEvents()
