"""Fixtures of the window's tests: nothing may be left running, and no notice may appear unasked."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QThread, QTimer
from pytestqt.qtbot import QtBot

from app.state.session import Session
from tests.app.window import Shown


def _alive() -> tuple[list[QThread], list[QTimer]]:
    """Return the threads that run and the timers that tick."""
    # By type, not isinstance: asking some libraries' lazy objects for their class warns or imports.
    found = [item for item in gc.get_objects() if issubclass(type(item), (QThread, QTimer))]
    valid = [item for item in found if shiboken6.isValid(item)]
    threads = [item for item in valid if isinstance(item, QThread) and item.isRunning()]
    return threads, [item for item in valid if isinstance(item, QTimer) and item.isActive()]


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Fail the test that leaves a thread running or a timer ticking.

    As in the program, cycles are collected between events only (``app.collector`` says why).
    """
    gc.disable()
    yield
    if QCoreApplication.instance() is not None:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QCoreApplication.processEvents()
    threads, timers = _alive()
    gc.collect()
    # What survives is looked at only once.
    gc.freeze()
    gc.enable()
    for thread in threads:
        thread.wait(2000)
    for timer in timers:
        timer.stop()
    assert not threads, f"left running: {threads}"
    assert not timers, f"left ticking: {[(timer, timer.parent()) for timer in timers]}"


@pytest.fixture(autouse=True)
def _no_unexpected_notice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test in which a notice appears, unless it asks for the fixture ``expects_notice``."""
    sessions: list[Session] = []
    make = Session.__init__

    def remembering(self: Session, *arguments: object, **named: object) -> None:
        make(self, *arguments, **named)  # type: ignore[arg-type]
        sessions.append(self)

    monkeypatch.setattr(Session, "__init__", remembering)
    yield
    if "expects_notice" not in request.fixturenames:
        messages = [notice.message for session in sessions for notice in session.state.notices]
        assert not messages, f"unexpected notices: {messages}"


@pytest.fixture
def expects_notice() -> None:
    """For tests of what goes wrong: notices may appear."""


@pytest.fixture
def shown(qtbot: QtBot, tmp_path: Path) -> Iterator[Shown]:
    """The whole application in a window, with prepared verbs."""
    application = Shown(qtbot, tmp_path / "runs")
    yield application
    application.end()
