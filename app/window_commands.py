"""What the window itself can do beside its panels: the command palette, the guide, undoing."""

from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from app.actions import ACTIONS
from app.controller import Controller
from app.help_window import HelpWindow
from app.jobs.guide_reader import read_pages
from app.jobs.job_runner import Task
from app.jobs.job_thread import JobEnd
from app.main_window import MainWindow
from app.palette import Command, Palette
from app.panel_shelf import PanelPlace
from app.panels.panel import Panel
from app.state.app_state import JobState
from app.state.session import Session


class WindowCommands(QObject):
    """Answers the actions of these names.

    Parameters
    ----------
    window
        The window.
    session
        What is open.
    controller
        What undoing and pausing go to.
    """

    def __init__(self, window: MainWindow, session: Session, controller: Controller) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._runner = controller.runner
        self._pages: dict[str, str] = {}
        self.guide: HelpWindow | None = None
        """Made when it is asked for the first time."""
        actions = window.actions_by_id
        actions["palette"].triggered.connect(self.show_palette)
        actions["guide"].triggered.connect(self.show_guide)
        actions["undo_close"].triggered.connect(controller.undo_close)
        actions["pause"].triggered.connect(controller.pause)
        session.job_changed.connect(self._name_pause)

    def _name_pause(self) -> None:
        job = self._session.state.job
        self._window.actions_by_id["pause"].setIconText("Go on" if job is not None and job.held else "Pause")

    def show_palette(self) -> Palette:
        """Open the command palette."""
        palette = Palette(self._commands(), self._window)
        palette.open()
        palette.search.setFocus()
        return palette

    def _commands(self) -> list[Command]:
        window, state = self._window, self._session.state
        commands = [
            Command(_plain(spec.text), spec.help, window.actions_by_id[spec.id], spec.why_not(state))
            for spec in ACTIONS
            if spec.id != "palette"
        ]
        for spec in window.specs:
            commands.append(Command(f"Show {spec.title}", spec.help, window.menus.panels[spec.panel_id]))
        for action in window.menus.themes.values():
            commands.append(Command(f"Theme: {_plain(action.text())}", "Colours of the window", action))
        for action in window.menus.recent.actions():
            commands.append(Command(f"Open recent: {_plain(action.text())}", "Open this file again", action))
        return commands

    def show_guide(self) -> None:
        """Open the guide at the panel that has the keyboard, else at the one in front; its pages are read first."""
        topic = self._topic()
        if self.guide is not None:
            self.guide.show_topic(topic)
            return
        job = JobState(self._runner.new_id("guide"), "guide", "Reading the guide")
        verb = partial(read_pages, self._pages)
        self._runner.start(Task(job, verb, "guide", when_ended=partial(self._open_guide, topic)))

    def _open_guide(self, topic: str, _: JobEnd) -> None:
        if self.guide is None:
            self.guide = HelpWindow(self._pages, self._window)
        self.guide.show_topic(topic)

    def _topic(self) -> str:
        widget = QApplication.focusWidget()
        while widget is not None and not isinstance(widget, Panel):
            widget = widget.parentWidget()
        front = widget if widget is not None else self._window.tabs.currentWidget()
        return front.title if isinstance(front, (Panel, PanelPlace)) else ""


def _plain(text: str) -> str:
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&").rstrip("…")
