from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.panels.explorer import ExplorerPanel
from app.panels.training import TrainingPanel
from app.state.app_state import AppState
from app.state.requests import TrainRequest
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import RunRecord
from ptycho_engine.events import DatasetOpened
from tests.app.fake_verbs import FakeVerbs
from tests.app.samples import make_dataset
from tests.app.window import SCAN, Shown

ONE, TWO = Path("/runs/one"), Path("/runs/two")
KEY, OTHER = "run:/runs/one", "run:/runs/two"


def _state(shown: Shown) -> AppState:
    return shown.session.state


def _wait_for_losses(shown: Shown, key: str) -> None:
    def whole() -> bool:
        watched = _state(shown).watched.get(key)
        return watched is not None and watched.job.n_done == 4

    shown.qtbot.waitUntil(whole, timeout=20_000)


def _wait_for_end(shown: Shown) -> None:
    shown.verbs.watched_run_ends.set()
    shown.qtbot.waitUntil(lambda: not shown.controller.watching.watches.watching, timeout=20_000)


def test_two_runs_are_watched_at_once_and_end(shown: Shown) -> None:
    for folder, key in ((ONE, KEY), (TWO, OTHER)):
        shown.controller.watching.watch(folder)
        _wait_for_losses(shown, key)
    assert {key: one.watching for key, one in _state(shown).watched.items()} == {KEY: True, OTHER: True}
    assert not _state(shown).busy, "a training can be started beside"
    _wait_for_end(shown)
    assert {key: run.state for key, run in _state(shown).runs.items()} == {KEY: "completed", OTHER: "completed"}
    assert len(_state(shown).bundles) == 2


def test_watching_is_stopped_and_begun_again(shown: Shown) -> None:
    shown.controller.watching.watch(ONE)
    _wait_for_losses(shown, KEY)
    shown.window.actions_by_id["stop_watching"].trigger()
    shown.qtbot.waitUntil(lambda: not shown.controller.watching.watches.watching, timeout=20_000)
    assert not _state(shown).watched[KEY].watching
    assert not shown.window.actions_by_id["stop_watching"].isEnabled()
    assert len(_state(shown).losses.steps) == 4, "what was told stays"
    shown.controller.watching.watch(ONE)
    _wait_for_losses(shown, KEY)
    assert len(_state(shown).losses.steps) == 4
    _wait_for_end(shown)


def test_closing_a_watched_run_ends_its_watch(shown: Shown) -> None:
    shown.controller.watching.watch(ONE)
    _wait_for_losses(shown, KEY)
    shown.controller.close_document(KEY)
    shown.qtbot.waitUntil(lambda: not shown.controller.watching.watches.watching, timeout=20_000)
    assert (dict(_state(shown).runs), dict(_state(shown).watched)) == ({}, {})


@pytest.mark.usefixtures("expects_notice")
def test_a_folder_that_cannot_be_watched_is_told(shown: Shown) -> None:
    shown.controller.watching.watch("/runs/bad")
    shown.qtbot.waitUntil(lambda: bool(_state(shown).notices), timeout=20_000)
    assert [notice.message for notice in _state(shown).notices] == ["/runs/bad: there is no such file. Check the path."]
    assert not _state(shown).watched["run:/runs/bad"].watching


def test_the_menu_asks_for_a_folder(shown: Shown, tmp_path: Path) -> None:
    shown.window.actions_by_id["watch"].trigger()
    dialog = shown.window.findChild(QFileDialog, "watch_folder")
    assert dialog is not None
    dialog.fileSelected.emit(str(tmp_path))
    dialog.close()
    _wait_for_losses(shown, f"run:{tmp_path}")
    _wait_for_end(shown)


def test_a_training_is_started_in_a_process_of_its_own_and_watched(shown: Shown, tmp_path: Path) -> None:
    shown.open(SCAN)
    panel = shown.window.panels["training"]
    assert isinstance(panel, TrainingPanel)
    panel.detached.setChecked(True)
    panel.folder.setText(str(tmp_path / "run"))
    scan = _state(shown).dataset
    assert scan is not None
    panel.ask_to_train()
    _wait_for_losses(shown, f"run:{tmp_path / 'run'}")
    _, training = next(call for call in shown.verbs.calls if call[0] == "detach")
    assert (training.folder, training.data, training.resume) == (tmp_path / "run", (scan.path,), False)
    assert "train" not in [name for name, _ in shown.verbs.calls]
    assert _state(shown).requests[f"run:{tmp_path / 'run'}"].detached
    shown.qtbot.waitUntil(lambda: _state(shown).stoppable is not None, timeout=20_000)
    shown.qtbot.waitUntil(panel.stop_button.isEnabled)
    shown.window.actions_by_id["stop"].trigger()
    shown.settle()
    assert ("interrupt", tmp_path / "run") in shown.verbs.calls
    assert not panel.stop_button.isEnabled(), "a second signal would cost the checkpoint"
    assert not shown.window.actions_by_id["stop"].isEnabled()
    _wait_for_end(shown)


def test_the_explorer_says_what_can_be_done_with_a_watched_run(shown: Shown) -> None:
    shown.controller.watching.watch(ONE)
    _wait_for_losses(shown, KEY)
    explorer = shown.window.panels["explorer"]
    assert isinstance(explorer, ExplorerPanel)
    texts = [action.text() for action in explorer.menu_for(KEY).actions()]
    assert "Stop &watching" in texts
    assert "Stop &detached training" in texts
    _wait_for_end(shown)
    assert "&Watch" in [action.text() for action in explorer.menu_for(KEY).actions()]


@pytest.fixture
def beside_running(qtbot: QtBot, tmp_path: Path) -> Iterator[Shown]:
    verbs = FakeVerbs()
    verbs.running = [RunRecord(ONE, "train", "running"), RunRecord(TWO, "train", "running")]
    shown = Shown(qtbot, tmp_path, verbs)
    yield shown
    shown.end()


@pytest.mark.usefixtures("expects_notice")
def test_runs_that_still_run_are_offered_at_the_start(beside_running: Shown) -> None:
    shown = beside_running
    shown.application.open_first_files([])
    shown.qtbot.waitUntil(lambda: bool(_state(shown).notices), timeout=20_000)
    notice = _state(shown).notices[0]
    assert (notice.message, notice.action) == ("2 runs are still going on: one, two.", "Watch")
    shown.window.notice_bar.acted.emit(notice.key)
    for key in (KEY, OTHER):
        _wait_for_losses(shown, key)
    assert _state(shown).notices == ()
    _wait_for_end(shown)


@pytest.mark.usefixtures("expects_notice")
def test_a_scan_that_is_no_file_cannot_be_trained_on_without_the_window(shown: Shown) -> None:
    shown.session.apply(DatasetOpened(replace(make_dataset("scan"), path=None)))
    shown.controller.train(TrainRequest(TrainConfig(), detached=True))
    shown.settle()
    assert "Save it first" in _state(shown).notices[0].message
    assert not [call for call in shown.verbs.calls if call[0] == "detach"]
