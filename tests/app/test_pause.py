import threading
from collections.abc import Iterator

from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.jobs.job_thread import JobEnd, JobThread
from app.panels.training import TrainingPanel
from app.state.app_events import JobBegan, JobCancelling, JobEnded, JobHeld, JobPausing
from app.state.app_state import AppState, JobState
from app.state.reduce import reduce
from ptycho_engine.events import EngineEvent, JobStarted
from tests.app.samples import step_done
from tests.app.window import BUNDLE, SCAN, Shown

JOB = JobBegan(JobState("train-1", "train", "Training"))


def state_after(*events: JobBegan | JobPausing | JobHeld | JobCancelling | JobEnded | JobStarted) -> str:
    state = AppState()
    for event in (JOB, *events):
        state = reduce(state, event)
    assert state.job is not None
    return state.job.state


def test_a_job_is_pausing_until_it_rests_and_runs_when_it_goes_on() -> None:
    asked, rests, goes = JobPausing("train-1"), JobHeld("train-1", True), JobHeld("train-1", False)
    started = JobStarted("train", "CPU", 10, "steps")
    assert state_after(asked) == "pausing"
    assert state_after(asked, started) == "pausing"
    assert state_after(asked, rests) == "paused"
    assert state_after(asked, rests, asked) == "paused"
    assert state_after(asked, rests, goes) == "running"
    assert state_after(asked, goes, rests) == "running"
    assert state_after(asked, rests, JobCancelling("train-1"), goes) == "cancelling"
    assert state_after(JobPausing("other")) == "starting"


def test_a_paused_job_takes_no_step_until_it_goes_on(qtbot: QtBot) -> None:
    stepped = threading.Semaphore(0)
    allowed = threading.Semaphore(0)

    def verb() -> Iterator[EngineEvent]:
        for step in range(3):
            stepped.release()
            assert allowed.acquire(timeout=10)
            yield step_done(step)

    job = JobThread("job-1", verb)
    told: list[bool] = []
    job.held.connect(lambda _, waits: told.append(waits))
    job.begin()
    assert stepped.acquire(timeout=10)
    job.pause()
    allowed.release(3)
    qtbot.waitUntil(lambda: told == [True], timeout=30_000)
    # The thread waits behind its first event: it would end at once if it did not.
    assert not job.wait(300)
    assert not stepped.acquire(blocking=False)
    with qtbot.waitSignal(job.ended, timeout=30_000):
        job.go_on()
    assert told == [True, False]
    assert stepped.acquire(blocking=False)


def test_a_paused_job_can_be_cancelled(qtbot: QtBot) -> None:
    closed = threading.Event()

    def verb() -> Iterator[EngineEvent]:
        try:
            while True:
                yield step_done(1)
        finally:
            closed.set()

    job = JobThread("job-1", verb)
    ends: list[JobEnd] = []
    job.ended.connect(lambda _, end: ends.append(end))
    job.pause()
    with qtbot.waitSignal(job.held, timeout=30_000):
        job.begin()
    with qtbot.waitSignal(job.ended, timeout=30_000):
        job.cancel()
    assert closed.is_set()
    assert ends == [JobEnd("stopped")]


def test_the_window_says_that_the_training_is_paused_and_lets_it_go_on(shown: Shown) -> None:
    shown.open(SCAN)
    action = shown.window.actions_by_id["pause"]
    assert not action.isEnabled()
    shown.start_and_pause()
    bar, panel = shown.window.job_bar, shown.window.panels["training"]
    assert isinstance(panel, TrainingPanel)
    QApplication.processEvents()
    action.trigger()
    assert bar.title.text() == "Pausing…"
    shown.verbs.go_on.set()
    shown.qtbot.waitUntil(lambda: bar.title.text().startswith("Paused: "), timeout=30_000)
    assert (bar.pause.text(), panel.pause_button.text(), bar.left.text()) == ("Go on", "Go on", "")
    assert shown.state.busy
    bar.pause.click()
    shown.settle()
    assert shown.state.job is not None
    assert shown.state.job.state == "completed"
    assert bar.pause.isHidden()


def test_an_inference_is_paused_and_closed_while_it_waits(shown: Shown) -> None:
    shown.open(SCAN, BUNDLE)
    shown.verbs.pausing = True
    shown.window.actions_by_id["infer"].trigger()
    assert shown.verbs.paused.wait(60)
    shown.window.actions_by_id["pause"].trigger()
    shown.verbs.go_on.set()
    shown.qtbot.waitUntil(lambda: shown.state.job is not None and shown.state.job.state == "paused", timeout=30_000)
    shown.window.leave()
    shown.settle()
    assert shown.state.job is not None
    assert shown.state.job.state == "stopped"
