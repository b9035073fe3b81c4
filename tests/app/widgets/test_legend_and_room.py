"""The legend above a plot, and the room that curves ask for."""

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.widgets.curve_plot import CurvePlot
from app.widgets.curve_room import LEAST_PX, with_room
from app.widgets.histogram import Histogram
from tests.app.widgets.screen import settle, show

THREE = ("training, each step", "training, epoch", "validation")


def _plot(qtbot: QtBot, width: int = 500) -> CurvePlot:
    plot = CurvePlot("Loss", x_label="step", y_label="loss")
    show(qtbot, plot, width, 200)
    for number, name in enumerate(THREE):
        plot.set_series(name, np.arange(10), np.arange(10) + number)
    settle()
    return plot


def test_the_legend_lies_above_the_curves_and_covers_none(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    assert plot.legend.names == THREE
    assert plot.legend.isVisible()
    assert plot.legend.geometry().bottom() < plot._graphics.geometry().top()
    assert [row for _, row, _ in plot.legend._placed(plot.legend.width())] == [0, 0, 0]


def test_a_narrow_legend_takes_two_rows_and_shortens_what_does_not_fit(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    one = plot.legend.height()
    plot.resize(300, 200)
    settle()
    assert plot.legend.height() == 2 * one
    assert plot.legend.geometry().bottom() < plot._graphics.geometry().top()
    placed = plot.legend._placed(150)
    assert placed[-1][1] == 1
    assert any("…" in text for _, _, text in placed)
    assert plot.legend.toolTip().splitlines() == list(THREE)


def test_a_low_plot_gives_the_room_of_its_lower_title_to_the_curves(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    label = plot._plot.getAxis("bottom").label
    assert label.isVisible()
    plot.resize(300, LEAST_PX[1])
    settle()
    assert not label.isVisible()
    # Two rows of the legend, and the curves in what is left, without asking for more.
    assert plot.height() == LEAST_PX[1]
    assert plot._plot.vb.height() > 20
    plot.resize(300, 200)
    settle()
    assert label.isVisible()


def test_the_legend_goes_with_the_curves(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    plot.remove_series("validation")
    assert plot.legend.names == THREE[:2]
    plot.clear_series()
    assert not plot.legend.isVisible()


def test_a_histogram_names_only_what_has_a_name(qtbot: QtBot) -> None:
    histogram = Histogram("Amplitudes")
    show(qtbot, histogram)
    histogram.set_series("", [1, 2], [0, 1, 2])
    assert not histogram.legend.isVisible()
    histogram.set_series("training", [1, 2], [0, 1, 2])
    assert histogram.legend.names == ("training",)


@pytest.mark.parametrize("length", [1e-9, 0.3, 1.0, 7.0, 100.0, 12345.0])
@pytest.mark.parametrize("low", [-3.0, 0.0, 55.0])
def test_room_holds_the_curve_and_little_more(length: float, low: float) -> None:
    for keeps_low in (False, True):
        bottom, top = with_room(low, low + length, 8, keeps_low=keeps_low)
        assert bottom <= low
        assert top >= low + length
        assert top - low - length <= length / 8 * 1.001
        assert low - bottom <= (0 if keeps_low else length / 8 * 1.001)


def test_room_of_nothing_stays_as_it_is() -> None:
    assert with_room(2.0, 2.0, 8, keeps_low=True) == (2.0, 2.0)
    assert with_room(0.0, np.inf, 8, keeps_low=False) == (0.0, np.inf)


def test_the_axes_stay_while_a_curve_grows_a_little_and_follow_when_it_grows_more(qtbot: QtBot) -> None:
    plot = CurvePlot("Loss", x_label="step", y_label="loss")
    show(qtbot, plot)

    def grown(n: int) -> list[list[float]]:
        plot.set_series("training", np.arange(n), np.sin(np.arange(n)))
        plot.settle()
        found: list[list[float]] = plot._plot.vb.viewRange()
        return found

    before = grown(130)
    assert before[0][1] > 129
    assert grown(140) == before
    assert grown(200)[0][1] > 199


def test_fitted_axes_are_painted_in_a_later_turn(qtbot: QtBot) -> None:
    plot = _plot(qtbot)
    viewport = plot._graphics.viewport()
    plot.settle()
    assert not viewport.updatesEnabled()
    qtbot.waitUntil(viewport.updatesEnabled)
    plot.hide()
    plot.settle()
    assert viewport.updatesEnabled(), "what is hidden is painted when it is shown"
