"""The patches panel: the two grids, their words, the selection, the figures, freeze and export."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.display.exports import Export
from app.panels.patches import PatchesPanel
from app.state.app_events import FrameSelected
from app.state.session import Session
from tests.app.panels.scan_samples import (
    INTENSITY_SCALE,
    NETWORK_PER_PHYSICAL,
    letter_session,
    show_preview,
    true_patches,
)
from tests.app.widgets.screen import click_at, looks_like, move_to, painted_brightness, show


def _panel(qtbot: QtBot) -> tuple[Session, PatchesPanel]:
    session = letter_session()
    panel = PatchesPanel(session)
    show(qtbot, panel, 900, 700)
    return session, panel


def test_before_any_patches_it_says_where_they_come_from(qtbot: QtBot) -> None:
    _, panel = _panel(qtbot)
    assert panel.pages.hint.startswith("No patches yet")
    assert not panel.export.isEnabled()


def test_unnormalized_patches_share_one_range_and_normalized_ones_a_symmetric_one(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    preview = show_preview(session)
    amplitude = np.abs(preview.patches)
    assert panel.unnormalized.view.levels == pytest.approx(np.percentile(amplitude, (1, 99)), rel=1e-5)
    assert (
        panel.unnormalized.view.title == "Unnormalized · network amplitude · one range for all 9: 0.12 … 0.36 (p1–p99)"
    )
    low, high = panel.normalized.view.levels
    assert low == -high
    assert panel.normalized.view.title.startswith("Normalized · z-score per patch · one symmetric range ±")
    assert panel.unnormalized.view.colour_bar.label == "network amplitude"
    assert panel.normalized.view.colour_bar.label == "(a − mean) / std"


def test_a_collapsed_patch_looks_collapsed_on_the_left_and_is_zero_on_the_right(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    preview = show_preview(session)
    patches = preview.patches.copy()
    patches[0] = 0
    session.apply(replace(preview, patches=patches))
    box = panel.normalized.geometry_of_cells.rectangle(0)
    for grid in (panel.unnormalized, panel.normalized):
        values = grid.view.values
        assert values is not None
        assert (values[box.row : box.row + box.height, box.column : box.column + box.width] == 0).all()


def test_the_first_patches_appear_whole_and_later_ones_picture_by_picture(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    assert len(panel.portions()) == 1
    first = show_preview(session)
    later = replace(first, step=first.step + 1, patches=2 * first.patches)
    session._state = replace(session.state, preview=later)
    portions = panel.portions()
    assert len(portions) > 3
    before = panel.normalized.view.values
    highest = panel.unnormalized.view.levels[1]
    for paint in portions[:2]:
        paint()
    assert panel.unnormalized.view.levels[1] == pytest.approx(2 * highest)
    assert panel.normalized.view.values is before
    for paint in portions[2:]:
        paint()
    assert panel.normalized.view.values is not before
    assert panel.numbers.item(0, 1) is not None
    # What is shown already is not worked out again.
    assert len(panel.portions()) < len(portions)


@pytest.mark.parametrize(
    ("scale", "factor", "words"),
    [("physical", 1 / NETWORK_PER_PHYSICAL, "transmission"), ("photon", INTENSITY_SCALE, "√photons")],
)
def test_the_scale_is_named_and_applied(qtbot: QtBot, scale: str, factor: float, words: str) -> None:
    session, panel = _panel(qtbot)
    preview = show_preview(session)
    panel.scale.choose(scale)  # type: ignore[arg-type]
    assert words in panel.unnormalized.view.colour_bar.label
    expected = np.percentile(np.abs(preview.patches) * factor, (1, 99))
    assert panel.unnormalized.view.levels == pytest.approx(expected, rel=1e-5)


def test_phase_is_cyclic_and_has_no_amplitude_scale(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_preview(session)
    panel.quantity.choose("phase")
    assert panel.unnormalized.view.levels == pytest.approx((-np.pi, np.pi))
    assert panel.unnormalized.view.colour_map == "twilight"
    assert not panel.scale.isEnabled()
    panel.normalisation.choose("min-max")
    assert panel.normalized.view.levels == (0.0, 1.0)
    assert "φ" in panel.normalized.view.colour_bar.label


def test_every_patch_of_the_grid_is_upright(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    preview = show_preview(session)
    panel.unnormalized.view.set_colour_map("gray")
    panel.select_patch(0)
    seen = painted_brightness(panel.unnormalized.view, panel.unnormalized.geometry_of_cells.shape)
    for index in (2, 4, 8):
        box = panel.unnormalized.geometry_of_cells.rectangle(index)
        part = seen[box.row : box.row + box.height, box.column : box.column + box.width]
        assert looks_like(part, np.abs(preview.patches[index]))


def test_pointing_marks_both_grids_and_tells_the_patch(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_preview(session)
    box = panel.normalized.geometry_of_cells.rectangle(3)
    with qtbot.waitSignal(panel.readout_changed) as caught:
        move_to(panel.normalized.view, box.row + 5, box.column + 5)
    assert caught.args is not None
    assert caught.args[0].startswith("patch 3 · frame 5 · mean ")
    assert panel.unnormalized.hovered == 3


def test_a_click_selects_the_frame_of_the_patch_and_a_frame_selects_its_patch(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_preview(session)
    box = panel.unnormalized.geometry_of_cells.rectangle(2)
    with qtbot.waitSignal(panel.frame_asked) as caught:
        click_at(panel.unnormalized.view, box.row + 5, box.column + 5)
    assert caught.args == [6]
    assert panel.normalized.marked == 2
    session.apply(FrameSelected(1))
    assert [panel.selected, panel.unnormalized.marked, panel.normalized.marked] == [7, 7, 7]


def test_figures_are_of_the_selected_patch_and_of_all(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    preview = show_preview(session)
    panel.select_patch(4)
    amplitude = np.abs(preview.patches).astype(np.float64)
    assert panel.numbers.rowCount() == 5
    for column, values in ((0, amplitude[4:5]), (1, amplitude)):
        centred = values - values.mean(axis=(1, 2), keepdims=True)
        expected = (values.mean(), values.std(ddof=1), values.min(), values.max(), (centred**2).mean())
        told = [float(panel.numbers.text_at(row, column)) for row in range(5)]
        assert told == pytest.approx(expected, rel=1e-4)


def test_measured_and_predicted_share_one_logarithmic_range(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_preview(session)
    panel.select_patch(0)
    assert panel.measured.levels == panel.predicted.levels
    assert panel.measured.scaling == panel.predicted.scaling == "log"
    assert panel.predicted.title == "Predicted · R = 0.100"


def test_frozen_patches_stay_until_they_thaw(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_preview(session, step=5)
    panel.freeze.setChecked(True)
    show_preview(session, step=9)
    assert panel.caption.text() == "Training, step 5 · 9 patches · frozen"
    panel.freeze.setChecked(False)
    assert panel.caption.text() == "Training, step 9 · 9 patches"


def test_a_hidden_panel_paints_when_it_is_shown(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    panel.hide()
    show_preview(session)
    assert panel.unnormalized.view.values is None
    panel.show()
    assert panel.unnormalized.view.values is not None


def test_pictures_and_numbers_can_be_exported(qtbot: QtBot) -> None:
    session, panel = _panel(qtbot)
    show_preview(session)
    panel.scale.choose("physical")
    exports: list[object] = []
    panel.export_asked.connect(exports.append)
    panel.export_png("/tmp/grid")
    panel.export_csv("/tmp/grid")
    panel.export_json("/tmp/grid")
    png, table, numbers = exports
    assert isinstance(png, Export)
    assert isinstance(table, Export)
    assert isinstance(numbers, Export)
    assert bytes(png.content[:8]) == b"\x89PNG\r\n\x1a\n"
    lines = bytes(table.content).decode().splitlines()
    assert lines[0].startswith("patch,frame,y_px,x_px,amplitude_physical_mean,")
    assert len(lines) == 10
    told = json.loads(bytes(numbers.content))
    expected = np.abs(true_patches(session.state.datasets["dataset:letter"])).mean()
    assert told["all"]["mean"] == pytest.approx(expected, rel=1e-5)
    assert told["quantity"] == "physical amplitude (transmission)"
    assert told["patches"][0]["frame"] == 8
