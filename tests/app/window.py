"""A whole window with prepared verbs."""

from pathlib import Path

from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.application import Application
from app.state.app_state import AppState
from tests.app.fake_verbs import FakeVerbs

SCAN = Path("/nowhere/scan.npz")
BUNDLE = Path("/nowhere/net.h5.zip")


class Shown:
    """The application, shown, with what tests do to it."""

    def __init__(self, qtbot: QtBot, runs: Path, verbs: FakeVerbs | None = None, *, late_parts: bool = True) -> None:
        instance = QApplication.instance()
        assert isinstance(instance, QApplication)
        self.qtbot = qtbot
        self.verbs = verbs if verbs is not None else FakeVerbs()
        self.application = Application(instance, self.verbs, runs)
        self.window = self.application.window
        self.session = self.application.session
        self.controller = self.application.controller
        if not late_parts:
            self.application.late_parts.stop()
        self.window.show()
        qtbot.waitExposed(self.window)

    @property
    def state(self) -> AppState:
        return self.session.state

    def open(self, *paths: Path) -> None:
        self.controller.open_files(paths)
        self.settle()

    def settle(self) -> None:
        runner = self.controller.runner
        self.qtbot.waitUntil(lambda: not runner.busy and not runner.reading, timeout=60_000)

    def start_and_pause(self) -> None:
        self.verbs.pausing = True
        self.window.actions_by_id["train"].trigger()
        assert self.verbs.paused.wait(60)

    def end(self) -> None:
        """Close whatever is still open, as the end of a test."""
        self.verbs.go_on.set()
        self.window.leave()
        self.settle()
        self.application.shut_down()
        self.window.close()
        self.window.deleteLater()
        self.application.deleteLater()
