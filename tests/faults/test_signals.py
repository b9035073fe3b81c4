"""Signals and lost terminals and displays, on whole processes; most of them in the long form."""

import itertools
import json
import os
import pty
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from app.crash_file import CrashFile
from app.display_server import DisplayCheck
from app.jobs.unfinished import offer_unfinished
from app.settings import state_folder
from app.state.app_events import NoticeRaised
from ptycho_engine.bundles.checkpoint import read_checkpoint
from ptycho_engine.cli import main
from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt, Interrupted
from ptycho_engine.events import EngineEvent, MessageLogged, StepDone
from ptycho_engine.runs.recorder import record
from ptycho_engine.runs.run_folder import RunFolder, list_checkpoints, read_run
from ptycho_engine.stoppable_reading import go_on_of, stoppable
from tests.faults.long_form import long_form
from tests.helpers.scan_file import write_tiny_scan
from tests.helpers.tiny_scan import tiny_scan

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_scan(tmp_path_factory.mktemp("scan") / "scan.npz")


def command(scan: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "ptycho_engine", "train", "--data", str(scan), "--out", str(out), "--gridsize", "1",
        "--n-groups", "12", "--batch-size", "2", "--epochs", "100000", "--n-filters-scale", "1", "--accelerator",
        "cpu", *more,
    ]  # fmt: skip


