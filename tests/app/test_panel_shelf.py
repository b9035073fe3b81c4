"""Panels that are built when they are first seen or asked for, and wired then."""

import pytest
from PySide6.QtWidgets import QTabWidget
from pytestqt.qtbot import QtBot

from app.panel_shelf import PanelPlace, PanelShelf
from app.panels.log import LogPanel
from app.panels.panel import PanelSpec
from app.state.session import Session
from tests.app.window import SCAN, Shown


def test_a_panel_is_built_once_when_it_is_seen(qtbot: QtBot) -> None:
    session, tabs, shelf = Session(), QTabWidget(), PanelShelf()
    qtbot.addWidget(tabs)
    built: list[str] = []
    shelf.built.connect(lambda panel: built.append(panel.panel_id))
    for name in ("one", "two"):
        place = PanelPlace(PanelSpec(name, name, LogPanel, "center", "", ""), session, tabs)
        tabs.addTab(place, name)
        shelf.put(place)
    room = tabs.minimumSizeHint()
    assert room.width() > 300
    assert "two" in shelf
    assert list(shelf) == ["one", "two"]
    assert not built
    tabs.show()
    assert built == ["log"]
    assert shelf["one"].isVisible()
    assert list(shelf.there()) == ["one"]
    tabs.setCurrentWidget(shelf.tab("two"))
    tabs.setCurrentWidget(shelf.tab("one"))
    assert built == ["log", "log"]
    assert shelf.get("three") is None


def test_a_panel_that_is_built_late_is_wired(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    panels = shown.window.panels
    assert "dataset" not in panels.there()
    shown.open(SCAN)
    asked: list[object] = []
    shown.session.selection_changed.connect(lambda: asked.append(shown.state.selected_frame))
    panels["scan"].frame_asked.emit(3)
    assert asked[-1] == 3
    told: list[str] = []
    monkeypatch.setattr(shown.window.job_bar, "show_value", told.append)
    panels["dataset"].readout_changed.emit("17")
    assert told == ["17"]
