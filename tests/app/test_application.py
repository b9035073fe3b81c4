"""The composition root, its hooks, and the process as a whole."""

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Signal, qWarning
from pytestqt.qtbot import QtBot

from app.application import arguments_of
from app.collector import Collector
from app.controller import Controller
from app.crash_report import CrashFile, Hooks
from app.display_server import DisplayCheck
from app.errors import Failure, describe
from app.panels.registry import PANELS
from app.run_queue import RunQueue
from app.state.session import Session
from app.wiring import connect_intents, intents_of
from ptycho_engine.errors import DatasetError
from tests.app.window import BUNDLE, SCAN, Shown

ROOT = Path(__file__).resolve().parents[2]


class Asking(QObject):
    frame_asked = Signal(object)
    unheard_asked = Signal()


def test_an_intent_that_nobody_answers_is_found_at_the_start(qtbot: QtBot, tmp_path: Path) -> None:
    controller = Controller(Session(), tmp_path)
    intents = intents_of(controller, RunQueue(Session(), controller.train))
    with pytest.raises(LookupError, match="unheard_asked"):
        connect_intents(Asking(), intents)
    connect_intents(Asking(), intents, without=("unheard_asked",))


def test_intents_of_panels_reach_the_controller(shown: Shown) -> None:
    shown.open(SCAN)
    shown.window.panels["scan"].frame_asked.emit(3)
    assert shown.state.selected_frame == 3


def test_hooks_tell_what_nobody_caught(qtbot: QtBot, capsys: pytest.CaptureFixture[str]) -> None:
    hooks = Hooks()
    failures: list[Failure] = []
    entries: list[tuple[str, str, str]] = []
    hooks.failed.connect(failures.append)
    hooks.logged.connect(lambda entry: entries.append((entry.level, entry.text, entry.source)))
    before = sys.excepthook
    hooks.install()
    try:
        sys.excepthook(ValueError, ValueError("broken"), None)
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        qWarning("a word of Qt")
        logging.getLogger("somebody").warning("a word of Python")
        qtbot.waitUntil(lambda: len(failures) == 2, timeout=2000)
    finally:
        hooks.remove()
        sys.excepthook = before
    assert [failure.kind for failure in failures] == ["ValueError", "ZeroDivisionError"]
    assert entries == [
        ("warning", "a word of Qt", "Qt"),
        ("warning", "a word of Python", "somebody"),
    ]
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.usefixtures("expects_notice")
def test_a_failure_of_the_program_becomes_a_notice(shown: Shown) -> None:
    shown.application.tell_failure(describe(ValueError("broken")))
    assert shown.window.notice_bar.messages() == ["Unexpected ValueError: broken"]


@pytest.mark.parametrize(
    ("error", "message", "expected"),
    [
        (DatasetError("is empty", "Take another.", file="a.npz"), "a.npz: is empty. Take another.", True),
        (MemoryError(), "There is not enough memory. Close other documents or choose a smaller batch size.", True),
        (FileNotFoundError(2, "No such file or directory", "a.npz"), "a.npz: No such file or directory.", True),
        (KeyError("x"), "Unexpected KeyError: 'x'", False),
    ],
)
def test_failures_are_described_in_one_sentence(error: Exception, message: str, expected: bool) -> None:
    failure = describe(error)
    assert (failure.message, failure.expected) == (message, expected)


def test_what_a_crash_leaves_is_offered_once(tmp_path: Path) -> None:
    first = CrashFile(tmp_path)
    assert first.earlier() == ""
    first.path.write_text("Fatal Python error: Segmentation fault")
    assert "Segmentation fault" in CrashFile(tmp_path).earlier()
    assert CrashFile(tmp_path).earlier() == ""
    assert [path.name for path in tmp_path.glob("crash-*.log")]


def test_a_clean_end_leaves_no_crash_file(tmp_path: Path) -> None:
    program = (
        f"from pathlib import Path; from app.crash_report import CrashFile; c = CrashFile(Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", f"{program}; c.open(); c.close()"], cwd=ROOT, check=True, timeout=60)
    assert not list(tmp_path.iterdir())
    crash = f"{program}; c.open(); import faulthandler; faulthandler._sigsegv()"
    subprocess.run([sys.executable, "-c", crash], cwd=ROOT, check=False, timeout=60, stderr=subprocess.DEVNULL)
    assert "Segmentation fault" in CrashFile(tmp_path).earlier()


def test_the_command_line() -> None:
    arguments = arguments_of(["main.py", "a.npz", "b.h5.zip", "--demo", "--screenshot-dir", "out"])
    assert (arguments.files, arguments.demo) == ([Path("a.npz"), Path("b.h5.zip")], True)
    assert arguments.screenshot_dir == Path("out")


def test_without_a_display_the_program_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    lacking = DisplayCheck().lacking
    assert bool(lacking) is (sys.platform not in ("win32", "darwin"))
    if not lacking:
        return
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ptychoscope: there is no display.")
    assert len(done.stderr.splitlines()) == 1


def test_a_signal_ends_the_program_cleanly() -> None:
    watch = (
        "import sys; from PySide6.QtCore import QTimer; from app import application as a\n"
        "show = a.MainWindow.show\n"
        "def shown(window):\n"
        "    show(window); QTimer.singleShot(0, lambda: print('shown', flush=True))\n"
        "a.MainWindow.show = shown\n"
        "sys.exit(a.main(['main.py']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", watch], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "shown\n"
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "QThread" not in errors


def test_screenshots_of_the_window_and_of_each_panel(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "main.py", "--screenshot-dir", str(tmp_path / "shots")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = ["window", *(spec.panel_id for spec in PANELS)]
    assert done.stdout.split() == [str(tmp_path / "shots" / f"{name}.png") for name in names]
    assert all((tmp_path / "shots" / f"{name}.png").stat().st_size > 500 for name in names)


def test_the_demo_infers_once_scan_and_bundle_are_open(shown: Shown) -> None:
    from app.demo import Demo

    demo = Demo(shown.session, shown.controller, shown.window)
    shown.open(SCAN, BUNDLE)
    shown.settle()
    assert demo.begun
    assert shown.window.tabs.currentWidget() is shown.window.panels["patches"]
    assert [name for name, _ in shown.verbs.calls].count("infer") == 1
    assert shown.state.canvas is not None


def test_garbage_is_collected_in_the_window_s_thread_only(qtbot: QtBot) -> None:
    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    collector = Collector()
    assert not gc.isenabled()
    kept = weakref.ref(Cycle())
    assert kept() is not None
    collector.look()
    collector.collect_all()
    assert kept() is None
    collector.stop()
    assert gc.isenabled()
    gc.disable()
