"""A window that is left: what it waits for, for how long, and what it does not wait for."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.jobs.job_runner import READING_MS, JobRunner, Slot, Task
from app.jobs.job_thread import JobThread
from app.leaving import LEAST_MS, LEAVING_MS, Leaving
from app.state.app_events import RunOpened
from app.state.app_state import JobState
from app.state.session import Session
from ptycho_engine.events import EngineEvent
from tests.app.fake_verbs import FakeVerbs
from tests.app.window import SCAN, Shown


def _leaving(shown: Shown) -> tuple[Leaving, list[bool]]:
    insisted: list[bool] = []
    leaving = shown.application.leaving
    leaving.insisted.connect(lambda: insisted.append(True))
    return leaving, insisted


@pytest.mark.usefixtures("expects_notice")
def test_a_window_that_is_closed_twice_waits_no_more(qtbot: QtBot, tmp_path: Path) -> None:
    shown = Shown(qtbot, tmp_path / "runs")
    shown.open(SCAN)
    leaving, insisted = _leaving(shown)
    assert leaving.milliseconds_left() == LEAVING_MS
    shown.start_and_pause()
    qtbot.waitUntil(lambda: shown.state.job is not None and bool(shown.state.job.device), timeout=20_000)
    shown.window.leave()
    leaving.look()
    # It computes: its state is waited for, and a person is told so.
    assert insisted == []
    assert shown.window.notice_bar.messages() == [
        "The window closes when what runs has stopped and is kept. Close it once more to end at once."
    ]
    assert shown.window.isVisible()
    shown.window.close()
    assert insisted == [True]
    assert leaving.milliseconds_left() == LEAST_MS
    shown.end()


class Importing(FakeVerbs):
    """Has not told anything yet when it waits: as while torch is imported or a large scan is grouped."""

    def train(self, *arguments: Any, **named: Any) -> Iterator[EngineEvent]:
        self.paused.set()
        assert self.go_on.wait(10)
        yield from super().train(*arguments, **named)


class Hung(FakeVerbs):
    """Opens from a disk that does not answer until ``go_on`` is set."""

    def open_file(self, path: Path) -> Iterator[EngineEvent | RunOpened]:
        if path.name == "hung.npz":
            self.paused.set()
            assert self.go_on.wait(20)
        yield from super().open_file(path)


@pytest.mark.usefixtures("expects_notice")
def test_a_disk_that_hangs_keeps_neither_work_nor_the_end_waiting(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.leaving.LEAVING_MS", 1)
    verbs = Hung()
    shown = Shown(qtbot, tmp_path / "runs", verbs)
    shown.open(SCAN)
    shown.controller.open_files([Path("/mnt/hung.npz")])
    assert verbs.paused.wait(60)
    # A training runs from its start to its end beside it.
    shown.window.actions_by_id["train"].trigger()
    qtbot.waitUntil(lambda: shown.state.job is not None and shown.state.job.state == "completed", timeout=60_000)
    shown.window.actions_by_id["stop"].trigger()
    assert shown.state.file_job is not None
    assert shown.state.file_job.state == "cancelling"
    leaving, insisted = _leaving(shown)
    shown.window.leave()
    leaving.look()
    shown.window.close()
    assert insisted == [True]
    assert not shown.application.shut_down(), "the process is to end without the thread that hangs"
    verbs.go_on.set()
    shown.end()
    assert "hung" not in shown.state.datasets


def test_what_is_still_made_ready_is_not_waited_for(qtbot: QtBot, tmp_path: Path) -> None:
    shown = Shown(qtbot, tmp_path / "runs", Importing())
    shown.open(SCAN)
    leaving, insisted = _leaving(shown)
    shown.start_and_pause()
    shown.window.leave()
    leaving.look()
    assert insisted == [True]
    assert leaving.milliseconds_left() == LEAST_MS
    shown.end()


def test_readings_are_waited_for_no_longer_than_they_take_usually(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = JobRunner(Session())
    go_on = threading.Event()

    def hangs() -> Iterator[EngineEvent]:
        go_on.wait(20)
        yield from ()

    slots: tuple[Slot, ...] = ("compute", "frame", "examine")
    for slot in slots:
        runner.start(Task(JobState(runner.new_id(slot), slot, slot), hangs, slot))
    limits: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(JobThread, "wait", lambda _, deadline: limits.append(deadline.remainingTime()))
        assert not runner.wait(60_000)
    assert limits[0] > READING_MS
    assert max(limits[1:]) <= READING_MS
    go_on.set()
    qtbot.waitUntil(lambda: not runner.busy and not runner.reading)
