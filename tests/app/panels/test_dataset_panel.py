"""The dataset panel: patterns, their sum, probe, object, arrays."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.display.scan_figures import mask_picture
from app.panels.dataset import DatasetPanel
from app.state.app_events import DocumentClosed, FrameSelected
from app.state.readings import FrameRead, ScanReading, ScanSummarised
from app.state.session import Session
from ptycho_engine.diagnostics.pixel_mask import PixelMask
from ptycho_engine.diagnostics.scan_figures import gather_figures
from ptycho_engine.documents import ArrayInfo, Rectangle
from ptycho_engine.events import DatasetOpened
from tests.app.panels.scan_samples import DATASET_ID, N_SCAN, Answering, N, letter_dataset, letter_session
from tests.app.widgets.screen import letter_f, looks_like, move_to, painted_brightness, screen_position, settle, show


def _panel(qtbot: QtBot) -> tuple[Session, DatasetPanel, Answering]:
    session = letter_session()
    panel = DatasetPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 900, 500)
    return session, panel, answering


def test_an_f_in_the_dataset_is_upright_in_the_frame_viewer(qtbot: QtBot) -> None:
    session, panel, _ = _panel(qtbot)
    panel.viewer.view.set_colour_map("gray")
    letter = letter_f()
    assert looks_like(painted_brightness(panel.viewer.view, letter.shape), letter)
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
    assert panel.viewer.view.title.startswith("Frame 3")


def test_slider_number_and_selection_go_together(qtbot: QtBot) -> None:
    session, panel, answering = _panel(qtbot)
    panel.viewer.slider.setValue(4)
    assert panel.viewer.number.value() == 4
    assert ("select", 4) in answering.asked
    panel.viewer.number.setValue(5)
    assert panel.viewer.slider.value() == 5
    session.apply(FrameSelected(7))
    assert [panel.viewer.slider.value(), panel.viewer.number.value(), panel.frame] == [7, 7, 7]
    values = panel.viewer.view.values
    assert values is not None
    assert values.max() == 8
    assert ("select", 7) not in answering.asked


def test_the_summary_is_read_once_and_told_in_words(qtbot: QtBot) -> None:
    session, panel, answering = _panel(qtbot)
    session.apply(FrameSelected(2))
    assert answering.asked.count(("summary",)) == 1
    assert panel.summary_bar.text.text() == f"Figures of all {N_SCAN} patterns"
    assert panel.summary_bar.action is None
    mean = panel.mean_view.values
    assert mean is not None
    np.testing.assert_allclose(mean, letter_f() * 5, rtol=1e-6)


def _sampled(n_done: int) -> ScanSummarised:
    """What is known of the scan when only its first patterns were read."""
    dataset = letter_dataset()
    figures = list(gather_figures(dataset, whole=True))[-1]
    frames = {name: np.where(np.arange(N_SCAN) < n_done, row, np.nan) for name, row in figures.frames.items()}
    return ScanSummarised(DATASET_ID, replace(figures, n_done=n_done, n_total=n_done, frames=frames))


def _quiet_panel(qtbot: QtBot) -> tuple[Session, DatasetPanel]:
    """A panel whose questions nobody answers."""
    session = letter_session()
    panel = DatasetPanel(session)
    show(qtbot, panel, 900, 500)
    return session, panel


def test_of_a_sample_it_offers_to_read_all_and_a_running_reading_can_be_stopped(qtbot: QtBot) -> None:
    session, panel = _quiet_panel(qtbot)
    session.apply(
        _sampled(4), ScanReading("summary", DATASET_ID, "1"), ScanReading("summary", DATASET_ID, "1", "completed")
    )
    assert panel.summary_bar.text.text() == f"Figures of 4 of {N_SCAN} patterns"
    with qtbot.waitSignal(panel.whole_scan_asked) as whole:
        QTest.mouseClick(panel.summary_bar.button, Qt.MouseButton.LeftButton)
    assert whole.args == [DATASET_ID]
    session.apply(ScanReading("summary", DATASET_ID, "2"))
    assert panel.summary_bar.progress.isVisible()
    with qtbot.waitSignal(panel.stop_reading_asked) as stop:
        QTest.mouseClick(panel.summary_bar.button, Qt.MouseButton.LeftButton)
    assert stop.args == ["summary"]
    session.apply(ScanReading("summary", DATASET_ID, "2", "stopped"))
    assert (panel.summary_bar.action, panel.summary_bar.progress.isVisible()) == ("read", False)


def test_a_reading_that_failed_says_why_and_can_be_tried_again(qtbot: QtBot) -> None:
    session, panel = _quiet_panel(qtbot)
    session.apply(ScanReading("summary", DATASET_ID, "1"))
    session.apply(ScanReading("summary", DATASET_ID, "1", "failed", "scan.npz: the file is gone."))
    assert "the file is gone" in panel.summary_bar.text.text()
    with qtbot.waitSignal(panel.summary_asked):
        QTest.mouseClick(panel.summary_bar.button, Qt.MouseButton.LeftButton)


def test_a_frame_that_could_not_be_read_leaves_no_other_in_its_place(qtbot: QtBot) -> None:
    session, panel = _quiet_panel(qtbot)
    panel.viewer.play.setChecked(True)
    session.apply(FrameRead(DATASET_ID, 0, np.full((N, N), np.nan, np.float32), "scan.npz: the file is gone."))
    assert panel.viewer.view.title == "Frame 0 could not be read"
    assert panel.viewer.view.values is None
    assert "the file is gone" in panel.viewer.total.text()
    assert not panel.viewer.play.isChecked()


def test_a_map_shows_every_figure_and_a_click_selects_the_frame(qtbot: QtBot) -> None:
    _, panel, answering = _panel(qtbot)
    panel.tabs.setCurrentIndex(1)
    panel.map.choose("maximum")
    assert panel.map.text_at(3) == "frame 3 at y 60.00, x 45.00 px · Greatest amplitude: 4 √counts"
    assert panel.map.plot.title == f"Greatest amplitude · {N_SCAN} of {N_SCAN} positions"
    assert panel.map.spread.text() == "mean 5 ± 2.582, 1 to 9 √counts"
    panel.map.plot.picked.emit(6)
    assert ("select", 6) in answering.asked


def test_a_rectangle_on_the_pattern_becomes_a_map_of_its_light(qtbot: QtBot) -> None:
    _, panel, answering = _panel(qtbot)
    panel.viewer.region_button.click()
    assert answering.asked[-1] == ("region", Rectangle(24, 24, 16, 16), False)
    assert panel.map.choice.choice == "region"
    assert panel.tabs.currentIndex() == 1
    light = letter_f()[24:40, 24:40].sum()
    assert panel.map.text_at(1).endswith(f"Light in the rectangle: {4 * light:g} counts")
    panel.map.fields.boxes["height"].setValue(8)
    assert answering.asked[-1] == ("region", Rectangle(24, 24, 8, 16), False)
    assert panel.viewer.box.rectangle == Rectangle(24, 24, 8, 16)
    panel.viewer.region_button.click()
    assert panel.viewer.region is None
    assert panel.map.choice.choice == "total"
    assert not panel.region_bar.isVisible()


def test_a_rectangle_that_was_dragged_is_summed_when_the_mouse_lets_go(qtbot: QtBot) -> None:
    _, panel, answering = _panel(qtbot)
    panel.viewer.region_button.click()
    n_asked = len(answering.asked)
    handle = screen_position(panel.viewer.view, 40, 40)
    viewport = panel.viewer.view.graphics.viewport()
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=handle)
    for step in (10, 20, 30):
        QTest.mouseMove(viewport, handle + QPoint(step, step))
        settle()
    assert panel.map.fields.rectangle.height > 16
    assert len(answering.asked) == n_asked
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=handle + QPoint(30, 30))
    settle()
    assert answering.asked[-1] == ("region", panel.map.fields.rectangle, False)
    assert panel.map.fields.rectangle == panel.viewer.box.rectangle


def test_dead_and_saturated_pixels_are_counted_and_marked(qtbot: QtBot) -> None:
    session, panel = _quiet_panel(qtbot)
    sampled = _sampled(4)
    session.apply(FrameRead(DATASET_ID, 0, letter_f()))
    dead, saturated = np.zeros((N, N), bool), np.zeros((N, N), bool)
    dead[3, 4] = saturated[5, :2] = True
    mask = PixelMask(dead, saturated, np.zeros((N, N), bool))
    session.apply(replace(sampled, figures=replace(sampled.figures, mask=mask)))
    assert panel.mask_line.text() == "Pixels: 1 dead (red) · 2 saturated (white)"
    shown = [panel.viewer.view.overlay.has_mask]
    for _ in range(2):
        panel.viewer.mask_button.click()
        shown.append(panel.viewer.view.overlay.has_mask)
    assert shown == [True, False, True]
    session.apply(FrameRead(DATASET_ID, 0, np.full((N, N), np.nan, np.float32), "the file is gone"))
    assert not panel.viewer.view.overlay.has_mask, "there is no picture to mark them on"
    colours = mask_picture(mask)
    assert colours[3, 4].tolist() != colours[5, 0].tolist()
    assert not colours[0, 0].any()


def test_the_profile_follows_the_frame_and_is_read_out(qtbot: QtBot) -> None:
    session, panel, _ = _panel(qtbot)
    panel.tabs.setCurrentIndex(2)
    assert panel.profile.series_names == ("this frame", "mean", "maximum")
    before = panel.profile.drawn_values("this frame")[0]
    session.apply(FrameSelected(8))
    np.testing.assert_allclose(panel.profile.drawn_values("this frame")[0], 9 * before)
    assert panel.profile.text_at(0.2).startswith("radius 0.0 px · this frame ")
    assert "√counts" in panel.profile.text_at(0.2)
    assert panel.profile.text_at(1e4) == ""


def test_playing_waits_for_each_frame_and_stops_with_the_dataset(qtbot: QtBot) -> None:
    session, panel, _ = _panel(qtbot)
    panel.viewer.play.setChecked(True)
    qtbot.waitUntil(lambda: panel.frame >= 2, timeout=3000)
    session.apply(DocumentClosed(DATASET_ID))
    assert not panel.viewer.play.isChecked()
    assert panel.pages.hint.startswith("No dataset")


def test_each_probe_mode_tells_its_share_of_the_power(qtbot: QtBot) -> None:
    _, panel, _ = _panel(qtbot)
    panel.tabs.setCurrentIndex(3)
    assert panel.mode.count() == 2
    assert panel.mode.itemText(0).startswith("Mode 1 of 2 · 5")
    panel.mode.setCurrentIndex(1)
    phase = panel.probe.views[1].values
    assert phase is not None
    assert np.nanmax(phase) == pytest.approx(np.pi / 2)
    assert np.isnan(phase[0, 0])


def test_the_table_tells_every_array_and_what_it_is_used_as(qtbot: QtBot) -> None:
    session, panel, _ = _panel(qtbot)
    arrays = (
        ArrayInfo("diff3d", (9, 64, 64), "float32", 147456, True, "diffraction"),
        ArrayInfo("x", (), "int8", 1, False, "", (3.0, 3.0)),
        ArrayInfo("xcoords", (9,), "float64", 72, False, "x", (-1.5, 12.25)),
    )
    notes = ("The patterns lie along the last axis.",)
    session.apply(DatasetOpened(replace(letter_dataset(), arrays=arrays, notes=notes, object_=None)))
    greatest = letter_dataset().diffraction(slice(None)).max()
    assert [panel.arrays.text_at(0, column) for column in range(5)] == [
        "9 × 64 × 64",
        "float32",
        f"up to {greatest:.4g}",
        "diffraction",
        "144.0 KiB, compressed",
    ]
    assert (panel.arrays.text_at(1, 0), panel.arrays.text_at(1, 2)) == ("scalar", "3")
    assert panel.arrays.text_at(2, 2) == "-1.5 … 12.25"
    assert "The patterns lie along the last axis." in panel.notes.text()
    assert not panel.tabs.isTabEnabled(panel.object_tab)


def test_scaling_goes_for_all_patterns(qtbot: QtBot) -> None:
    _, panel, _ = _panel(qtbot)
    panel.viewer.scaling.choose("sqrt")
    assert [view.scaling for view in (panel.viewer.view, panel.mean_view, panel.max_view)] == ["sqrt"] * 3
    assert "square root" in panel.viewer.view.title
    panel.viewer.view.set_scaling("linear")
    panel.viewer.view.settings_changed.emit()
    assert panel.viewer.scaling.choice == "linear"


def test_the_value_under_the_mouse_is_told_with_its_unit(qtbot: QtBot) -> None:
    _, panel, _ = _panel(qtbot)
    with qtbot.waitSignal(panel.readout_changed) as caught:
        move_to(panel.viewer.view, 3, 2)
    assert caught.args == ["row 3, column 2: 0 √counts · amplitude"]
