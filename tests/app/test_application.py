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
from socket import gethostname

import pytest
from PySide6.QtCore import QObject, Signal, qWarning
from pytestqt.qtbot import QtBot

from app.application import arguments_of
from app.collector import Collector
from app.controller import Controller
from app.crash_file import CrashFile
from app.crash_report import Hooks
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


PROGRAM = (
    "import resource, sys; from pathlib import Path; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
    "from app.crash_file import CrashFile; "
    "crash_file = CrashFile(Path(sys.argv[1])); crash_file.open(); "
)


def _process(folder: Path, then: str) -> int:
    words = [sys.executable, "-c", PROGRAM + then, str(folder)]
    return subprocess.run(words, cwd=ROOT, check=False, timeout=60, stderr=subprocess.DEVNULL).returncode


def test_what_a_crash_leaves_is_offered_once(tmp_path: Path) -> None:
    assert CrashFile(tmp_path).earlier() == ""
    assert _process(tmp_path, "crash_file.close()") == 0
    assert not list(tmp_path.iterdir()), "a clean end leaves nothing"
    assert _process(tmp_path, "import faulthandler; faulthandler._sigsegv()") == -signal.SIGSEGV
    (crashed,) = tmp_path.iterdir()
    earlier = crashed.with_name(f"crash.{gethostname()}-{os.getpid()}-1.00.log")
    earlier.write_text("Fatal Python error: Segmentation fault, of a process whose number is now that of another")
    assert _process(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)") == -signal.SIGKILL
    here = CrashFile(tmp_path)
    assert here.earlier().count("Segmentation fault") == 2
    assert here.kept in list(tmp_path.iterdir())
    assert [path.name[:6] for path in tmp_path.iterdir()] == ["crash-"] * 2
    assert CrashFile(tmp_path).earlier() == ""


def test_two_windows_have_a_crash_file_each(tmp_path: Path) -> None:
    """A second window neither offers the file of one that runs, nor takes it away, nor writes into it."""
    words = [sys.executable, "-c", PROGRAM + "print('open', flush=True); sys.stdin.read()", str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        (theirs,) = tmp_path.iterdir()
        theirs.write_text("Fatal Python error: Segmentation fault")
        assert CrashFile(tmp_path).earlier() == ""
        assert _process(tmp_path, "assert crash_file.earlier() == ''; crash_file.close()") == 0
        assert list(tmp_path.iterdir()) == [theirs]
        other.kill()
    assert "Segmentation fault" in CrashFile(tmp_path).earlier()


def test_few_reports_of_crashes_are_kept(tmp_path: Path) -> None:
    for day in range(10, 30):
        (tmp_path / f"crash-202501{day}-120000-here-1-2.00.log").write_text("Fatal")
    (tmp_path / "crash.log-of-somebody").write_text("kept")
    CrashFile(tmp_path).earlier()
    left = sorted(path.name[:14] for path in tmp_path.iterdir())
    assert left == [*(f"crash-202501{day}" for day in range(20, 30)), "crash.log-of-s"]


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
    assert shown.window.panels["patches"].isVisible()
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


def test_what_was_imported_meanwhile_is_set_aside_until_the_job_ends(qtbot: QtBot) -> None:
    class Cycle:
        def __init__(self) -> None:
            self.self = self

    collector = Collector()
    collector._modules -= 1000
    kept = weakref.ref(Cycle())
    collector.look()
    gc.collect()
    assert kept() is not None
    assert len(gc.get_objects()) < 1000
    collector.collect_all()
    assert kept() is None
    assert len(gc.get_objects()) < 1000
    collector.stop()
    gc.disable()
