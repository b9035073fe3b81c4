"""The scan panel: positions, groups, offsets, coverage."""

import numpy as np
from pytestqt.qtbot import QtBot

from app.panels.scan import ScanPanel
from app.state.app_events import DocumentClosed, FrameSelected
from app.state.session import Session
from tests.app.panels.scan_samples import DATASET_ID, N_SCAN, Answering, letter_session
from tests.app.widgets.screen import click_at, show


def _panel(qtbot: QtBot) -> tuple[Session, ScanPanel, Answering]:
    session = letter_session()
    panel = ScanPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 700, 500)
    return session, panel, answering


def test_picking_a_position_selects_its_frame_and_the_selection_is_marked(qtbot: QtBot) -> None:
    session, panel, answering = _panel(qtbot)
    panel.plot.picked.emit(4)
    assert answering.asked == [("select", 4)]
    session.apply(FrameSelected(6))
    assert panel.plot.marked == 6


def test_total_intensity_is_read_once_when_it_is_asked_for(qtbot: QtBot) -> None:
    _, panel, answering = _panel(qtbot)
    assert answering.asked == []
    panel.figure.choose("total")
    panel.figure.choose("frame")
    panel.figure.choose("total")
    assert answering.asked == [("summary",)]
    assert "reading" not in panel.plot.title


def test_groups_are_looked_for_with_the_chosen_settings(qtbot: QtBot) -> None:
    session, panel, answering = _panel(qtbot)
    panel.show_groups.setChecked(True)
    panel.gridsize.setValue(1)
    panel.neighbors.setValue(4)
    assert answering.asked == [("groups", 2, 6), ("groups", 1, 6), ("groups", 1, 4)]
    panel.gridsize.setValue(2)
    assert f"{N_SCAN} groups of 4" in panel.grouping.text()
    assert [panel.plot.n_links, panel.plot.n_chosen_links] == [4 * N_SCAN, 0]
    session.apply(FrameSelected(3))
    assert panel.grouping.text().startswith("Group of frame 3: members 3, ")
    assert [panel.plot.n_links, panel.plot.n_chosen_links] == [4 * N_SCAN, 4]
    panel.show_groups.setChecked(False)
    assert [panel.plot.n_links, panel.plot.n_chosen_links] == [0, 0]
    assert not panel.grouping.isVisible()


def test_offsets_are_told_in_figures_and_with_the_canvas(qtbot: QtBot) -> None:
    _, panel, _ = _panel(qtbot)
    assert panel.placing.text() == "Offsets (mean ± std): dx 0 ± 12.2, max 15.0 · dy 0 ± 8.2, max 10.0 px"
    panel.shows.choose("offsets")
    assert panel.plot.title.endswith("canvas 84 × 94 px")


def test_coverage_counts_patches_and_a_click_there_selects_a_frame(qtbot: QtBot) -> None:
    _, panel, answering = _panel(qtbot)
    panel.shows.choose("coverage")
    values = panel.coverage.values
    assert values is not None
    assert values.shape == (84, 94)
    assert np.nanmax(values) == N_SCAN
    click_at(panel.coverage, 52, 62)
    assert answering.asked == [("select", 8)]


def test_without_a_dataset_it_says_what_to_do(qtbot: QtBot) -> None:
    session, panel, _ = _panel(qtbot)
    session.apply(DocumentClosed(DATASET_ID))
    assert panel.pages.hint.startswith("No dataset. Open a scan")
