"""The line that tells how much memory a training would take, below its settings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app import memory_hint
from app.jobs.memory_reader import MemoryAnswer, read_memory_need
from app.panels.training import TrainingPanel
from ptycho_engine import memory_need
from ptycho_engine.config import TrainConfig
from tests.app.window import SCAN, Shown
from tests.helpers.tiny_scan import tiny_scan


def _panel(shown: Shown) -> TrainingPanel:
    panel = shown.window.panels["training"]
    assert isinstance(panel, TrainingPanel)
    return panel


def test_the_settings_are_asked_for_once_they_are_changed_and_answered(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[TrainConfig] = []

    def answer(_: Any, config: TrainConfig, __: Any, into: list[MemoryAnswer]) -> Any:
        asked.append(config)
        into.append(MemoryAnswer(f"{config.n_groups} groups", fits=config.n_groups < 100))
        yield from ()

    monkeypatch.setattr(memory_hint, "read_memory_need", answer)
    monkeypatch.setattr(memory_hint, "sys", SimpleNamespace(modules={"torch": None}))
    shown = Shown(qtbot, tmp_path / "runs")
    panel = _panel(shown)
    panel.show_config({"n_groups": 50})
    shown.application.memory_hint.ask()
    assert not asked, "there is no scan"
    shown.open(SCAN)
    qtbot.waitUntil(lambda: panel.memory.text() == "50 groups", timeout=20_000)
    assert panel.memory.isVisibleTo(panel)
    assert panel.memory.styleSheet() == ""
    panel.show_config({"n_groups": 200})
    qtbot.waitUntil(lambda: panel.memory.text() == "200 groups", timeout=20_000)
    assert "color" in panel.memory.styleSheet()
    shown.end()


def test_a_window_in_which_scans_are_looked_at_asks_nothing(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def answer(*_: Any) -> Any:
        asked.append(True)
        yield from ()

    monkeypatch.setattr(memory_hint, "read_memory_need", answer)
    monkeypatch.setattr(memory_hint, "sys", SimpleNamespace(modules={}))
    shown = Shown(qtbot, tmp_path / "runs")
    shown.open(SCAN)
    panel = _panel(shown)
    shown.application.memory_hint.ask()
    panel.show_config({"n_groups": 60})
    shown.application.memory_hint.ask()
    assert not asked
    assert not panel.memory.isVisibleTo(panel)
    shown.end()


def test_the_answer_is_what_the_training_would_say(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(gridsize=1, n_groups=8, n_filters_scale=1, accelerator="cpu")
    told: list[MemoryAnswer] = []
    list(read_memory_need([tiny_scan()], config, None, told))
    monkeypatch.setattr(memory_need, "free_host_memory", lambda: 2**20)
    list(read_memory_need([tiny_scan()], config, None, told))
    fits, lacks = told
    assert fits.fits
    assert fits.text.startswith("Takes about ")
    assert not lacks.fits
    assert "and 1 MiB are free. " in lacks.text
    # What is wrong otherwise is for the training to say.
    list(read_memory_need([tiny_scan()], TrainConfig(architecture="none", accelerator="cpu"), None, told))
    assert len(told) == 2
