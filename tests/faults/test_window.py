"""The window meets faults: a job that fails, a window that is closed at any moment, settings that are garbage."""

import base64
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from PySide6.QtCore import QThreadPool
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.collector import Collector
from app.jobs import unfinished
from app.settings import Settings, SettingsStore, config_folder, state_folder
from app.signals import EndSignals
from app.state.app_events import NoticeRaised, RunOpened
from app.state.app_state import RESUME_KEY, Notice, run_id
from app.state.requests import TrainRequest
from ptycho_engine.bundles.checkpoint import read_checkpoint
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import RunRecord
from ptycho_engine.events import EngineEvent, MessageLogged, StepDone
from ptycho_engine.runs.run_folder import read_run
from tests.app.fake_verbs import FakeVerbs
from tests.app.window import SCAN, Shown
from tests.faults.long_form import count
from tests.faults.tiny_training import training


class Failing(FakeVerbs):
    """Fails in the fifth step of its first training, as ``fault`` says."""

    fault: BaseException | None = None

    def train(self, *arguments: Any, **named: Any) -> Iterator[EngineEvent]:
        fault, self.fault = self.fault, None
        for number, event in enumerate(super().train(*arguments, **named)):
            if number == 5 and fault is not None:
                raise fault
            yield event


def _outcome(shown: Shown) -> str:
    return shown.state.job.state if shown.state.job is not None else ""


FAULTS = {
    "a defect": (KeyError("weights"), "Unexpected KeyError: 'weights'"),
    "no memory": (MemoryError(), "There is not enough memory."),
    "a disk": (OSError(5, "Input/output error", "/mnt/scan.npz"), "/mnt/scan.npz: Input/output error."),
    "recursion": (RecursionError("too deep"), "Unexpected RecursionError: too deep"),
}


@pytest.mark.usefixtures("expects_notice")
@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS)
def test_after_a_fault_in_a_job_the_next_one_runs(
    fault: BaseException, said: str, qtbot: QtBot, tmp_path: Path
) -> None:
    verbs = Failing()
    shown = Shown(qtbot, tmp_path / "runs", verbs)
    shown.open(SCAN)
    verbs.fault = fault
    shown.window.actions_by_id["train"].trigger()
    shown.settle()
    assert shown.window.notice_bar.messages()[0].startswith(said)
    assert _outcome(shown) == "failed"
    shown.window.actions_by_id["train"].trigger()
    shown.settle()
    assert _outcome(shown) == "completed"
    assert shown.state.bundle is not None
    shown.end()


@pytest.mark.usefixtures("expects_notice")
def test_what_must_be_seen_at_once_is_a_notice(shown: Shown) -> None:
    shown.session.apply(MessageLogged("warning", "only for the log"))
    shown.session.apply(MessageLogged("warning", "The training goes on, but cannot be saved: no space.", shown=True))
    shown.session.apply(MessageLogged("warning", "The training goes on, but cannot be saved: no room.", shown=True))
    # A repeated notice replaces its predecessor.
    assert shown.window.notice_bar.messages() == ["The training goes on, but cannot be saved: no room."]


@pytest.mark.timeout(count(180, 3600))
def test_closed_at_any_moment_the_window_leaves_nothing_behind(qtbot: QtBot, tmp_path: Path) -> None:
    moments = random.Random(3)
    for number in range(count(2, 100)):
        verbs = FakeVerbs(pausing=True)
        shown = Shown(qtbot, tmp_path / "runs", verbs)
        shown.open(SCAN)
        shown.window.actions_by_id["train"].trigger()
        if moments.random() < 0.7:
            assert verbs.paused.wait(5)
        (shown.window.save_and_leave, shown.window.leave, shown.window.close)[number % 3]()
        verbs.go_on.set()
        shown.end()
        assert verbs.saved_at_stop or not verbs.paused.is_set()
        assert not shown.controller.runner.busy


class Training(FakeVerbs):
    """Trains in earnest, for as long as it is let."""

    def train(self, datasets: Any, config: Any, *, out: Path, resume: bool, **rest: Any) -> Iterator[EngineEvent]:
        events = training(out, resume=resume, epochs=10_000, n_groups=12, batch_size=1)
        return unfinished.marked(events, out)


def _has_done(shown: Shown, n_steps: int) -> bool:
    return shown.state.job is not None and shown.state.job.n_done >= n_steps


