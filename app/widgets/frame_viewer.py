"""One pattern of a scan with slider, number and play button, a rectangle on it, and marks on pixels not to trust."""

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QSlider, QSpinBox, QToolButton, QVBoxLayout, QWidget

from app.display.levels import SCALINGS, Scaling
from app.display.scan_figures import mask_picture, mask_text
from app.display.wording import whole
from app.widgets.choice_box import ChoiceBox
from app.widgets.elided_label import ElidedLabel
from app.widgets.image_menu import SCALING_TEXTS
from app.widgets.image_view import ImageView
from app.widgets.region_box import RegionBox
from ptycho_engine.arrays import FloatArray
from ptycho_engine.diagnostics.pixel_mask import PixelMask
from ptycho_engine.documents import Rectangle

AMPLITUDE_LABEL = "amplitude [√counts]"
PLAY_INTERVAL_MS = 100


class FrameViewer(QWidget):
    """Moves through the frames of a scan; shows what it is given."""

    frame_chosen = Signal(int)
    """The person moved to another frame."""
    region_chosen = Signal(object)
    """``Rectangle | None``: the person drew, moved or took away the rectangle."""
    region_moved = Signal(object)
    """``Rectangle`` while it is being dragged."""
    scaling_chosen = Signal()
    """The person chose another scaling."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: int | None = None
        self._problem = ""
        self._mask: PixelMask | None = None
        self._side = 0
        self._region: Rectangle | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(PLAY_INTERVAL_MS)
        self._build()
        self._connect()

    def _build(self) -> None:
        self.view = ImageView("Diffraction", quantity=AMPLITUDE_LABEL, scaling="log", level_mode="full")
        self.box = RegionBox(self.view)
        self.scaling: ChoiceBox[Scaling] = ChoiceBox("Scaling", {key: SCALING_TEXTS[key] for key in SCALINGS})
        self.scaling.choose("log")
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setAccessibleName("Frame")
        self.slider.setToolTip("Move through the scan (arrow keys, Page Up and Page Down)")
        self.number = QSpinBox(self)
        self.number.setAccessibleName("Frame number")
        self.number.setToolTip("Go to a frame by its number")
        self.number.setKeyboardTracking(False)
        self.play = _toggle("▶", "Play", "Show one frame after the other", self)
        self.region_button = _toggle(
            "Rectan&gle", "Rectangle", "Sum the light in a rectangle over all patterns: a map in the tab Maps", self
        )
        self.mask_button = _toggle(
            "Bad pi&xels", "Bad pixels", "Mark dead (red), saturated (white) and not finite (blue) pixels", self
        )
        self.mask_button.setChecked(True)
        self.total = ElidedLabel(parent=self)
        moving, marking = QHBoxLayout(), QHBoxLayout()
        moving.setContentsMargins(4, 2, 4, 0)
        moving.addWidget(self.play)
        moving.addWidget(self.slider, 1)
        moving.addWidget(self.number)
        marking.setContentsMargins(4, 2, 4, 2)
        marking.addWidget(self.scaling)
        self.scaling.narrow()
        marking.addStretch(1)
        marking.addWidget(self.region_button)
        marking.addWidget(self.mask_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.view, 1)
        column.addWidget(self.total)
        column.addLayout(moving)
        column.addLayout(marking)

    def _connect(self) -> None:
        self.slider.valueChanged.connect(self._moved)
        self.number.valueChanged.connect(self._moved)
        self.play.toggled.connect(self._play_toggled)
        self._timer.timeout.connect(self._next_frame)
        self.scaling.currentIndexChanged.connect(self._scaling_chosen)
        self.view.settings_changed.connect(self._title_frame)
        self.mask_button.toggled.connect(self._paint_mask)
        self.region_button.toggled.connect(self._region_toggled)
        self.box.moved.connect(self.region_moved)
        self.box.settled.connect(self._region_settled)

    @property
    def frame(self) -> int:
        """The frame that is shown or asked for."""
        return self.slider.value()

    @property
    def shown(self) -> int | None:
        """The frame whose pattern is on screen, ``None`` before the first."""
        return self._shown

    @property
    def region(self) -> Rectangle | None:
        """The rectangle on the pattern, ``None`` while there is none."""
        return self._region if self.region_button.isChecked() else None

    def begin(self, n_scan: int, side: int, frame: int) -> None:
        """Start with another scan of ``n_scan`` patterns of ``side`` pixels, at a frame of it."""
        self.play.setChecked(False)
        for widget in (self.slider, self.number):
            widget.blockSignals(True)
            widget.setRange(0, max(n_scan - 1, 0))
            widget.setValue(frame)
            widget.blockSignals(False)
        self.slider.setPageStep(max(1, n_scan // 20))
        self.number.setSuffix(f" of {whole(n_scan)}")
        self._shown, self._problem, self._side, self._region = None, "", side, None
        self.region_button.blockSignals(True)
        self.region_button.setChecked(False)
        self.region_button.blockSignals(False)
        self.box.show(None)
        self.total.setText("")
        self.view.set_title("Reading the frame…")
        self.view.set_image(None)
        self.set_mask(None)

    def go_to(self, frame: int) -> None:
        """Show the number of another frame; tells nobody."""
        for widget in (self.slider, self.number):
            widget.blockSignals(True)
            widget.setValue(frame)
            widget.blockSignals(False)

    def show_frame(self, index: int, pattern: FloatArray, problem: str = "") -> None:
        """Show ``(N, N)`` amplitude, or why there is none."""
        self._shown, self._problem = index, problem
        if problem:
            self.stop()
            self.view.set_image(None)
            self._paint_mask()
            self._title_frame()
            self.total.setText(problem)
            return
        empty = self.view.values is None
        self.view.set_image(pattern)
        self._title_frame()
        if empty:
            self._paint_mask()
        finite = pattern[np.isfinite(pattern)].astype(np.float64)
        if finite.size:
            figures = f"Σ a² {np.square(finite).sum():.4g} counts · mean {finite.mean():.4g} · max {finite.max():.4g}"
            self.total.setText(f"{figures} √counts")
        else:
            self.total.setText("no pixel has a finite value")

    def set_mask(self, mask: PixelMask | None) -> None:
        """Say which pixels cannot be trusted, ``None`` while that is not known."""
        self._mask = mask
        words = "Mark dead (red), saturated (white) and not finite (blue) pixels"
        self.mask_button.setToolTip(words if mask is None else f"{words}: {mask_text(mask)}")
        self.mask_button.setEnabled(mask is not None and bool(mask.any.any()))
        self._paint_mask()

    def set_region(self, rectangle: Rectangle) -> None:
        """Put the rectangle there; tells nobody."""
        self._region = rectangle
        self.region_button.blockSignals(True)
        self.region_button.setChecked(True)
        self.region_button.blockSignals(False)
        self.box.show(rectangle, self._side)

    def stop(self) -> None:
        """Stop playing."""
        self.play.setChecked(False)

    def _paint_mask(self, *_: object) -> None:
        mask = self._mask if self.mask_button.isChecked() and self.view.values is not None else None
        self.view.overlay.set_mask(mask_picture(mask) if mask is not None and mask.any.any() else None)

    def _moved(self, value: int) -> None:
        self.go_to(value)
        self.frame_chosen.emit(value)

    def _play_toggled(self, on: bool) -> None:
        self.play.setText("⏸" if on else "▶")
        if on:
            self._timer.start()
        else:
            self._timer.stop()

    def _next_frame(self) -> None:
        if not self.isVisible():
            self.stop()
        elif self._shown == self.frame:
            # Only once the last one is there: a slow disk slows the film, it does not pile up requests.
            self._moved((self.frame + 1) % (self.slider.maximum() + 1))

    def _scaling_chosen(self, *_: object) -> None:
        self.view.set_scaling(self.scaling.choice)
        self._title_frame()
        self.scaling_chosen.emit()

    def _title_frame(self) -> None:
        self.scaling.blockSignals(True)
        self.scaling.choose(self.view.scaling)
        self.scaling.blockSignals(False)
        if self._problem:
            self.view.set_title(f"Frame {self._shown} could not be read")
        elif self._shown is not None:
            self.view.set_title(f"Frame {self._shown} · as stored · {SCALING_TEXTS[self.view.scaling].lower()}")

    def _region_toggled(self, on: bool) -> None:
        if on and self._region is None:
            quarter = max(1, self._side // 4)
            start = (self._side - quarter) // 2
            self._region = Rectangle(start, start, quarter, quarter)
        self.box.show(self._region if on else None, self._side)
        self.region_chosen.emit(self.region)

    def _region_settled(self, rectangle: Rectangle) -> None:
        if rectangle != self._region:
            self._region = rectangle
            self.region_chosen.emit(rectangle)


def _toggle(text: str, name: str, tip: str, parent: QWidget) -> QToolButton:
    button = QToolButton(parent)
    button.setText(text)
    button.setCheckable(True)
    button.setAccessibleName(name)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button
