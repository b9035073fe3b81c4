from dataclasses import replace

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.job_end_notice import LONG_S, JobEndNotice
from app.state.app_events import JobBegan, JobEnded
from app.state.app_state import JobOutcome, JobState
from app.state.session import Session
from ptycho_engine.events import JobStarted

JOB = JobState("train-1", "train", "Training 2026-11-25-scan")


class Watched:
    """A notice with a clock that a test sets, beside a window in front or not."""

    def __init__(self, qtbot: QtBot, *, in_front: bool = False) -> None:
        self.window = QWidget()
        qtbot.addWidget(self.window)
        self.window.isActiveWindow = lambda: in_front  # type: ignore[method-assign]
        self.session = Session()
        self.now_s = 1000.0
        self.told: list[str] = []
        self.notice = JobEndNotice(
            self.session, self.window, lambda title, text: self.told.append(text), lambda: self.now_s
        )

    def run(self, seconds: float, outcome: JobOutcome = "completed", job_id: str = "train-1") -> None:
        self.session.apply(JobBegan(replace(JOB, id=job_id)), JobStarted("train", "CPU", 10, "steps"))
        self.now_s += seconds
        self.session.apply(JobEnded(job_id, outcome))


@pytest.mark.usefixtures("expects_notice")
def test_the_end_of_a_long_job_is_told_once(qtbot: QtBot) -> None:
    watched = Watched(qtbot)
    watched.run(125)
    watched.session.apply(JobEnded("train-1", "completed"))
    assert watched.told == ["Training 2026-11-25-scan has completed after 2:05."]
    assert [notice.message for notice in watched.session.state.notices] == watched.told


def test_a_failure_is_notified_but_has_a_notice_of_its_own(qtbot: QtBot) -> None:
    watched = Watched(qtbot)
    watched.run(LONG_S, "failed")
    assert watched.told == ["Training 2026-11-25-scan has failed after 1:00."]
    assert not watched.session.state.notices


def test_short_jobs_and_a_window_in_front_are_left_alone(qtbot: QtBot) -> None:
    watched = Watched(qtbot)
    watched.run(LONG_S - 1)
    watched.run(LONG_S - 1, job_id="train-2")
    seen = Watched(qtbot, in_front=True)
    seen.run(1000)
    assert watched.told == seen.told == []
