"""The context menu of a picture: colours, scaling, range, copy and save."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QLocale, Qt
from PySide6.QtGui import QActionGroup, QDoubleValidator, QGuiApplication, QPainter, QPixmap
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QFormLayout, QLineEdit, QMenu, QWidget

from app.display.colormaps import COLOUR_MAPS
from app.display.exports import Export, with_suffix
from app.display.levels import SCALINGS, LevelMode, Scaling

if TYPE_CHECKING:
    from app.widgets.image_view import ImageView, Reading
    from ptycho_engine.arrays import FloatArray

ChoiceT = TypeVar("ChoiceT", bound=str)

LEVEL_MODES: dict[LevelMode, str] = {
    "percentiles": "1st to 99th percentile",
    "wide": "0.1th to 99.9th percentile",
    "full": "Smallest to greatest",
}
SCALING_TEXTS: dict[Scaling, str] = {"linear": "Linear", "sqrt": "Square root", "log": "Logarithmic"}


def build_image_menu(view: "ImageView", reading: "Reading | None") -> QMenu:
    """Return the menu for a picture, with the pixel under the mouse if there is one."""
    menu = QMenu(view)
    if not view.is_painted:
        colours = menu.addMenu("&Colour map")
        _fill_choices(colours, COLOUR_MAPS, view.colour_map, _then(view, view.set_colour_map), str)
        scaling = menu.addMenu("&Scaling")
        _fill_choices(scaling, SCALINGS, view.scaling, _then(view, view.set_scaling), SCALING_TEXTS.__getitem__)
        levels = menu.addMenu("&Range")
        mode = None if view.has_fixed_levels else view.level_mode
        _fill_choices(
            levels, LEVEL_MODES, mode, _then(view, lambda mode: view.choose_range(None, mode)), LEVEL_MODES.__getitem__
        )
        levels.addSeparator()
        levels.addAction("&Set range…", lambda: RangeDialog(view).open())
        menu.addSeparator()
    copy_value = menu.addAction("Copy &value")
    copy_value.setEnabled(reading is not None)
    if reading is not None:
        text = f"{reading.row}\t{reading.column}\t{reading.value!r}"
        copy_value.triggered.connect(lambda: QGuiApplication.clipboard().setText(text))
    menu.addAction("Copy &picture", lambda: QGuiApplication.clipboard().setPixmap(view.picture()))
    menu.addAction("Save &PNG with colour bar…", lambda: ask_for_path(view, ".png", lambda path: save_png(view, path)))
    save_float = menu.addAction("Save float &TIFF…")
    save_float.setEnabled(view.values is not None)
    save_float.triggered.connect(lambda: ask_for_path(view, ".tif", lambda path: save_tiff(view, path)))
    menu.addSeparator()
    menu.addAction("&Fit\tHome", view.fit_all)
    return menu


def _then(view: "ImageView", choose: Callable[[ChoiceT], None]) -> Callable[[ChoiceT], None]:
    def act(name: ChoiceT) -> None:
        choose(name)
        view.settings_changed.emit()

    return act


def _fill_choices(
    menu: QMenu,
    names: Iterable[ChoiceT],
    current: str | None,
    act: Callable[[ChoiceT], None],
    text: Callable[[ChoiceT], str],
) -> None:
    group = QActionGroup(menu)
    for name in names:
        action = menu.addAction(text(name))
        action.setCheckable(True)
        action.setChecked(name == current)
        action.triggered.connect(lambda _checked=False, name=name: act(name))
        group.addAction(action)


def ask_for_path(parent: QWidget, suffix: str, use: Callable[[str], None]) -> None:
    """Let the user choose a file to write, without stopping the window, and hand it to ``use``."""
    dialog = QFileDialog(parent, "Save", "", f"{suffix[1:].upper()} files (*{suffix})")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suffix[1:])
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(use)
    dialog.open()


def save_png(view: "ImageView", path: str) -> None:
    """Ask for a PNG of the picture as it is on screen, with title and colour bar, to be written."""
    view.export_asked.emit(Export(with_suffix(path, ".png"), png_bytes(view.picture())))


def save_tiff(view: "ImageView", path: str) -> None:
    """Ask for the values, not the colours, to be written; a complex picture is written as its amplitude."""
    if view.values is None:
        return
    values: FloatArray = np.asarray(np.abs(view.values) if np.iscomplexobj(view.values) else view.values, np.float32)
    view.export_asked.emit(Export(with_suffix(path, ".tif"), values, f"{view.title} | {view.quantity}"))


def png_bytes(picture: QPixmap) -> bytes:
    """Return a picture as PNG."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    return bytes(content.data())


def side_by_side(pictures: Sequence[QPixmap]) -> QPixmap:
    """Return pictures next to each other, from the left."""
    whole = QPixmap(sum(picture.width() for picture in pictures), max(picture.height() for picture in pictures))
    whole.fill(Qt.GlobalColor.transparent)
    painter = QPainter(whole)
    left = 0
    for picture in pictures:
        painter.drawPixmap(left, 0, picture)
        left += picture.width()
    painter.end()
    return whole


class RangeDialog(QDialog):
    """Two values for the ends of the colour bar."""

    def __init__(self, view: "ImageView") -> None:
        super().__init__(view)
        self.setWindowTitle(f"Range of {view.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._view = view
        self.low, self.high = (self._edit(level) for level in view.levels)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.apply)
        buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow("&From", self.low)
        form.addRow("&To", self.high)
        form.addRow(buttons)

    def _edit(self, level: float) -> QLineEdit:
        edit = QLineEdit(f"{level:.6g}", self)
        validator = QDoubleValidator(self)
        validator.setLocale(QLocale.c())
        edit.setValidator(validator)
        return edit

    def apply(self) -> None:
        """Take the range and close, if it is one."""
        low, high = float(self.low.text() or 0), float(self.high.text() or 0)
        if high > low and not (self._view.scaling == "log" and low <= 0):
            self._view.choose_range((low, high))
            self._view.settings_changed.emit()
            self.accept()
