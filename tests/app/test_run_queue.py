from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.panels.training import TrainingPanel
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import TrainingDiverged
from ptycho_engine.events import EngineEvent
from tests.app.fake_verbs import FakeVerbs
from tests.app.window import BUNDLE, SCAN, Shown


class FailingOnce(FakeVerbs):
    """The training of three epochs fails."""

    def train(self, datasets: Sequence[Dataset], config: Any, **named: Any) -> Iterator[EngineEvent]:
        if config.epochs == 3:
            self.calls.append(("failed", config))
            raise TrainingDiverged("the loss is not finite any more", "Lower the rate.")
        yield from super().train(datasets, config, **named)


def epochs_trained(shown: Shown) -> list[int]:
    return [
        call["config"].epochs if verb == "train" else call.epochs
        for verb, call in shown.verbs.calls
        if verb in ("train", "failed")
    ]


def panel_of(shown: Shown) -> TrainingPanel:
    panel = shown.window.panels["training"]
    assert isinstance(panel, TrainingPanel)
    return panel


def add(shown: Shown, *epochs: int) -> None:
    for number in epochs:
        panel_of(shown).show_config({"epochs": number})
        shown.window.actions_by_id["queue"].trigger()


def waiting(shown: Shown) -> list[int]:
    return [run.request.config.epochs for run in shown.state.queue.runs]


@pytest.mark.usefixtures("expects_notice")
def test_the_queue_goes_on_after_a_failed_training(qtbot: QtBot, tmp_path: Path) -> None:
    shown = Shown(qtbot, tmp_path / "runs", FailingOnce())
    shown.open(SCAN)
    shown.verbs.pausing = True
    add(shown, 2, 3, 4)
    assert shown.verbs.paused.wait(60)
    assert waiting(shown) == [3, 4]
    shown.verbs.pausing = False
    shown.verbs.go_on.set()
    qtbot.waitUntil(lambda: epochs_trained(shown) == [2, 3, 4], timeout=30_000)
    shown.settle()
    assert waiting(shown) == []
    assert any("not finite" in notice.message for notice in shown.state.notices)
    shown.end()


def test_order_and_removal_by_the_keyboard(shown: Shown) -> None:
    shown.open(SCAN)
    shown.start_and_pause()
    add(shown, 5, 6, 7)
    queue = panel_of(shown).queue
    assert queue.isVisible()
    shown.window.activateWindow()
    queue.list.setFocus()
    queue.list.setCurrentRow(2)
    QTest.keyClick(queue.list, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert waiting(shown) == [5, 7, 6]
    assert queue.list.currentRow() == 1
    QTest.keyClick(queue.list, Qt.Key.Key_Delete)
    assert waiting(shown) == [5, 6]
    queue.up.click()
    queue.down.click()
    assert waiting(shown) == [5, 6]
    assert queue.list.item(0).text().startswith("scan · ")


def test_a_held_queue_waits_until_it_is_asked(shown: Shown) -> None:
    shown.open(SCAN)
    queue = panel_of(shown).queue
    shown.start_and_pause()
    add(shown, 8)
    queue.automatic.click()
    shown.verbs.pausing = False
    shown.verbs.go_on.set()
    shown.settle()
    assert waiting(shown) == [8]
    queue.start.click()
    assert waiting(shown) == []
    shown.settle()
    assert epochs_trained(shown)[-1] == 8
    assert queue.isHidden()


def test_the_bundle_of_the_moment_of_queueing_is_started_from(shown: Shown) -> None:
    shown.open(SCAN, BUNDLE)
    shown.start_and_pause()
    first = shown.state.bundle_id
    panel = panel_of(shown)
    panel.from_bundle.setChecked(True)
    shown.verbs.pausing = False
    panel.ask_to_queue()
    shown.controller.open_files([Path("/nowhere/other.h5.zip")])
    shown.qtbot.waitUntil(lambda: shown.state.bundle_id != first, timeout=30_000)
    shown.verbs.go_on.set()
    shown.qtbot.waitUntil(lambda: len(epochs_trained(shown)) == 2, timeout=30_000)
    shown.settle()
    assert shown.verbs.calls[-1][1]["from"].name == "net"


@pytest.mark.usefixtures("expects_notice")
def test_a_scan_that_the_queue_needs_stays_open(shown: Shown) -> None:
    shown.open(SCAN, Path("/nowhere/other.npz"))
    scan, other = shown.state.datasets
    shown.start_and_pause()
    panel = panel_of(shown)
    panel.queue_asked.emit(replace(panel.request(), dataset_id=scan))
    shown.controller.close_document(scan)
    assert scan in shown.state.datasets
    assert "queue" in shown.state.notices[-1].message
    panel.queue_remove_asked.emit(shown.state.queue.runs[0].id)
    shown.controller.close_document(scan)
    assert list(shown.state.datasets) == [other]


def test_leaving_starts_nothing_more(shown: Shown) -> None:
    shown.open(SCAN)
    shown.start_and_pause()
    add(shown, 9)
    shown.window.leave()
    shown.verbs.go_on.set()
    shown.settle()
    assert len(epochs_trained(shown)) == 1
