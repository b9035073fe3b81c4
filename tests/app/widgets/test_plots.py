"""Patch grid, curves and scan positions."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.display.exports import Export
from app.widgets.choice_box import ChoiceBox
from app.widgets.curve_plot import CurvePlot
from app.widgets.elided_label import ElidedLabel
from app.widgets.patch_grid import PatchGrid
from app.widgets.scan_plot import POINT_LIMIT, ScanPlot
from tests.app.widgets.screen import click_at, letter_f, looks_like, move_to, painted_brightness, settle, show

RNG = np.random.default_rng(7)


def _grid(qtbot: QtBot, n: int = 6) -> PatchGrid:
    grid = PatchGrid("Patches", colour_map="gray")
    show(qtbot, grid)
    grid.set_patches(RNG.random((n, 8, 8), dtype=np.float32), levels=(0.0, 1.0), columns=3)
    settle()
    return grid


def test_each_patch_of_the_grid_is_upright(qtbot: QtBot) -> None:
    grid = PatchGrid("Patches", colour_map="gray")
    show(qtbot, grid, 600, 600)
    letter = letter_f(16, 2)
    grid.set_patches(np.stack([letter] * 4), levels=(0.0, 1.0), columns=2)
    grid.view.overlay.set_grid([], [], grid.view.shown_range, grid.palette().color(grid.backgroundRole()))
    seen = painted_brightness(grid.view, grid.geometry_of_cells.shape)
    for index in range(4):
        box = grid.geometry_of_cells.rectangle(index)
        assert looks_like(seen[box.row : box.row + 16, box.column : box.column + 16], letter)


def test_pointing_at_a_patch_marks_it_in_both_grids(qtbot: QtBot) -> None:
    first, second = _grid(qtbot), _grid(qtbot)
    first.link(second)
    box = first.geometry_of_cells.rectangle(4)
    move_to(first.view, box.row + 3, box.column + 2)
    assert [grid.hovered for grid in (first, second)] == [4, 4]
    outline = second.view.overlay.hover
    assert outline is not None
    assert (outline.top(), outline.left()) == (box.row, box.column)
    QTest.mouseMove(first.view.graphics.viewport(), first.view.graphics.viewport().rect().bottomRight())
    settle()
    assert [grid.hovered for grid in (first, second)] == [None, None]


def test_a_click_selects_the_patch_under_it(qtbot: QtBot) -> None:
    grid = _grid(qtbot)
    box = grid.geometry_of_cells.rectangle(5)
    with qtbot.waitSignal(grid.cell_clicked) as caught:
        click_at(grid.view, box.row + 7, box.column)
    assert caught.args == [5]
    grid.mark(5)
    assert grid.view.overlay.mark is not None
    grid.set_patches(np.zeros((2, 8, 8), np.float32), levels=(0.0, 1.0))
    assert grid.marked is None


def test_the_grid_wants_other_columns_in_another_shape(qtbot: QtBot) -> None:
    grid = _grid(qtbot)
    with qtbot.waitSignal(grid.columns_changed) as caught:
        grid.resize(1000, 200)
    assert caught.args == [6]


def test_a_grid_of_any_size_is_one_picture(qtbot: QtBot) -> None:
    grid = _grid(qtbot, 6)
    few = len(grid.view.graphics.scene().items())
    grid.set_patches(RNG.random((256, 8, 8), dtype=np.float32), levels=(0.0, 1.0))
    settle()
    assert len(grid.view.graphics.scene().items()) == few


def _plot(qtbot: QtBot) -> CurvePlot:
    plot = CurvePlot("Loss", x_label="step", y_label="loss", secondary_label="learning rate", log=True)
    show(qtbot, plot)
    return plot


def test_curves_are_replaced_by_name_and_taken_away(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    x = np.arange(200)
    plot.set_series("train", x, np.exp(-x / 50))
    plot.set_series("train", x, np.exp(-x / 40))
    plot.set_series("rate", x, 1e-3 * (1 - x / 200), secondary=True)
    settle()
    assert list(plot.series_names) == ["train", "rate"]
    plot.set_series("rate", x, x + 1.0)
    plot.remove_series("train")
    settle()
    assert list(plot.series_names) == ["rate"]
    plot.clear_series()
    assert list(plot.series_names) == []


def test_curves_with_gaps_zeros_and_nothing_are_drawn_without_a_warning(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    plot.set_series("gaps", np.arange(5), [1.0, np.nan, 0.0, -3.0, np.inf])
    plot.set_series("none", [], [])
    plot.set_series("all gaps", np.arange(5), np.full(5, np.nan))
    for log in (False, True):
        plot.set_log(log)
        settle()
    assert plot.log


def test_a_million_points_are_thinned_before_they_are_drawn(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    plot.set_series("train", np.arange(1_000_000), 1 + RNG.random(1_000_000))
    settle()
    drawn = plot.drawn_points("train")
    assert 0 < drawn < 50_000


def test_a_long_curve_shows_every_point_where_it_is_looked_at_closely(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    plot.set_log(False)
    values = RNG.random(1_000_000)
    plot.set_series("train", np.arange(1_000_000), values)
    settle()
    plot._plot.setXRange(500_000, 500_400, padding=0)
    settle()
    x, y = plot._series["train"].smooth.getOriginalDataset()
    inside = (x >= 500_000) & (x <= 500_400)
    assert np.array_equal(np.unique(y[inside]), np.unique(values[500_000:500_401]))
    plot.fit()
    settle()
    assert plot._plot.vb.viewRange()[0][1] >= 999_999


def test_smoothing_draws_the_mean_and_keeps_the_curve(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    plot.set_log(False)
    plot.set_series("noise", np.arange(400), RNG.random(400))
    plot.set_smoothing(25)
    settle()
    assert plot.smoothing == 25
    rough, smooth = plot.drawn_values("noise")
    assert np.std(smooth[25:-25]) < 0.3 * np.std(rough)


def test_the_numbers_of_curves_can_be_exported(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    plot.set_series("train", [0, 1], [2.0, 1.5])
    with qtbot.waitSignal(plot.export_asked) as caught:
        plot.save_csv("/tmp/losses")
    assert caught.args is not None
    export = caught.args[0]
    assert isinstance(export, Export)
    assert export.content == b"curve,step,value\ntrain,0.0,2.0\ntrain,1.0,1.5\n"
    menu = plot.build_menu()
    menu.actions()[0].trigger()
    assert not plot.log
    menu.deleteLater()


def _scan(qtbot: QtBot, points: np.ndarray) -> ScanPlot:
    plot = ScanPlot("Scan positions")
    show(qtbot, plot)
    plot.set_points(points, np.arange(len(points), dtype=np.float64), "frame number")
    settle()
    return plot


def _click(plot: ScanPlot, y: float, x: float) -> None:
    scene: QPointF = plot.view_box.mapViewToScene(QPointF(x, y))
    where = plot.graphics.mapFromScene(scene)
    QTest.mouseClick(plot.graphics.viewport(), Qt.MouseButton.LeftButton, pos=where)
    settle()


def test_a_click_picks_the_nearest_position_with_y_down_and_x_to_the_right(qtbot: QtBot) -> None:
    plot = _scan(qtbot, np.array([[0.0, 0.0], [0.0, 30.0], [40.0, 0.0], [40.0, 30.0]]))
    picked: list[int] = []
    plot.picked.connect(picked.append)
    _click(plot, 1, 29)
    _click(plot, 38, 2)
    assert picked == [1, 2]
    top_left, low_right = (plot.view_box.mapViewToScene(QPointF(x, y)) for x, y in ((0, 0), (30, 40)))
    assert top_left.y() < low_right.y()
    assert top_left.x() < low_right.x()
    across, down = plot.view_box.viewPixelSize()
    assert across == pytest.approx(down, rel=0.02)


def test_arrows_walk_through_the_scan(qtbot: QtBot) -> None:
    plot = _scan(qtbot, RNG.random((5, 2)))
    picked: list[int] = []
    plot.picked.connect(picked.append)
    QTest.keyClick(plot, Qt.Key.Key_Right)
    plot.mark(4)
    QTest.keyClick(plot, Qt.Key.Key_Right)
    QTest.keyClick(plot, Qt.Key.Key_Left)
    assert picked == [0, 0, 3]


def test_very_many_positions_are_binned_and_become_points_when_zoomed(qtbot: QtBot) -> None:
    plot = _scan(qtbot, RNG.uniform(0, 1000, (POINT_LIMIT + 1, 2)))
    assert _drawing(plot) == "bins"
    plot.zoomed_by_hand()
    plot.view_box.setRange(xRange=(0, 50), yRange=(0, 50), padding=0)
    settle()
    assert _drawing(plot) == "points"
    plot.fit()
    assert _drawing(plot) == "bins"


def _drawing(plot: ScanPlot) -> str:
    return "bins" if plot.drawn_as_bins else "points"


def test_strange_figures_and_no_positions_are_drawn_without_a_warning(qtbot: QtBot) -> None:
    plot = _scan(qtbot, RNG.random((5, 2)))
    plot.set_points(RNG.random((5, 2)), np.array([1, np.nan, np.inf, 2, 3.0]), "figure")
    plot.set_points(RNG.random((5, 2)), np.full(5, np.nan), "figure")
    plot.set_points(np.zeros((0, 2)), np.zeros(0), "figure")
    plot.mark(3)
    settle()
    assert plot.marked is None


def test_choices_carry_their_keys(qtbot: QtBot) -> None:
    box: ChoiceBox[str] = ChoiceBox("Choice", {"a": "First", "b": "Second"})
    qtbot.addWidget(box)
    box.choose("b")
    box.choose("missing")
    assert box.choice == "b"


def test_a_long_line_is_told_in_full_by_its_tool_tip(qtbot: QtBot) -> None:
    label = ElidedLabel("short")
    show(qtbot, label, 60, 20)
    label.setText("a very long line that cannot fit")
    settle()
    assert label.toolTip() == "a very long line that cannot fit"
    assert label.width() == 60


def test_settled_axes_are_not_changed_by_the_painter(qtbot: QtBot) -> None:
    plot = CurvePlot("Loss")
    show(qtbot, plot)
    plot.set_series("loss", np.arange(30), np.linspace(0.0, 5.0, 30))
    settle()
    plot.set_series("loss", np.arange(40), np.linspace(0.0, 5.0, 40))
    plot.settle()
    changed: list[object] = []
    plot._plot.vb.sigRangeChanged.connect(lambda *_: changed.append(1))
    settle()
    assert changed == []
    assert plot._plot.vb.viewRange()[0][1] > 39


@pytest.mark.parametrize("log", [False, True])
def test_few_opaque_lines_make_the_grid(qtbot: QtBot, log: bool) -> None:
    plot = CurvePlot("Loss", log=log)
    show(qtbot, plot)
    plot.set_series("loss", np.arange(1, 101), np.geomspace(1e-3, 1e3, 100))
    plot.settle()
    for side in ("left", "bottom"):
        axis = plot._plot.getAxis(side)
        (ticks, minor) = axis._tickLevels
        assert 2 <= len(ticks) <= 10
        assert minor == []
        assert axis.tickPen().color().alpha() == axis.style["tickAlpha"] == 255
