"""The picture widget: orientation, read-out, levels, zoom, links, colours, export."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QAction, QColor, QImage, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from app.display.exports import Export
from app.display.levels import Scaling
from app.widgets.image_menu import RangeDialog, build_image_menu, save_png, save_tiff
from app.widgets.image_view import ImageView, Reading
from tests.app.widgets.screen import click_at, letter_f, looks_like, move_to, painted_brightness, settle, show


def _view(qtbot: QtBot, values: np.ndarray | None = None) -> ImageView:
    view = ImageView("Test picture", quantity="counts", colour_map="gray", level_mode="full")
    show(qtbot, view)
    view.set_image(np.arange(12, dtype=np.float32).reshape(3, 4) if values is None else values)
    settle()
    return view


def test_an_f_is_upright_on_the_screen(qtbot: QtBot) -> None:
    letter = letter_f()
    view = _view(qtbot, letter)
    assert looks_like(painted_brightness(view, letter.shape), letter)


def test_pixels_are_square_and_the_whole_picture_fits(qtbot: QtBot) -> None:
    view = _view(qtbot)
    across, down = view.view_box.viewPixelSize()
    assert across == pytest.approx(down, rel=0.02)
    assert view.shown_range.contains(QRectF(0, 0, 4, 3))
    view.resize(300, 600)
    settle()
    assert view.shown_range.contains(QRectF(0, 0, 4, 3))


def test_the_mouse_reads_row_column_and_value(qtbot: QtBot) -> None:
    view = _view(qtbot)
    seen: list[Reading | None] = []
    view.hovered.connect(seen.append)
    move_to(view, 1, 2)
    assert seen == [Reading(1, 2, 6.0)]
    assert view.read_out == "row 1, column 2: 6"
    view.origin_px = (10, 20)
    assert view.read_out == "row 11, column 22: 6"
    assert view.reading_at(3, 0) is None
    assert view.reading_at(-0.1, 0) is None


def test_a_click_tells_its_place(qtbot: QtBot) -> None:
    view = _view(qtbot)
    with qtbot.waitSignal(view.clicked) as caught:
        click_at(view, 2, 3)
    assert caught.args is not None
    assert [int(place) for place in caught.args] == [2, 3]


def _looks_of(view: ImageView) -> QImage:
    settle()
    picture: QImage = view.graphics.grab().toImage()
    return picture


def test_a_view_looks_the_same_however_it_came_to_its_colours_and_range(qtbot: QtBot) -> None:
    steps = np.linspace(0.0, 4.0, 64, dtype=np.float32).reshape(8, 8)
    changed, fresh = (ImageView("picture", quantity="counts", colour_map=name) for name in ("inferno", "gray"))
    for view in (changed, fresh):
        show(qtbot, view)
    changed.set_image(steps, levels=(0.0, 1.0))
    before = _looks_of(changed)
    changed.set_colour_map("gray")
    changed.set_levels((1.0, 3.0))
    fresh.set_image(steps, levels=(1.0, 3.0))
    assert _looks_of(changed) == _looks_of(fresh)
    assert _looks_of(changed) != before
    # From the top of the bar to its bottom: the lightest colour, all between them, the darkest.
    picture = _looks_of(changed)
    middle = changed.colour_bar._view.sceneBoundingRect().center()
    column = [picture.pixelColor(int(middle.x()), y).lightness() for y in range(20, picture.height() - 20)]
    assert column[0] > 240
    assert column[-1] < 15
    assert column == sorted(column, reverse=True)


def test_the_colour_bar_names_quantity_scale_and_range(qtbot: QtBot) -> None:
    view = _view(qtbot, np.array([[0.01, 0.1], [1, 100]], np.float32))
    view.set_scaling("log")
    assert _bar(view) == ["counts (log)", "0.01", "0.1", "1", "10", "100"]
    view.set_scaling("linear")
    view.set_quantity("phase [rad]", [(0.0, "0"), (np.pi, "π")])
    assert _bar(view) == ["phase [rad]", "0", "π"]


def _bar(view: ImageView) -> list[str]:
    return [view.colour_bar.label, *view.colour_bar.tick_texts]


def test_levels_are_shared_explicit_or_taken_from_the_picture(qtbot: QtBot) -> None:
    view = _view(qtbot)
    assert view.levels[1] == 11
    view.set_image(np.full((3, 4), 5, np.float32), levels=(0.0, 100.0))
    assert view.levels[1] == 100
    view.choose_range((1.0, 2.0))
    view.set_image(np.full((3, 4), 6, np.float32), levels=(0.0, 100.0))
    assert view.levels[1] == 2


def test_the_range_of_the_user_ends_with_what_it_was_for(qtbot: QtBot) -> None:
    view = _view(qtbot)
    view.choose_range((1.0, 2.0))
    view.set_kind("something else", "viridis")
    view.set_image(np.full((3, 4), 6, np.float32), levels=(0.0, 100.0))
    assert view.levels == (0, 100)


@pytest.mark.parametrize("fill", [0.0, 7.0, np.nan, np.inf, -1.0])
@pytest.mark.parametrize("scaling", ["linear", "sqrt", "log"])
def test_strange_pictures_are_painted_without_a_warning(qtbot: QtBot, fill: float, scaling: Scaling) -> None:
    view = _view(qtbot, np.full((5, 5), fill, np.float32))
    view.set_scaling(scaling)
    view.set_levels((0.0, 1.0))
    view.set_levels((-3.0, -1.0))
    settle()
    view.grab()
    view.set_image(np.zeros((0, 0), np.float32))
    view.set_image(None)
    settle()


def test_nan_is_transparent(qtbot: QtBot) -> None:
    values = np.ones((2, 2), np.float32)
    values[0, 0] = np.nan
    view = _view(qtbot, values)
    view.set_levels((0.0, 1.0))
    _set_background(view, QColor("#203040"))
    seen = painted_brightness(view, (2, 2))
    assert seen[0, 0] == pytest.approx(QColor("#203040").lightnessF(), abs=0.02)
    assert seen[1, 1] == pytest.approx(1, abs=0.02)


def _set_background(view: ImageView, colour: QColor) -> None:
    palette = QPalette(view.palette())
    palette.setColor(QPalette.ColorRole.Base, colour)
    view.setPalette(palette)
    settle()


def test_linked_views_share_the_zoom_and_home_fits_both(qtbot: QtBot) -> None:
    first, second = _view(qtbot), _view(qtbot)
    first.link(second)
    first.view_box.scaleBy((0.5, 0.5))
    first.zoomed_by_hand()
    first.view_box.scaleBy((0.5, 0.5))
    assert second.shown_range.width() == pytest.approx(first.shown_range.width(), rel=0.01)
    assert second.shown_range.width() < 3
    QTest.keyClick(second, Qt.Key.Key_Home)
    for view in (first, second):
        assert view.shown_range.contains(QRectF(0, 0, 4, 3))


def test_zoom_stays_while_pictures_of_the_same_size_come_in(qtbot: QtBot) -> None:
    view = _view(qtbot)
    view.view_box.scaleBy((0.5, 0.5))
    view.zoomed_by_hand()
    zoomed = view.shown_range
    view.set_image(np.zeros((3, 4), np.float32))
    assert view.shown_range == zoomed
    view.set_image(np.zeros((30, 40), np.float32))
    assert view.shown_range.contains(QRectF(0, 0, 40, 30))


def test_the_menu_changes_colours_scaling_and_range(qtbot: QtBot) -> None:
    view = _view(qtbot)
    menu = build_image_menu(view, Reading(1, 2, 6.0))
    texts = [action.text().replace("&", "") for action in menu.actions() if action.text()]
    assert texts[:3] == ["Colour map", "Scaling", "Range"]
    with qtbot.waitSignal(view.settings_changed):
        _choose(menu.actions()[0], "viridis")
    assert view.colour_map == "viridis"
    _choose(menu.actions()[1], "Logarithmic")
    assert view.scaling == "log"
    _choose(menu.actions()[2], "1st to 99th percentile")
    assert view.level_mode == "percentiles"
    next(action for action in menu.actions() if action.text() == "Copy &value").trigger()
    assert QApplication.clipboard().text() == "1\t2\t6.0"
    menu.deleteLater()


def _choose(entry: QAction, text: str) -> None:
    menu = entry.menu()
    assert isinstance(menu, QMenu)
    next(action for action in menu.actions() if action.text() == text).trigger()


def test_a_typed_range_is_taken_if_it_is_one(qtbot: QtBot) -> None:
    view = _view(qtbot)
    dialog = RangeDialog(view)
    qtbot.addWidget(dialog)
    dialog.low.setText("3")
    dialog.high.setText("2")
    dialog.apply()
    assert view.levels[1] == 11
    dialog.high.setText("4.5")
    dialog.apply()
    assert view.levels[1] == 4.5


def test_exports_carry_title_and_bar_or_the_values(qtbot: QtBot, tmp_path: Path) -> None:
    view = _view(qtbot)
    view.set_title("Counts of a test", "range 0 to 11")
    exports: list[object] = []
    view.export_asked.connect(exports.append)
    save_png(view, str(tmp_path / "a"))
    save_tiff(view, str(tmp_path / "b"))
    png, tiff = exports
    assert isinstance(png, Export)
    assert isinstance(tiff, Export)
    assert png.path.name == "a.png"
    assert isinstance(png.content, bytes)
    assert QImage.fromData(png.content).height() > view.graphics.height()
    assert isinstance(tiff.content, np.ndarray)
    np.testing.assert_array_equal(tiff.content, np.arange(12, dtype=np.float32).reshape(3, 4))
    assert tiff.description == "Counts of a test · range 0 to 11 | counts"


def test_complex_values_are_read_out_as_amplitude_and_phase(qtbot: QtBot) -> None:
    view = _view(qtbot)
    view.set_rgba(np.full((2, 2, 4), 255, np.uint8), np.full((2, 2), 2j, np.complex64), (-np.pi, np.pi))
    move_to(view, 1, 1)
    assert view.read_out == "row 1, column 1: amplitude 2, phase 1.571 rad"


def test_colours_follow_the_palette(qtbot: QtBot) -> None:
    view = _view(qtbot)
    view.set_image(np.full((3, 4), np.nan, np.float32))
    brightness = []
    for name in ("#101010", "#f0f0f0"):
        _set_background(view, QColor(name))
        brightness.append(painted_brightness(view, (3, 4)).mean())
    assert brightness[0] < 0.2
    assert brightness[1] > 0.8


def test_it_tells_its_name_and_title_to_assistive_technology(qtbot: QtBot) -> None:
    view = _view(qtbot)
    view.set_title("Amplitude", "network scale")
    assert view.accessibleName() == "Test picture"
    assert view.accessibleDescription() == "Amplitude · network scale"
