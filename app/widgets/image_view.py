"""A picture of values: colour bar with scale and unit, read-out, zoom, levels, linked views.

The origin is at the top left, rows run down and columns to the right, and a pixel is square.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPixmap, QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.display.complex_image import ByteArray
from app.display.false_colours import false_colours
from app.display.levels import LevelMode, Levels, Scaling, auto_levels, scale_level, scale_values
from app.widgets.colour_bar import ColourBar, Tick
from app.widgets.colour_wheel import ColourWheel
from app.widgets.elided_label import ElidedLabel
from app.widgets.overlays import Overlay
from app.widgets.plot_colours import PALETTE_EVENTS, plot_colours
from app.widgets.read_out import place_text, value_text
from app.widgets.scale_bar import ScaleBar
from app.widgets.titled_picture import titled_picture


@dataclass(frozen=True, slots=True)
class Reading:
    """The value under the mouse."""

    row: int
    column: int
    value: float | complex


class ImageView(QWidget):
    """One picture with its title above and its colour bar beside it."""

    hovered = Signal(object)
    """The Reading under the mouse, ``None`` when it leaves the picture."""
    clicked = Signal(float, float)
    """Row and column of a click, in fractions of a pixel."""
    export_asked = Signal(object)
    """An Export that is to be written to a file chosen by the user."""
    settings_changed = Signal()
    """The user chose another colour map, scaling or range from the menu."""

    def __init__(
        self,
        name: str,
        *,
        quantity: str = "",
        colour_map: str = "viridis",
        scaling: Scaling = "linear",
        level_mode: LevelMode = "percentiles",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.name = name
        """What the picture is, for titles, file names and assistive technology."""
        self.quantity = quantity
        self.colour_map = colour_map
        self.scaling: Scaling = scaling
        self.level_mode: LevelMode = level_mode
        self.origin_px: tuple[int, int] = (0, 0)
        """Added to row and column in the read-out: the pixel ``[0, 0]`` in the coordinates of the object."""
        self._values: NDArray[Any] | None = None
        self._painted_rgba = False
        self._painted: ByteArray | None = None
        self._explicit: Levels | None = None
        self._levels: Levels = (0.0, 1.0)
        self._pixel_size_m: float | None = None
        self._kind = ""
        self._range_chosen = False
        self._ticks: Sequence[Tick] | None = None
        self._fitted = True
        self._linked: list[ImageView] = []
        self._syncing = False
        self._reading: Reading | None = None
        self._build()
        self._connect()
        self._apply_palette()
        self.set_title(name)

    def _build(self) -> None:
        self._title = ElidedLabel(parent=self)
        self._detail = ElidedLabel(parent=self)
        self._detail.hide()
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.setMinimumSize(QSize(120, 100))
        # One colour is filled in faster than it is copied.
        self.graphics.setCacheMode(pg.GraphicsView.CacheModeFlag.CacheNone)
        self.graphics.ci.layout.setContentsMargins(2, 9, 2, 9)
        self.graphics.ci.layout.setSpacing(3)
        # The picture takes the keyboard as a whole; the scene inside has nothing to focus.
        self.graphics.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.view_box = self.graphics.addViewBox(
            row=0, col=0, lockAspect=True, invertY=True, enableMenu=False, defaultPadding=0.02
        )
        self.view_box.disableAutoRange()
        self._image = pg.ImageItem(axisOrder="row-major")
        self.view_box.addItem(self._image, ignoreBounds=True)
        self.overlay = Overlay(self.view_box)
        self.colour_bar = ColourBar(self.graphics, 0, 1)
        self.scale_bar = ScaleBar(self.graphics, self.view_box)
        self.colour_wheel = ColourWheel(self.graphics, self.view_box)
        self._read_out = QLabel(self.graphics)
        self._read_out.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._read_out.setAutoFillBackground(True)
        self._read_out.setContentsMargins(4, 1, 4, 1)
        self._read_out.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._title)
        layout.addWidget(self._detail)
        layout.addWidget(self.graphics, 1)
        self.setAccessibleName(self.name)

    def _connect(self) -> None:
        scene = self.graphics.scene()
        scene.sigMouseMoved.connect(self._mouse_moved)
        scene.sigMouseClicked.connect(self._mouse_clicked)
        self.graphics.viewport().installEventFilter(self)
        self.view_box.sigRangeChangedManually.connect(self.zoomed_by_hand)
        self.view_box.sigRangeChanged.connect(self._share_range)
        self.view_box.sigResized.connect(self._view_resized)

    # --- what is shown ---

    @property
    def values(self) -> NDArray[Any] | None:
        """The picture as it was given, ``None`` if there is none."""
        return self._values

    @property
    def levels(self) -> Levels:
        """The values at both ends of the colour bar."""
        return self._levels

    @property
    def is_painted(self) -> bool:
        """Whether the picture came with ready-made colours."""
        return self._painted_rgba

    @property
    def has_fixed_levels(self) -> bool:
        """Whether the range was given, not taken from the picture."""
        return self._explicit is not None

    @property
    def title(self) -> str:
        """What is shown, in words, with its scale and range."""
        return " · ".join(label.text() for label in (self._title, self._detail) if label.text())

    def set_title(self, title: str, detail: str = "") -> None:
        """Write the line above the picture: what, and on which scale; and another one for its range."""
        self._title.setText(title)
        self._title.setVisible(bool(title))
        self._detail.setText(detail)
        self._detail.setVisible(bool(detail))
        self.setAccessibleDescription(self.title)

    def picture(self) -> QPixmap:
        """Return the picture as on screen, with colour bar, under its whole title."""
        self._set_reading(None)
        return titled_picture(self, self.graphics.grab(), self.title)

    def set_quantity(self, quantity: str, ticks: Sequence[Tick] | None = None) -> None:
        """Name the quantity, its scale and its unit beside the colour bar, with ticks where round ones will not do."""
        if (quantity, ticks) == (self.quantity, self._ticks):
            return
        self.quantity = quantity
        self._ticks = ticks
        self._paint()

    def set_image(self, values: NDArray[Any] | None, *, levels: Levels | None = None) -> None:
        """Show ``(height, width)`` values; NaN is transparent.

        Parameters
        ----------
        values
            The picture, ``None`` for none.
        levels
            The range of the colour bar; by default it is taken from the picture by :attr:`level_mode`.
        """
        self._show(values, levels, None)

    def set_rgba(self, rgba: ByteArray, values: NDArray[Any], levels: Levels) -> None:
        """Show ready-made colours of ``(height, width)`` values that are read out; ``levels`` are those of the bar."""
        self._show(values, levels, rgba)

    def _show(self, values: NDArray[Any] | None, levels: Levels | None, rgba: ByteArray | None) -> None:
        old_shape = None if self._values is None else self._values.shape
        self._values = values
        if not self._range_chosen:
            self._explicit = levels
        self._painted_rgba = rgba is not None
        self.colour_wheel.set_wanted(self._painted_rgba)
        if rgba is not None:
            self._image.setImage(rgba, autoLevels=False)
        self._paint()
        if values is not None and values.shape != old_shape:
            self.fit()

    def _paint(self) -> None:
        self.colour_bar.set_visible(self._values is not None)
        if self._values is None or self._values.size == 0:
            self._image.clear()
            self._painted = None
            return
        if self._painted_rgba:
            self._levels = self._explicit or (0.0, 1.0)
            self.colour_bar.show(self.colour_map, self._levels, "linear", self.quantity, self._ticks)
            return
        self._levels = self._explicit or auto_levels(self._values, self.level_mode, self.scaling)
        if self.scaling == "log" and self._levels[0] <= 0:
            low, high = auto_levels(self._values, self.level_mode, self.scaling)
            self._levels = (min(low, self._levels[1] / 10), self._levels[1]) if self._levels[1] > 0 else (low, high)
        low, high = (scale_level(level, self.scaling) for level in self._levels)
        # Coloured here: the library would look for NaN in every picture, and for each colour again whenever it paints.
        scaled = scale_values(self._values, self.scaling)
        self._painted = false_colours(scaled, low, high, self.colour_map, room=self._painted)
        self._image.setImage(self._painted, autoLevels=False)
        self.colour_bar.show(self.colour_map, self._levels, self.scaling, self.quantity, self._ticks)

    def set_levels(self, levels: Levels | None) -> None:
        """Fix the range of the colour bar; ``None`` takes it from the picture again."""
        self._explicit = levels
        self._paint()

    def set_kind(self, kind: str, colour_map: str) -> None:
        """Say what is shown next; where that is something new, what the user chose for the old ends."""
        if kind != self._kind:
            self._kind, self.colour_map, self._range_chosen = kind, colour_map, False

    def choose_range(self, levels: Levels | None, mode: LevelMode | None = None) -> None:
        """Take the user's range, or the user's way to find one; it outlasts the ranges that come with new pictures."""
        self._range_chosen = True
        self.level_mode = mode or self.level_mode
        self.set_levels(levels)

    def set_colour_map(self, name: str) -> None:
        """Paint with another colour map."""
        self.colour_map = name
        self._paint()

    def set_scaling(self, scaling: Scaling) -> None:
        """Paint linear, sqrt or log."""
        self.scaling = scaling
        self._paint()

    def set_pixel_size(self, pixel_size_m: float | None) -> None:
        """Say how large a pixel is [m]: a scale bar appears, and places are read out as lengths too."""
        self._pixel_size_m = pixel_size_m
        self.scale_bar.set_pixel_size(pixel_size_m)

    # --- zoom ---

    @property
    def shown_range(self) -> QRectF:
        """The part of the picture's plane that is in view."""
        rectangle: QRectF = self.view_box.viewRect()
        return rectangle

    def fit(self) -> None:
        """Show the whole picture, and keep doing so when the window changes."""
        self._fitted = True
        if self._values is not None and self._values.size:
            height, width = self._values.shape[:2]
            self.view_box.setRange(QRectF(0, 0, width, height), padding=0.02)

    def fit_all(self) -> None:
        """Show the whole picture here and in the linked views."""
        for view in (self, *self._linked):
            view.fit()

    def link(self, other: "ImageView") -> None:
        """Share the zoom with another view, both ways."""
        self._linked.append(other)
        other._linked.append(self)

    def zoomed_by_hand(self, *_: object) -> None:
        """Keep the part in view from now on, and share it with the linked views."""
        self._fitted = False

    def _share_range(self, *_: object) -> None:
        if self._syncing or self._fitted:
            return
        for other in self._linked:
            other._follow(self)

    def _follow(self, leader: "ImageView") -> None:
        self._syncing = True
        self._fitted = False
        self.view_box.setRange(leader.shown_range, padding=0)
        self._syncing = False

    def _view_resized(self, *_: object) -> None:
        if self._fitted:
            self.fit()

    # --- mouse, keyboard, palette ---

    def reading_at(self, row: float, column: float) -> Reading | None:
        """Return the value of the pixel at a place, ``None`` outside the picture."""
        if self._values is None or self._values.ndim < 2:
            return None
        i, j = int(np.floor(row)), int(np.floor(column))
        height, width = self._values.shape[:2]
        return Reading(i, j, self._values[i, j].item()) if 0 <= i < height and 0 <= j < width else None

    @property
    def read_out(self) -> str:
        """The text of the value under the mouse."""
        return "" if self._reading is None else self._reading_text(self._reading)

    def _reading_text(self, reading: Reading) -> str:
        row, column = reading.row + self.origin_px[0], reading.column + self.origin_px[1]
        return f"{place_text(row, column, self._pixel_size_m)}: {value_text(reading.value, self.quantity)}"

    def _place(self, scene_position: QPointF) -> QPointF:
        place: QPointF = self.view_box.mapSceneToView(scene_position)
        return place

    def _mouse_moved(self, scene_position: QPointF) -> None:
        inside = self.view_box.sceneBoundingRect().contains(scene_position)
        place = self._place(scene_position) if inside else QPointF(-1, -1)
        self._set_reading(self.reading_at(place.y(), place.x()))

    def _set_reading(self, reading: Reading | None) -> None:
        if reading == self._reading:
            return
        self._reading = reading
        self._read_out.setVisible(reading is not None)
        if reading is not None:
            self._read_out.setText(self._reading_text(reading))
            self._read_out.adjustSize()
            self._read_out.move(2, self.graphics.height() - self._read_out.height() - 2)
        self.hovered.emit(reading)

    def _mouse_clicked(self, event: Any) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.RightButton:
            event.accept()
            self._open_menu(event.screenPos().toPoint())
        elif event.button() == Qt.MouseButton.LeftButton:
            if event.double():
                self.fit_all()
                return
            place = self._place(event.scenePos())
            if self.reading_at(place.y(), place.x()) is not None:
                self.clicked.emit(place.y(), place.x())

    def _open_menu(self, place: Any) -> None:
        # Imported here: the menu knows the view, and few pictures are ever asked for theirs.
        from app.widgets.image_menu import build_image_menu

        menu = build_image_menu(self, self._reading)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # Qt's name
        """Home shows the whole picture, the menu key opens the menu."""
        if event.key() == Qt.Key.Key_Home:
            self.fit_all()
        elif event.key() == Qt.Key.Key_Menu:
            self._open_menu(self.mapToGlobal(self.rect().center()))
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # Qt's name
        """Notice the mouse leaving the picture."""
        if event.type() == QEvent.Type.Leave:
            self._set_reading(None)
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # Qt's name
        """Keep the read-out in its corner."""
        super().resizeEvent(event)
        self._set_reading(None)

    def changeEvent(self, event: QEvent) -> None:  # Qt's name
        """Follow the palette of the desktop."""
        super().changeEvent(event)
        if event.type() in PALETTE_EVENTS:
            self._apply_palette()

    def _apply_palette(self) -> None:
        colours = plot_colours(self)
        self.graphics.setBackground(colours.background)
        self.colour_bar.set_colours(colours)