def test_the_exit_status_is_that_of_the_second_signal_too() -> None:
    def verb() -> Generator[EngineEvent, None, None]:
        yield StepDone(1, 2, 0, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        yield StepDone(2, 2, 0, 1)

    with Interrupt(Console(quiet=True)) as interrupt:
        with pytest.raises(Interrupted) as first:
            list(interrupt.until(verb()))
        with pytest.raises(KeyboardInterrupt) as second:
            os.kill(os.getpid(), signal.SIGTERM)
    assert first.value.exit_status == 128 + signal.SIGTERM
    assert second.value.args == (signal.SIGTERM,)


def test_a_signal_before_anything_is_computed_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads_long(*_: object) -> int:
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        except Exception:  # noqa: BLE001 - as libraries do that try to import others
            return 0
        return 0

    monkeypatch.setattr("ptycho_engine.cli.inspect.run", reads_long)
    assert main(["inspect", "x"]) == 128 + signal.SIGHUP


def test_a_signal_while_a_run_is_made_ready_stops_at_once(tmp_path: Path) -> None:
    def verb() -> Generator[EngineEvent, None, None]:
        yield MessageLogged("info", "Computing on the CPU")
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("grouping and reading go on")

    with Interrupt(Console(quiet=True)) as interrupt, pytest.raises(KeyboardInterrupt):
        list(interrupt.until(record(verb(), RunFolder(tmp_path, "train", {}))))
    assert read_run(tmp_path).state == "stopped"
    assert not (tmp_path / ".lock").exists()


END = "import atexit, sys; atexit.register(print, 'late'); from ptycho_engine.process_end import end_process; "


def test_the_end_of_the_process_writes_what_was_printed_and_waits_for_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", END + "sys.stdout.write('all of it'); end_process(3)"],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "all of it")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_printed_is_no_success() -> None:
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-c", END + "sys.stdout.write('lost'); end_process(0)"]
        held_back = ENVIRONMENT | {"PYTHONUNBUFFERED": ""}
        assert subprocess.run(words, cwd=ROOT, env=held_back, stdout=full, check=False).returncode == 120


def test_a_verb_is_closed_though_nobody_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def verb() -> Generator[EngineEvent, None, None]:
        try:
            for step in itertools.count():
                yield StepDone(step, 10**6, 0, 1)
        finally:
            closed.append(True)

    def gone(*_: object) -> None:
        raise OSError(5, "Input/output error")

    console = Console()
    monkeypatch.setattr(console, "message", gone)
    # Held here: a generator that nobody holds is closed by itself.
    events = verb()

    def consume(interrupt: Interrupt) -> None:
        for _ in interrupt.until(events):
            os.kill(os.getpid(), signal.SIGHUP)

    with Interrupt(console) as interrupt, pytest.raises(Interrupted):
        consume(interrupt)
    assert closed == [True]


def test_a_signal_while_a_verb_groups_or_compares_ends_it_there() -> None:
    """Between two events: what a scan's verb asks between its blocks is whether a signal has come."""
    with Interrupt(Console(quiet=True)) as interrupt:
        go_on = go_on_of(stoppable(tiny_scan(), interrupt.asked))

        def verb() -> Generator[EngineEvent, None, None]:
            yield StepDone(1, 2, 0, 1)
            go_on()
            os.kill(os.getpid(), signal.SIGTERM)
            go_on()
            raise AssertionError("the work goes on")

        with pytest.raises(Interrupted) as stopped:
            list(interrupt.until(verb()))
    assert stopped.value.exit_status == 128 + signal.SIGTERM


@long_form
@pytest.mark.timeout(1500)
def test_signals_at_random_moments_leave_a_run_to_resume(scan: Path, tmp_path: Path) -> None:
    moments = random.Random(1)
    for number in range(int(os.environ.get("PTYCHOSCOPE_SIGNALS", "12"))):
        name = ("SIGINT", "SIGTERM", "SIGHUP")[number % 3]
        out = tmp_path / f"run-{number}"
        with subprocess.Popen(
            command(scan, out, "--json"), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            seen = 0
            wanted = moments.randrange(1, 60)
            for line in process.stdout:
                seen += json.loads(line)["event"] == "step_done"
                if seen == wanted:
                    break
            asked = time.monotonic()
            process.send_signal(getattr(signal, name))
            if number % 4 == 3:
                process.send_signal(getattr(signal, name))
            _, errors = process.communicate(timeout=60)
            gone_s = time.monotonic() - asked
        assert process.returncode == 128 + getattr(signal, name), errors
        assert b"Traceback" not in errors
        assert read_run(out).state == "stopped"
        for path in list_checkpoints(out):
            read_checkpoint(path)
        assert list_checkpoints(out) or wanted <= 6
        sys.stderr.write(f"{name}: gone in {gone_s:.1f} s\n")


@long_form
def test_a_lost_terminal_keeps_the_run(scan: Path, tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, command(scan, tmp_path / "run"), ENVIRONMENT)
    seen = b""
    while b"epoch 2/" not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    assert read_run(tmp_path / "run").state == "stopped"
    assert list_checkpoints(tmp_path / "run")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is always a display")
@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "there is no display"),
        ({"QT_QPA_PLATFORM": "xcb"}, "there is no display"),
        ({"QT_QPA_PLATFORM": "wayland"}, "there is no display"),
        ({"DISPLAY": ":54321"}, "the display :54321 does not answer"),
        ({"DISPLAY": "nonsense"}, "the display nonsense does not answer"),
        ({"WAYLAND_DISPLAY": "wayland-77", "XDG_RUNTIME_DIR": "/nowhere"}, "the display wayland-77 does not answer"),
        ({"QT_QPA_PLATFORM": "offscreen"}, ""),
        ({"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":54321"}, ""),
    ],
)
def test_a_display_that_does_not_answer_is_told_before_qt_starts(environment: Mapping[str, str], reason: str) -> None:
    assert DisplayCheck(environment).lacking == reason


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such sockets")
def test_a_display_that_answers_is_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "wayland-0"))
        server.listen()
        check = DisplayCheck({"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)})
        assert check.lacking == ""
        # Held until Qt has a connection of its own: a server whose only client leaves starts anew.
        connection, _ = server.accept()
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        check.close()
        assert connection.recv(1) == b""
        connection.close()


DEAD = {"DISPLAY": ":54321", "QT_QPA_PLATFORM": "xcb"}


@long_form
def test_a_window_without_a_display_ends_with_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=ROOT, env=ENVIRONMENT | DEAD, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ptychoscope: the display :54321 does not answer.")
    assert len(done.stderr.splitlines()) == 1


WINDOW = """
import sys, threading
from pathlib import Path
from PySide6.QtCore import QTimer
from app import application as a
from ptycho_engine.process_end import end_process
from tests.app.fake_verbs import FakeVerbs
from tests.faults.tiny_training import training

class Endless(FakeVerbs):
    def train(self, datasets, config, *, test_dataset, out, resume, start_from):
        from app.jobs.unfinished import marked
        return marked(training(out, epochs=100000), out)

class Shown(a.Application):
    def __init__(self, qt):
        super().__init__(qt, Endless(), Path(sys.argv[1]))
        self.controller.open_files([Path("/nowhere/scan.npz")])
        QTimer.singleShot(2000, self.window.actions_by_id["train"].trigger)
        self.session.losses_changed.connect(self.told)

    def told(self):
        if len(self.session.state.losses.epochs):
            print("epoch", flush=True)

a.Application = Shown
end_process(a.main(["main.py"]))
"""


def _window(runs: Path, more: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WINDOW, str(runs)],
        cwd=ROOT,
        env=ENVIRONMENT | dict(more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_an_epoch(process: "subprocess.Popen[str]") -> None:
    guard = threading.Timer(600, process.kill)
    guard.start()
    assert process.stdout is not None
    line = process.stdout.readline()
    guard.cancel()
    assert line == "epoch\n", process.communicate()[1]


@long_form
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGSEGV", "SIGKILL"])
def test_a_window_that_is_ended_leaves_its_training_to_be_continued(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    process = _window(tmp_path / "runs", state)
    _wait_for_an_epoch(process)
    number = getattr(signal, name)
    asked = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    sys.stderr.write(f"{name}: gone in {time.monotonic() - asked:.1f} s\n")
    assert "QThread" not in errors
    (run,) = (tmp_path / "runs").iterdir()
    assert read_run(run).state == "stopped"
    assert list_checkpoints(run)
    clean = name in ("SIGHUP", "SIGTERM")
    assert process.returncode == (128 + number if clean else -number)
    # The next start: what crashed is told, and what was cut off is offered, once.
    monkeypatch.setenv("XDG_STATE_HOME", state["XDG_STATE_HOME"])
    assert ("Segmentation fault" in CrashFile(state_folder()).earlier()) is (name == "SIGSEGV")
    offered = [one.notice.action for one in offer_unfinished() if isinstance(one, NoticeRaised)]
    assert offered == ([] if clean else [f"Continue from epoch {read_run(run).epoch}"])
    assert not list(offer_unfinished())


@long_form
def test_a_lost_display_leaves_the_training_to_be_continued(tmp_path: Path) -> None:
    try:
        server = subprocess.Popen(["Xvfb", ":47", "-noreset", "-screen", "0", "800x600x24"], stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        pytest.skip("needs Xvfb")
    state = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "DISPLAY": ":47", "QT_QPA_PLATFORM": "xcb"}
    while server.poll() is None:
        check = DisplayCheck(state)
        check.close()
        if not check.lacking:
            break
        threading.Event().wait(0.1)
    process = _window(tmp_path / "runs", state)
    _wait_for_an_epoch(process)
    server.kill()
    server.wait()
    process.communicate(timeout=60)
    assert process.returncode != 0
    (run,) = (tmp_path / "runs").iterdir()
    assert read_run(run).state == "stopped"
    assert list_checkpoints(run)
    # Qt ends its loop then, and the training is stopped as by a person.
    settings = json.loads((tmp_path / "config" / "ptychoscope" / "settings.json").read_text())
    assert settings["resume_run"] == str(run)