@pytest.mark.timeout(count(180, 3600))
def test_cancelled_at_any_moment_a_training_keeps_that_moment_and_the_next_one_runs(
    qtbot: QtBot, tmp_path: Path
) -> None:
    moments = random.Random(5)
    shown = Shown(qtbot, tmp_path / "runs", Training())
    shown.open(SCAN)
    seconds = []
    for _ in range(count(1, 50)):
        shown.window.actions_by_id["train"].trigger()
        wanted = moments.randrange(1, count(4, 40))
        qtbot.waitUntil(partial(_has_done, shown, wanted), timeout=150_000)
        folder = shown.state.running_training
        asked = time.monotonic()
        shown.window.actions_by_id["stop"].trigger()
        shown.settle()
        seconds.append(time.monotonic() - asked)
        assert _outcome(shown) == "stopped"
        assert folder is not None
        run = read_run(folder)
        assert (run.state, run.verb) == ("stopped", "train")
        assert run.checkpoint is not None
        assert read_checkpoint(run.checkpoint).values["progress"]["step"] >= wanted
        assert not list(folder.rglob(".*.tmp"))
    sys.stderr.write(f"stopped in {max(seconds):.1f} s at most, {sorted(seconds)[len(seconds) // 2]:.1f} s usually\n")
    shown.end()


def test_a_window_that_loses_its_display_comes_back_to_its_training(qtbot: QtBot, tmp_path: Path) -> None:
    shown = Shown(qtbot, tmp_path / "runs")
    shown.open(SCAN)
    shown.start_and_pause()
    folder = shown.state.running_training
    shown.verbs.go_on.set()
    # Qt ends its loop: nobody has left the window.
    assert shown.application.shut_down()
    assert SettingsStore().settings.resume_run == str(folder)
    shown.end()


@pytest.mark.timeout(count(180, 3600))
def test_many_runs_in_one_process_leave_threads_and_files_as_they_were(qtbot: QtBot, tmp_path: Path) -> None:
    shown = Shown(qtbot, tmp_path / "runs")
    shown.open(SCAN)
    process = psutil.Process()
    collector = Collector()
    shown.application.controller.runner.idle.connect(collector.collect_all)

    def run_some(number: int) -> None:
        for _ in range(number):
            shown.window.actions_by_id["train"].trigger()
            shown.settle()

    # By itself Qt ends a thread of its pool after half a minute without work, and the count would depend on when.
    pool = QThreadPool.globalInstance()
    pool.setExpiryTimeout(0)
    run_some(count(2, 200))
    pool.waitForDone()
    threads, python_threads, files = process.num_threads(), threading.active_count(), process.num_fds()
    memory = process.memory_info().rss
    number = count(4, 2000)
    run_some(number)
    pool.waitForDone()
    growth = process.memory_info().rss - memory
    sys.stderr.write(f"{number} runs: {growth / 2**20:.1f} MiB more, {process.num_threads() - threads} threads more\n")
    assert process.num_threads() == threads
    assert threading.active_count() == python_threads
    assert process.num_fds() == files
    assert growth < 50 * 2**20
    collector.stop()
    shown.end()


def test_a_stopped_training_leaves_no_mark_and_a_killed_one_is_offered_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    marks = state_folder() / "running"
    run = unfinished.marked(training(folder), folder)
    for event in run:
        if isinstance(event, StepDone) and event.step == 3:
            break
    (mark,) = marks.iterdir()
    content = mark.read_bytes()
    # Another window starts while it runs: it belongs to this one.
    assert list(unfinished.offer_unfinished()) == []
    run.close()
    assert not list(marks.iterdir())
    # As if it had been killed: nobody has taken the mark away.
    mark.write_bytes(content)
    offered = list(unfinished.offer_unfinished())
    assert isinstance(offered[-2], RunOpened)
    assert isinstance(offered[-1], NoticeRaised)
    notice = offered[-1].notice
    assert notice.message == "The training run was cut off after epoch 1 of 2. Its state is kept."
    assert notice.action == "Continue from epoch 1"
    assert list(unfinished.offer_unfinished()) == []


def test_marks_of_runs_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    marks = state_folder() / "running"
    marks.mkdir(parents=True)
    for number, content in enumerate((b"/nowhere/run", b"", b"\0", os.urandom(100), b"x" * 10**5)):
        (marks / f"{number}-a.run").write_bytes(content)
    assert list(unfinished.offer_unfinished()) == []
    assert not list(marks.iterdir())


