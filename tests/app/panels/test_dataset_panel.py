"""The dataset panel: patterns, their sum, probe, object, arrays."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.panels import dataset as dataset_module
from app.panels.dataset import DatasetPanel
from app.state.app_events import DocumentClosed, FrameSelected
from app.state.session import Session
from ptycho_engine.documents import ArrayInfo
from ptycho_engine.events import DatasetOpened
from tests.app.panels.scan_samples import DATASET_ID, N_SCAN, Answering, letter_dataset, letter_session
from tests.app.widgets.screen import letter_f, looks_like, move_to, painted_brightness, show


def _panel(qtbot: QtBot) -> tuple[Session, DatasetPanel, Answering]:
    session = letter_session()
    panel = DatasetPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 900, 500)
    return session, panel, answering


def test_an_f_in_the_dataset_is_upright_in_the_frame_viewer(qtbot: QtBot) -> None:
    session, panel, _ = _panel(qtbot)
    panel.frame_view.set_colour_map("gray")
    letter = letter_f()
    assert looks_like(painted_brightness(panel.frame_view, letter.shape), letter)
    panel.mean_view.set_colour_map("gray")
    assert looks_like(painted_brightness(panel.mean_view, letter.shape), letter)
    assert session.state.frame is not None


def test_without_a_dataset_it_says_what_to_do(qtbot: QtBot) -> None:
    panel = DatasetPanel(Session())
    qtbot.addWidget(panel)
    assert panel.pages.hint.startswith("No dataset. Open a scan")


def test_a_frame_is_read_only_while_the_panel_can_be_seen(qtbot: QtBot) -> None:
    session = letter_session()
    panel = DatasetPanel(session)
    qtbot.addWidget(panel)
    answering = Answering(session, panel)
    session.apply(FrameSelected(3))
    assert answering.asked == []
    show(qtbot, panel)
    assert ("frame", 3) in answering.asked
    assert panel.frame_view.title.startswith("Frame 3")


def test_slider_number_and_selection_go_together(qtbot: QtBot) -> None:
    session, panel, answering = _panel(qtbot)
    panel.slider.setValue(4)
    assert panel.number.value() == 4
    assert ("select", 4) in answering.asked
    panel.number.setValue(5)
    assert panel.slider.value() == 5
    session.apply(FrameSelected(7))
    assert [panel.slider.value(), panel.number.value(), panel.frame] == [7, 7, 7]
    values = panel.frame_view.values
    assert values is not None
    assert values.max() == 8
    assert ("select", 7) not in answering.asked


def test_the_summary_is_read_once_and_told_in_words(qtbot: QtBot) -> None:
    session, panel, answering = _panel(qtbot)
    session.apply(FrameSelected(2))
    assert answering.asked.count(("summary",)) == 1
    assert f"{N_SCAN} patterns" in panel.summary_state.text()
    mean = panel.mean_view.values
    assert mean is not None
    np.testing.assert_allclose(mean, letter_f() * 5, rtol=1e-6)


def test_a_large_scan_is_read_on_demand_only(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_module, "AUTOMATIC_BYTES", 100)
    _, panel, answering = _panel(qtbot)
    assert ("summary",) not in answering.asked
    assert panel.read_all.isVisible()
    QTest.mouseClick(panel.read_all, Qt.MouseButton.LeftButton)
    assert ("summary",) in answering.asked
    assert not panel.read_all.isVisible()


def test_playing_waits_for_each_frame_and_stops_with_the_dataset(qtbot: QtBot) -> None:
    session, panel, _ = _panel(qtbot)
    panel.play.setChecked(True)
    qtbot.waitUntil(lambda: panel.frame >= 2, timeout=3000)
    session.apply(DocumentClosed(DATASET_ID))
    assert not panel.play.isChecked()
    assert panel.pages.hint.startswith("No dataset")


def test_each_probe_mode_tells_its_share_of_the_power(qtbot: QtBot) -> None:
    _, panel, _ = _panel(qtbot)
    panel.tabs.setCurrentIndex(1)
    assert panel.mode.count() == 2
    assert panel.mode.itemText(0).startswith("Mode 1 of 2 · 5")
    panel.mode.setCurrentIndex(1)
    phase = panel.probe_views[1].values
    assert phase is not None
    assert np.nanmax(phase) == pytest.approx(np.pi / 2)
    assert np.isnan(phase[0, 0])


def test_the_table_tells_every_array_and_what_it_is_used_as(qtbot: QtBot) -> None:
    session, panel, _ = _panel(qtbot)
    arrays = (
        ArrayInfo("diff3d", (9, 64, 64), "float32", 147456, True, "diffraction"),
        ArrayInfo("x", (), "int8", 1, False),
    )
    notes = ("The patterns lie along the last axis.",)
    session.apply(DatasetOpened(replace(letter_dataset(), arrays=arrays, notes=notes, object_=None)))
    assert [panel.arrays.text_at(0, column) for column in range(4)] == [
        "9 × 64 × 64",
        "float32",
        "diffraction",
        "144 KiB, compressed",
    ]
    assert panel.arrays.text_at(1, 0) == "scalar"
    assert "The patterns lie along the last axis." in panel.notes.text()
    assert not panel.tabs.isTabEnabled(2)


def test_scaling_goes_for_all_patterns(qtbot: QtBot) -> None:
    _, panel, _ = _panel(qtbot)
    panel.scaling.choose("sqrt")
    assert [view.scaling for view in (panel.frame_view, panel.mean_view, panel.max_view)] == ["sqrt"] * 3
    assert "square root" in panel.frame_view.title
    panel.frame_view.set_scaling("linear")
    panel.frame_view.settings_changed.emit()
    assert panel.scaling.choice == "linear"


def test_the_value_under_the_mouse_is_told_with_its_unit(qtbot: QtBot) -> None:
    _, panel, _ = _panel(qtbot)
    with qtbot.waitSignal(panel.readout_changed) as caught:
        move_to(panel.frame_view, 3, 2)
    assert caught.args == ["row 3, column 2: 0 · amplitude [√counts]"]
