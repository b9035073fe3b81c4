"""A training in a process of its own dies; the window lives, says so, and goes on from the checkpoint."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.jobs import unfinished
from app.jobs.detacher import DetachedTraining, start_detached
from app.panels.training import TrainingPanel
from app.state.app_events import NoticeRaised
from ptycho_engine import events
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import RunRecord
from ptycho_engine.events import EngineEvent, EpochDone, RunEnded, StepDone, TrainingCompleted
from ptycho_engine.formats import read_dataset
from ptycho_engine.runs.run_folder import list_checkpoints, read_run
from ptycho_engine.watching.watch import watch
from tests.app.fake_verbs import FakeVerbs
from tests.app.window import SCAN, Shown
from tests.faults.long_form import long_form
from tests.faults.tiny_training import CONFIG, of, training, weights
from tests.helpers.scan_file import write_tiny_scan


class Dying(FakeVerbs):
    """A process of its own that dies after the second epoch."""

    def watch(self, folder: Path, wait: Callable[[float], object]) -> Iterator[EngineEvent]:
        self.calls.append(("watch", folder))
        yield events.RunFound(RunRecord(folder, "train", "running", 0, 3), "Ptychoscope")
        checkpoint = folder / "checkpoints" / "epoch-0002.ckpt"
        yield RunEnded(RunRecord(folder, "train", "stopped", 2, 3, checkpoint), True, "its process crashed (x)")


@pytest.mark.usefixtures("expects_notice")
def test_the_window_says_that_a_process_died_and_goes_on_from_its_checkpoint(qtbot: QtBot, tmp_path: Path) -> None:
    verbs = Dying()
    shown = Shown(qtbot, tmp_path / "runs", verbs)
    shown.open(SCAN)
    panel = shown.window.panels["training"]
    assert isinstance(panel, TrainingPanel)
    panel.detached.setChecked(True)
    panel.folder.setText(str(tmp_path / "run"))
    panel.ask_to_train()

    def offers() -> list[QPushButton]:
        buttons = shown.window.notice_bar.findChildren(QPushButton)
        return [one for one in buttons if one.text() == "Continue from epoch 2"]

    qtbot.waitUntil(lambda: bool(offers()), timeout=20_000)
    assert shown.window.notice_bar.messages() == [
        "run: died: its process crashed (x); its newest checkpoint is kept, to resume from"
    ]
    offers()[0].click()
    qtbot.waitUntil(lambda: [name for name, _ in verbs.calls].count("watch") == 2, timeout=20_000)
    begun = [training for name, training in verbs.calls if name == "detach"]
    assert [(one.folder, one.resume) for one in begun] == [(tmp_path / "run", False), (tmp_path / "run", True)]
    # Beside it another training starts at once: nothing of the window has died.
    panel.detached.setChecked(False)
    panel.folder.setText("")
    shown.settle()
    panel.ask_to_train()
    shown.settle()
    assert [name for name, _ in verbs.calls].count("train") == 1
    assert shown.state.job is not None
    assert shown.state.job.state == "completed"
    shown.end()


def _process(folder: Path, *, lives: bool, **more: object) -> None:
    started = psutil.Process().create_time() if lives else 1.0
    values = {"pid": os.getpid(), "host": socket.gethostname(), "started": started, **more}
    (folder / "detached.json").write_text(json.dumps(values))


def _offered() -> list[str]:
    return [one.notice.action for one in unfinished.offer_unfinished() if isinstance(one, NoticeRaised)]


def test_a_process_that_died_while_no_window_was_there_is_offered_at_the_next_start(tmp_path: Path) -> None:
    run = training(tmp_path)
    for event in run:
        if isinstance(event, EpochDone):
            break
    run.close()
    unfinished.mark_detached(tmp_path)
    _process(tmp_path, lives=True)
    assert _offered() == []
    _process(tmp_path, lives=False)
    assert _offered() == ["Continue from epoch 1"]
    assert _offered() == []
    # One that a person has stopped is no accident.
    unfinished.mark_detached(tmp_path)
    _process(tmp_path, lives=False, asked_to_stop=True)
    assert _offered() == []
    # Nor one that goes on in a window, which has a mark of its own.
    unfinished.mark_detached(tmp_path)
    _process(tmp_path, lives=False)
    run = unfinished.marked(training(tmp_path, resume=True), tmp_path)
    for event in run:
        if isinstance(event, StepDone):
            break
    run.close()
    assert _offered() == []


@long_form
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_a_process_that_is_killed_resumes_to_the_unbroken_training(name: str, tmp_path: Path) -> None:
    scan, folder = write_tiny_scan(tmp_path / "scan.npz"), tmp_path / "run"
    config = TrainConfig.from_dict(CONFIG.as_dict() | {"epochs": 8})
    list(start_detached(DetachedTraining(folder, config, (scan,))))
    process = psutil.Process(json.loads((folder / "detached.json").read_text())["pid"])
    seen: list[EngineEvent] = []
    for event in watch(folder):
        seen.append(event)
        if isinstance(event, EpochDone) and event.epoch == 1:
            process.send_signal(getattr(signal, name))
    ended = seen[-1]
    assert isinstance(ended, RunEnded)
    assert ended.died
    assert ("crashed (Segmentation fault" in ended.message) is (name == "SIGSEGV")
    assert ("ended from outside" in ended.message) is (name == "SIGKILL")
    assert len(list_checkpoints(folder)) >= 2
    assert _offered() == [f"Continue from epoch {ended.run.epoch}"]
    list(start_detached(DetachedTraining(folder, config, (scan,), resume=True)))
    again = list(watch(folder))
    assert isinstance(again[-1], RunEnded)
    assert (again[-1].died, read_run(folder).state) == (False, "completed")
    (bundle,) = [event.bundle for event in of(again, events.BundleLoaded)]
    unbroken = training(dataset=read_dataset(scan), epochs=8)
    assert {key: one.tobytes() for key, one in bundle.state.items()} == weights(of(unbroken, TrainingCompleted))