@pytest.mark.usefixtures("expects_notice")
def test_the_button_of_the_offer_goes_on_with_the_training(qtbot: QtBot, tmp_path: Path) -> None:
    verbs = FakeVerbs()
    shown = Shown(qtbot, tmp_path / "runs", verbs)
    shown.open(SCAN)
    folder = tmp_path / "run"
    run = RunRecord(folder, "train", "stopped", 3, 10, folder / "epoch-0003.ckpt", None)
    request = TrainRequest(TrainConfig(epochs=10), dataset_id=shown.state.dataset_id, run_folder=folder)
    key = f"{RESUME_KEY}{run_id(folder)}"
    offer = Notice(key, "warning", "The training run was cut off.", action="Continue from epoch 3")
    verbs.unfinished = [RunOpened(run, request), NoticeRaised(offer)]
    shown.application.open_first_files([])
    shown.settle()
    (button,) = [
        one for one in shown.window.notice_bar.findChildren(QPushButton) if one.text() == "Continue from epoch 3"
    ]
    button.click()
    shown.settle()
    asked = dict(verbs.calls)["train"]
    assert (asked["resume"], asked["out"], asked["config"].epochs) == (True, folder, 10)
    assert shown.window.notice_bar.messages() == []
    shown.end()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_second_signal_ends_the_window_at_once(name: str, qtbot: QtBot) -> None:
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"{name} does not exist here")
    signals = EndSignals()
    insisted: list[int] = []
    signals.insisted.connect(insisted.append)
    signals.install()
    try:
        with qtbot.waitSignal(signals.asked, timeout=5000):
            os.kill(os.getpid(), number)
        assert signals.exit_status(0) == 128 + number
        with qtbot.waitSignal(signals.insisted, timeout=5000):
            os.kill(os.getpid(), number)
    finally:
        signals.remove()
    assert insisted == [128 + number]


GARBAGE: dict[str, Any] = {
    "geometry": 7, "docks": {"train": 3}, "tabs": [1], "theme": "pink", "layout": None, "resume_run": {}, "training": 1,
}  # fmt: skip


def _settings(text: str | bytes) -> Path:
    path = config_folder() / "settings.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", GARBAGE)
def test_one_bad_entry_costs_nothing_else(name: str) -> None:
    good = {"schema": 1, "recent_files": ["/data/a.npz"], "last_folder": "/data"}
    _settings(json.dumps(good | {name: GARBAGE[name]}))
    store = SettingsStore()
    assert store.settings == Settings(recent_files=("/data/a.npz",), last_folder="/data")
    assert name in store.problem
    assert SettingsStore().problem == ""


@pytest.mark.timeout(count(180, 3600))
def test_random_settings_never_stop_the_start(tmp_path: Path) -> None:
    moments = random.Random(0)
    whole = json.dumps({"schema": 1, "recent_files": ["/a"] * 5, "docks": {"train": "AAAA"}}).encode()
    texts = [b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"null", b'{"schema": 1e999}', b"\0" * 100]
    for _ in range(count(50, 1000)):
        changed = bytearray(whole[: moments.randrange(1, len(whole) + 1)])
        for _ in range(moments.randrange(4)):
            changed[moments.randrange(len(changed))] = moments.randrange(256)
        texts.append(bytes(changed) if moments.random() < 0.7 else moments.randbytes(60))
    for text in texts:
        path = _settings(text)
        store = SettingsStore()
        assert isinstance(store.settings, Settings)
        if store.problem:
            assert any(one.read_bytes() == text for one in path.parent.glob("settings.json.broken-*"))
        for one in path.parent.iterdir():
            one.unlink()


@pytest.mark.parametrize(
    "entry",
    [
        {"geometry": base64.b64encode(b"garbage").decode()},
        {"geometry": "ü\u202e"},
        {"docks": {"train": base64.b64encode(os.urandom(300)).decode()}, "tabs": {"train": "nowhere"}},
        {"training": {"epochs": 1e400, "learning_rate": float("nan"), "gridsize": "x", "seed": -(10**30)}},
        {"layout": "nowhere"},
    ],
)
def test_the_window_opens_with_remembered_nonsense(entry: dict[str, Any], qtbot: QtBot, tmp_path: Path) -> None:
    _settings(json.dumps({"schema": 1, "recent_files": ["/data/a.npz"], **entry}))
    shown = Shown(qtbot, tmp_path / "runs")
    assert shown.application.settings.settings.recent_files == ("/data/a.npz",)
    shown.end()
