"""The composition root: the only place where all parts meet and are wired."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from app.collector import Collector
from app.controller import Controller
from app.crash_file import CrashFile, crash_failure
from app.crash_report import Hooks
from app.demo import Demo
from app.device_line import DeviceLine
from app.display_server import DisplayCheck
from app.errors import Failure
from app.examiner import Examiner
from app.infer_dialog import InferDialog
from app.job_end_notice import JobEndNotice
from app.jobs.verbs import EngineVerbs
from app.late_parts import LateParts
from app.leaving import Leaving
from app.main_window import MainWindow
from app.memory_hint import MemoryHint
from app.panels.panel import Panel
from app.panels.registry import PANELS
from app.panels.training import TrainingPanel
from app.preview_reader import PreviewReader
from app.run_queue import RunQueue
from app.screenshots import Screenshots
from app.session_keeper import SessionKeeper
from app.settings import SettingsStore, runs_folder, state_folder
from app.signals import EndSignals
from app.state.app_events import Logged, NoticeRaised
from app.state.app_state import Level, LogEntry, Notice
from app.state.session import Session
from app.theme import use_theme
from app.watch_actions import WatchActions
from app.window_commands import WindowCommands
from app.wiring import connect_intents, intents_of
from ptycho_engine.config import TrainConfig
from ptycho_engine.process_end import end_process


class Application(QObject):
    """Session, controller and window, wired.

    Parameters
    ----------
    qt
        Qt's application.
    verbs
        The engine's verbs; tests put others in their place.
    runs
        Where runs are kept; by default in the person's home.
    """

    def __init__(self, qt: QApplication, verbs: EngineVerbs | None = None, runs: Path | None = None) -> None:
        super().__init__()
        self.qt = qt
        self.settings = SettingsStore()
        use_theme(qt, self.settings.settings.theme)
        self.session = Session(self)
        self.controller = Controller(self.session, runs if runs is not None else runs_folder(), verbs, self)
        self.window = MainWindow(self.session, self.settings, PANELS)
        self.queue = RunQueue(self.session, partial(self.controller.train, queued=True), self)
        self.device_line = DeviceLine(self.session, self.window.job_bar.device, self.controller.runner, self)
        self.examiner = Examiner(self.session, self.controller.documents.examine, self)
        self.preview_reader = PreviewReader(self.session, self.controller.documents.read_previews, self)
        self.commands = WindowCommands(self.window, self.session, self.controller)
        self.infer_dialog = InferDialog(self.session, self.window)
        open_again = partial(self.controller.open_files, again=True)
        select = self.controller.select_frame
        self.keeper = SessionKeeper(self.session, self.settings, open_again, select, self.window.panels, self)
        self.job_end_notice = JobEndNotice(self.session, self.window)
        self.leaving = Leaving(self.session, self)
        self.late_parts = LateParts(self.window, self.window.panels, self)
        self._wire()
        if self.settings.problem:
            self.tell(Notice("settings", "warning", self.settings.problem))

    def _wire(self) -> None:
        intents = {**intents_of(self.controller, self.queue), "panel_asked": self.window.bring_forward}
        for panel in self.window.panels.there().values():
            connect_intents(panel, intents)
        # A method of this object, and the table kept by it: panels are built later on.
        self._intents = intents
        self.window.panels.built.connect(self._wire_panel)
        connect_intents(self.window.job_bar, intents, without=("cancel_asked",))
        connect_intents(self.window, intents, without=("train_asked", "theme_asked"))
        connect_intents(WatchActions(self.window), intents)
        connect_intents(self.infer_dialog, intents)
        self.window.actions_by_id["infer_with"].triggered.connect(self.infer_dialog.present)
        self.window.theme_asked.connect(self.change_theme)
        training = self.window.panels.get("training")
        if isinstance(training, TrainingPanel):
            training.show_config(dict(self.settings.settings.training))
            self.memory_hint = MemoryHint(self.session, training, self.controller.runner, self)
            self.window.train_asked.connect(training.ask_to_train)
            self.window.actions_by_id["queue"].triggered.connect(training.ask_to_queue)
        self.controller.file_opened.connect(self._remember_file)
        self.controller.train_config_used.connect(self._remember_training)
        self.controller.runner.computed.connect(self.queue.follow)
        self.window.leave_asked.connect(self.queue.leave)
        self.window.leave_asked.connect(self.keeper.note)
        self.window.leave_asked.connect(self.leaving.begin)
        self.controller.runner.idle.connect(self.window.finish_leaving)
        self.window.notice_bar.acted.connect(self.controller.act_on_notice)
        self.window.menus.show_recent(self.settings.settings.recent_files)
        self.window.menus.show_theme(self.settings.settings.theme)

    def _wire_panel(self, panel: Panel) -> None:
        connect_intents(panel, self._intents)
        self.keeper.panel_built(panel)

    def tell(self, notice: Notice) -> None:
        """Raise a notice."""
        self.session.apply(NoticeRaised(notice))

    def log(self, entry: LogEntry) -> None:
        """Add a line to the log."""
        self.session.apply(Logged(entry))

    def tell_failure(self, failure: Failure) -> None:
        """Tell what went wrong in the program itself."""
        level: Level = "warning" if failure.expected else "error"
        self.tell(Notice(f"failure:{failure.kind}", level, failure.message, failure.details))

    def change_theme(self, theme: str) -> None:
        """Colour the window, now and at the next start."""
        use_theme(self.qt, theme)
        self.settings.change(theme=theme)

    def open_first_files(self, files: Sequence[Path], *, restore: bool = True) -> None:
        """Open what was open last time, the training that was stopped with the window, and what was asked for."""
        if restore:
            self.keeper.restore()
        stopped = self.settings.settings.resume_run
        if stopped:
            self.settings.change(resume_run="")
        self.controller.open_files([*([stopped] if stopped else []), *files])
        self.controller.offer_unfinished()
        if restore:
            self.controller.runner.idle.connect(self.keeper.finish)
            if not self.controller.runner.busy:
                self.keeper.finish()
        self.controller.watching.look_for_running(self.controller.runs_folder)

    def _remember_file(self, path: Path) -> None:
        self.settings.put(self.settings.settings.with_recent(path))
        self.window.menus.show_recent(self.settings.settings.recent_files)

    def _remember_training(self, config: TrainConfig) -> None:
        self.settings.change(training=config.as_dict())

    def shut_down(self) -> bool:
        """Stop what still runs and wait for it; the window is gone already. Return whether all of it has ended.

        A window that was left has nothing running any more. One that lost its display may have: its training is opened
        at the next start.
        """
        folder = self.session.state.running_training
        if folder is not None:
            self.settings.change(resume_run=str(folder))
        self.late_parts.stop()
        self.device_line.stop()
        self.leaving.end()
        self.controller.runner.cancel_all()
        self.controller.watching.watches.stop_all()
        ended = self.controller.runner.wait(self.leaving.milliseconds_left())
        return self.controller.watching.watches.wait(self.leaving.milliseconds_left()) and ended


def arguments_of(argv: Sequence[str]) -> argparse.Namespace:
    """Return the command line, taken apart."""
    parser = argparse.ArgumentParser(
        prog="ptychoscope", description="Train and inspect PtychoPINN networks for X-ray ptychography."
    )
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="scans (.npz), bundles (wts.h5.zip), run folders"
    )
    parser.add_argument("--demo", action="store_true", help="start an inference as soon as scan and bundle are open")
    parser.add_argument(
        "--screenshot-dir", type=Path, metavar="DIR", help="save a picture of the window and of each panel, and end"
    )
    return parser.parse_args(list(argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run the window; return the exit status."""
    arguments = arguments_of(argv)
    display = DisplayCheck()
    if display.lacking:
        if arguments.screenshot_dir is None:
            sys.stderr.write(f"ptychoscope: {display.lacking}. Work without one: python -m ptycho_engine --help\n")
            return 1
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    QApplication.setApplicationName("Ptychoscope")
    QApplication.setDesktopFileName("ptychoscope")
    qt = QApplication([argv[0]])
    display.close()
    qt.setStyle("Fusion")
    hooks, crash_file, signals = Hooks(), CrashFile(state_folder()), EndSignals()
    earlier = crash_file.earlier()
    crash_file.open()
    application = Application(qt)
    hooks.logged.connect(application.log)
    hooks.failed.connect(application.tell_failure)
    hooks.install()
    signals.asked.connect(application.window.save_and_leave)
    signals.insisted.connect(qt.exit)
    signals.install()
    if earlier:
        application.tell_failure(crash_failure(earlier, crash_file.kept))
    application.window.show()
    # Not ``quit``, which asks the window first.
    application.leaving.insisted.connect(partial(qt.exit, 0))
    collector = Collector()
    application.controller.runner.idle.connect(collector.collect_all)
    application.window.leave_asked.connect(collector.rest)
    demo = Demo(application.session, application.controller, application.window) if arguments.demo else None
    restore = not (arguments.demo or arguments.screenshot_dir)
    application.open_first_files(arguments.files, restore=restore)
    status = _screenshots(application, arguments.screenshot_dir, demo) if arguments.screenshot_dir else qt.exec()
    status = signals.exit_status(status)
    if not application.shut_down():
        # A thread that runs on would be destroyed under its own feet: better none is left to see it.
        crash_file.close()
        os._exit(status)
    collector.stop()
    signals.remove()
    hooks.remove()
    crash_file.close()
    return status


def _screenshots(application: Application, folder: Path, demo: Demo | None) -> int:
    runner = application.controller.runner

    def busy() -> bool:
        return runner.busy or runner.reading or (demo is not None and not demo.begun)

    screenshots = Screenshots(application.window, busy, folder, application)
    screenshots.done.connect(_print_paths)
    screenshots.done.connect(application.window.leave)
    screenshots.begin()
    status = application.qt.exec()
    failed = any(notice.level == "error" for notice in application.session.state.notices)
    for notice in application.session.state.notices:
        sys.stderr.write(f"{notice.level}: {notice.message}\n")
    return status or int(failed)


def _print_paths(paths: list[Path]) -> None:
    sys.stdout.write("".join(f"{path}\n" for path in paths))
    sys.stdout.flush()


def run() -> NoReturn:
    """Start the window as an installed program."""
    end_process(main(sys.argv))
