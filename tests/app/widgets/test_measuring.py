"""Lengths, lines and legends over pictures."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.display.lengths import length_text, metres_text, round_length
from app.display.line_profile import line_profile
from app.widgets.colour_wheel import wheel_image
from app.widgets.image_view import ImageView
from app.widgets.line_measure import LineMeasure
from app.widgets.pixel_size_dialog import PixelSizeDialog
from tests.app.widgets.screen import show


@pytest.mark.parametrize(
    ("length_m", "text"),
    [(2.5e-7, "250 nm"), (1e-6, "1 µm"), (9.996e-7, "1 µm"), (1.234e-3, "1.23 mm"), (5e-10, "500 pm"), (0.0, "0 pm")],
)
def test_lengths_have_a_handy_unit(length_m: float, text: str) -> None:
    assert metres_text(length_m) == text


def test_pixels_come_with_their_length_where_that_is_known() -> None:
    assert length_text(12.34, None) == "12.3 px"
    assert length_text(12.34, 2e-8) == "12.3 px (247 nm)"
    assert length_text(float("inf"), 2e-8) == "none"


@pytest.mark.parametrize(("most", "expected"), [(7.3, 5), (1.0, 1), (0.0199, 0.01), (2e-6, 2e-6), (9.9e-7, 5e-7)])
def test_the_scale_bar_has_a_round_length(most: float, expected: float) -> None:
    assert round_length(most) == pytest.approx(expected)


def test_a_profile_reads_the_values_under_the_line() -> None:
    y, x = np.mgrid[:40, :50].astype(float)
    plane = 3 * (y + 0.5) - 2 * (x + 0.5)
    start, end = (10.0, 5.0), (34.0, 37.0)
    distance, values = line_profile(plane, start, end)
    assert distance[-1] == pytest.approx(40)
    # On a plane the value at a place is known whatever the interpolation.
    np.testing.assert_allclose(values, 3 * (10 + 0.6 * distance) - 2 * (5 + 0.8 * distance))
    outside = line_profile(plane, (20.0, -10.0), (20.0, 10.0))[1]
    assert np.isnan(outside[:19]).all()
    assert np.isfinite(outside[21:]).all()


def test_of_a_phase_no_means_are_taken_and_of_a_complex_picture_the_amplitude() -> None:
    jump = np.full((10, 20), 3.1)
    jump[:, 10:] = -3.1
    _, values = line_profile(jump, (5.0, 0.5), (5.0, 19.5), nearest=True)
    assert set(values) == {3.1, -3.1}
    _, values = line_profile(np.full((10, 20), 3 - 4j), (5.0, 0.5), (5.0, 19.5))
    np.testing.assert_allclose(values, 5)
    holes = np.where(jump > 0, jump, np.nan)
    assert np.isnan(line_profile(holes, (5.0, 0.5), (5.0, 19.5))[1][-10:]).all()


def _measured(qtbot: QtBot) -> tuple[QWidget, list[ImageView], LineMeasure]:
    window = QWidget()
    views = [ImageView(name, quantity=f"{name} [rad]", parent=window) for name in ("first", "second")]
    views[0].link(views[1])
    measure = LineMeasure(views, window)
    for number, part in enumerate((*views, measure)):
        part.setGeometry(300 * number, 0, 300, 250)
    show(qtbot, window, 900, 250)
    for number, view in enumerate(views):
        view.set_image(np.arange(60.0 * 80).reshape(60, 80) * (number + 1))
    return window, views, measure


def test_the_line_measures_in_all_linked_pictures(qtbot: QtBot) -> None:
    window, views, measure = _measured(qtbot)
    assert not measure.isVisible()
    measure.set_active(True)
    measure.tool.set_ends((30.5, 10.5), (30.5, 50.5))
    assert measure.plot.series_names == ("first", "second")
    for number, name in enumerate(("first", "second"), start=1):
        values, _ = measure.plot.drawn_values(name)
        np.testing.assert_allclose(values, number * (30 * 80 + 10 + np.linspace(0, 40, 81)))
    measure.set_pixel_size(2e-8)
    assert measure.plot.x_label == "distance [nm], 1.0 px (20 nm)"
    assert all(line.text.toPlainText() == "40.0 px (800 nm) · 0.0°" for line in measure.tool._lines)
    measure.set_active(False)
    assert not measure.isVisible()
    assert window.isVisible()
    assert len(views) == 2


def test_the_ends_are_dragged_and_moved_by_keys(qtbot: QtBot) -> None:
    window, views, measure = _measured(qtbot)
    measure.set_active(True)
    measure.tool.set_ends((30.0, 10.0), (30.0, 50.0))
    measure.tool._lines[1].ends[1].setPos(45.0, 20.0)
    assert measure.tool.ends == ((30.0, 10.0), (20.0, 45.0))
    assert measure.tool._lines[0].ends[1].pos().x() == 45
    QTest.keyClick(views[0], Qt.Key.Key_Down)
    assert measure.tool.ends == ((31.0, 10.0), (21.0, 45.0))
    QTest.keyClick(views[0], Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert measure.tool.ends == ((31.0, 10.0), (21.0, 44.0))
    measure.set_active(False)
    QTest.keyClick(views[0], Qt.Key.Key_Down)
    assert measure.tool.ends == ((31.0, 10.0), (21.0, 44.0))
    assert window.isVisible()


def test_the_scale_bar_is_as_long_as_it_says(qtbot: QtBot) -> None:
    view = ImageView("picture", quantity="phase [rad]")
    show(qtbot, view, 400, 400)
    view.set_image(np.ones((100, 100)))
    assert not view.scale_bar.isVisible()
    view.set_pixel_size(1e-8)
    assert view.scale_bar.isVisible()
    assert view.scale_bar.text == "200 nm"
    left, right = (view.view_box.mapSceneToView(view.graphics.mapToScene(x, 200)).x() for x in (100, 200))
    assert view.scale_bar.bar_px == pytest.approx(20 * 100 / (right - left), rel=0.02)
    view.view_box.setRange(xRange=(0, 10), yRange=(0, 10))
    assert view.scale_bar.text == "20 nm"


def test_values_are_read_out_with_their_unit_and_place(qtbot: QtBot) -> None:
    view = ImageView("picture", quantity="phase [rad]")
    show(qtbot, view, 400, 400)
    view.set_image(np.full((4, 4), 1.5))
    view._set_reading(view.reading_at(1.5, 2.5))
    assert view.read_out == "row 1, column 2: 1.5 rad"
    view.set_pixel_size(1e-8)
    assert view.read_out == "row 1, column 2 (y 10 nm, x 20 nm): 1.5 rad"


def test_a_complex_picture_has_a_wheel_and_no_other(qtbot: QtBot) -> None:
    view = ImageView("picture")
    show(qtbot, view, 500, 500)
    view.set_image(np.ones((20, 20)))
    assert not view.colour_wheel.isVisible()
    view.set_rgba(np.full((20, 20, 4), 255, np.uint8), np.ones((20, 20), np.complex64), (-np.pi, np.pi))
    assert view.colour_wheel.isVisible()
    view.set_image(np.ones((20, 20)))
    assert not view.colour_wheel.isVisible()


def test_the_wheel_is_red_at_zero_and_its_phase_grows_against_the_clock() -> None:
    wheel = wheel_image(101)
    right, top, middle = (wheel.pixelColor(*place) for place in ((97, 50), (50, 3), (50, 50)))
    assert (right.red() > 200, right.green() < 40, right.blue() < 40) == (True, True, True)
    # π/2 is a quarter of the way around the hues: between yellow and green.
    assert top.green() > 200
    assert 80 < top.red() < 160
    assert middle.lightness() < 10
    assert wheel.pixelColor(1, 1).alpha() == 0


def test_the_pixel_size_is_entered_in_nanometres_or_forgotten(qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = PixelSizeDialog(2e-8, parent)
    assert dialog.side.value() == pytest.approx(20)
    dialog.side.setValue(33.5)
    with qtbot.waitSignal(dialog.chosen) as caught:
        dialog._take()
    assert caught.args[0] == pytest.approx(3.35e-8)
    other = PixelSizeDialog(None, parent)
    with qtbot.waitSignal(other.chosen) as caught:
        other._forget()
    assert caught.args == [None]
