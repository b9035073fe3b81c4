"""The device in the status bar: a GPU is asked in a job thread, and shown when it has answered."""

import threading
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.device_line import DeviceLine
from app.jobs import gpu_reader
from app.jobs.job_runner import JobRunner
from app.state.app_events import JobBegan
from app.state.app_state import JobState
from app.state.session import Session
from ptycho_engine.events import JobStarted


def test_a_gpu_is_asked_beside_the_window(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked_in: list[threading.Thread] = []

    def answer() -> str:
        asked_in.append(threading.current_thread())
        return "3 GiB of 80 GiB · 97 %"

    monkeypatch.setattr(gpu_reader, "gpu_state", answer)
    session, label = Session(), QLabel()
    qtbot.addWidget(label)
    runner = JobRunner(session)
    line = DeviceLine(session, label, runner)
    line._tick()
    assert not asked_in  # nothing computes on a GPU
    session.apply(JobBegan(JobState("train-1", "train", "Training")))
    session.apply(JobStarted("train", "cuda:0 · A GPU", 10, "steps", tmp_path))
    line._tick()
    qtbot.waitUntil(lambda: not runner.reading, timeout=20_000)
    line.show_now()
    line.stop()
    assert asked_in[0] is not threading.main_thread()
    assert "97 %" in label.text()
    assert "97 %" in label.toolTip()
