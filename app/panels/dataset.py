"""A scan dataset: its patterns one by one and all together, probe, object and arrays."""

from typing import ClassVar

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QSplitter,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.display.canvas_pictures import CYCLE, PHASE_TICKS
from app.display.levels import SCALINGS, Scaling
from app.display.wording import whole
from app.panels.panel import Panel
from app.state.readings import FrameRead, ScanSummarised
from app.state.session import Session
from app.widgets.choice_box import ChoiceBox
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.elided_label import ElidedLabel
from app.widgets.image_menu import SCALING_TEXTS
from app.widgets.image_view import ImageView, Reading
from app.widgets.number_table import NumberTable
from ptycho_engine.arrays import ComplexArray
from ptycho_engine.documents import ArrayInfo, Dataset

AMPLITUDE_LABEL = "amplitude [√counts]"
PLAY_INTERVAL_MS = 100
AUTOMATIC_BYTES = 2 * 2**30
"""Scans up to this size are read for their mean and maximum without being asked."""
DIM = 1e-3
"""A phase is shown where the amplitude is above this part of its maximum; below it is noise."""


class DatasetPanel(Panel):
    """Pattern viewer, mean and maximum over the scan, probe modes, known object, table of arrays."""

    title: ClassVar[str] = "Dataset"
    panel_id: ClassVar[str] = "dataset"
    help_text: ClassVar[str] = (
        "The measured patterns, zero frequency in the middle. Move through the scan with the slider, the arrow keys or "
        "by clicking a position in Scan. Right-click a picture for colours, range, copy and save."
    )

    export_asked = Signal(object)
    """An Export that is to be written."""
    frame_data_asked = Signal(str, int)
    """This pattern of this dataset should be read."""
    summary_asked = Signal(str)
    """All patterns of this dataset should be read once, for their mean and maximum."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._dataset: Dataset | None = None
        self._frame_asked_for: tuple[Dataset, int] | None = None
        self._summary_asked_for: Dataset | None = None
        self._painted_frame: FrameRead | None = None
        self._painted_summary: ScanSummarised | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(PLAY_INTERVAL_MS)
        self._build()
        self._connect()
        self.watch(session.documents_changed)
        self.watch(session.selection_changed)
        self.watch(session.frames_changed)
        self._paint_dataset()
        self.refresh()

    # --- building ---

    def _build(self) -> None:
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self._build_viewer())
        split.addWidget(self._build_tabs())
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 1)
        split.setSizes([500, 500])
        self.pages = ContentOrHint(split, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)
        self.take_keys(self.slider, self.number, self.scaling, self.play, self.frame_view, self.tabs.tabBar())

    def _build_viewer(self) -> QWidget:
        self.frame_view = ImageView("Diffraction", quantity=AMPLITUDE_LABEL, scaling="log", level_mode="full")
        self.scaling: ChoiceBox[Scaling] = ChoiceBox("Scaling", {key: SCALING_TEXTS[key] for key in SCALINGS})
        self.scaling.choose("log")
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setAccessibleName("Frame")
        self.number = QSpinBox(self)
        self.number.setAccessibleName("Frame number")
        self.number.setKeyboardTracking(False)
        self.play = QToolButton(self)
        self.play.setText("▶")
        self.play.setCheckable(True)
        self.play.setAccessibleName("Play")
        self.play.setToolTip("Show one frame after the other")
        self.total = ElidedLabel(parent=self)
        bar = QHBoxLayout()
        bar.setContentsMargins(4, 2, 4, 2)
        bar.addWidget(self.play)
        bar.addWidget(self.slider, 1)
        bar.addWidget(self.number)
        bar.addWidget(self.scaling)
        viewer = QWidget(self)
        column = QVBoxLayout(viewer)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.frame_view, 1)
        column.addWidget(self.total)
        column.addLayout(bar)
        return viewer

    def _build_tabs(self) -> QWidget:
        self.mean_view = ImageView("Mean pattern", quantity=AMPLITUDE_LABEL, scaling="log", level_mode="full")
        self.max_view = ImageView("Greatest amplitude", quantity=AMPLITUDE_LABEL, scaling="log", level_mode="full")
        self.read_all = QPushButton("&Read all patterns", self)
        self.summary_state = ElidedLabel(parent=self)
        self.probe_views = (ImageView("Probe amplitude"), ImageView("Probe phase"))
        self.mode = QComboBox(self)
        self.mode.setAccessibleName("Probe mode")
        self.object_views = (ImageView("Object amplitude", colour_map="inferno"), ImageView("Object phase"))
        for first, second in ((self.mean_view, self.max_view), self.probe_views, self.object_views):
            first.link(second)
        self.arrays = NumberTable("Arrays of the file", ("shape", "dtype", "used as", "size"), self)
        self.arrays.fit_columns()
        self.notes = QLabel(self)
        self.notes.setWordWrap(True)
        self.notes.setMargin(4)
        self.notes.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(_column(self.mean_view, self.max_view, self.summary_state, self.read_all), "&Mean, max")
        self.tabs.addTab(_column(self.mode, *self.probe_views), "&Probe")
        self.tabs.addTab(_column(*self.object_views), "&Object")
        self.tabs.addTab(_column(self.arrays, self.notes), "&Arrays")
        return self.tabs

    def _connect(self) -> None:
        self.slider.valueChanged.connect(self._moved)
        self.number.valueChanged.connect(self._moved)
        self.play.toggled.connect(self._play_toggled)
        self._timer.timeout.connect(self._next_frame)
        self.scaling.currentIndexChanged.connect(self._scaling_chosen)
        self.frame_view.settings_changed.connect(self._scaling_shown)
        self.mode.currentIndexChanged.connect(self._paint_probe)
        self.tabs.currentChanged.connect(self._want_summary)
        self.read_all.clicked.connect(self._ask_for_summary)
        pictures = (self.frame_view, self.mean_view, self.max_view, *self.probe_views, *self.object_views)
        for view in pictures:
            view.export_asked.connect(self.export_asked)
            view.hovered.connect(self._hovered)

    # --- painting ---

    @property
    def frame(self) -> int:
        """The frame that is shown or asked for."""
        return self.slider.value()

    def refresh(self) -> None:
        """Paint what changed: the dataset, the frame, the summary."""
        state = self.session.state
        dataset = state.dataset
        if dataset is not self._dataset:
            self._dataset = dataset
            self._paint_dataset()
        if dataset is None:
            return
        if state.selected_frame is not None and state.selected_frame != self.frame:
            self._show_number(state.selected_frame)
        self._paint_summary()
        self._paint_frame()
        self._want_summary()

    def _paint_dataset(self) -> None:
        dataset = self._dataset
        self._painted_frame = self._painted_summary = None
        self.play.setChecked(False)
        if dataset is None:
            self.pages.show_hint("No dataset. Open a scan, or drop one on the window.")
            return
        self.pages.show_content()
        for widget in (self.slider, self.number):
            widget.blockSignals(True)
            widget.setRange(0, max(dataset.n_scan - 1, 0))
            widget.setValue(self.session.state.selected_frame or 0)
            widget.blockSignals(False)
        self.number.setSuffix(f" of {whole(dataset.n_scan)}")
        self.frame_view.set_image(None)
        self.mean_view.set_image(None)
        self.max_view.set_image(None)
        self._list_modes(dataset)
        self._paint_probe()
        self._paint_object(dataset.object_)
        self._list_arrays(dataset)

    def _paint_frame(self) -> None:
        dataset, read, key = self._dataset, self.session.state.frame, self.session.state.dataset_id
        if dataset is None or key is None:
            return
        if read is not None and (read.dataset_id, read.index) == (key, self.frame):
            if read is not self._painted_frame:
                self._painted_frame = read
                self.frame_view.set_image(read.diffraction)
                self._scaling_shown()
                self.total.setText(_totals_text(read))
            return
        asked = (dataset, self.frame)
        if self.isVisible() and self._frame_asked_for != asked:
            self._frame_asked_for = asked
            self.frame_data_asked.emit(key, self.frame)

    def _paint_summary(self) -> None:
        dataset = self._dataset
        summary = self.session.state.summaries.get(self.session.state.dataset_id or "")
        self.read_all.setVisible(summary is None and dataset is not None and not _is_small(dataset))
        if summary is self._painted_summary:
            return
        self._painted_summary = summary
        if summary is None:
            self.summary_state.setText("")
            return
        self.mean_view.set_image(summary.mean)
        self.mean_view.set_title("Mean amplitude")
        self.max_view.set_image(summary.maximum)
        self.max_view.set_title("Greatest amplitude")
        if summary.n_done < summary.n_total:
            self.summary_state.setText(f"Read {whole(summary.n_done)} of {whole(summary.n_total)} patterns…")
            return
        dark = int(np.count_nonzero(summary.maximum <= 0))
        total = float(np.nanmean(summary.totals))
        self.summary_state.setText(
            f"{whole(summary.n_total)} patterns · mean Σ a² {total:.4g} · {dark} pixels always zero"
        )

    def _list_modes(self, dataset: Dataset) -> None:
        power = np.sum(np.abs(dataset.probe.astype(np.complex128)) ** 2, axis=(1, 2))
        shares = power / power.sum() if power.sum() > 0 else power
        self.mode.blockSignals(True)
        self.mode.clear()
        for i, share in enumerate(shares):
            self.mode.addItem(f"Mode {i + 1} of {len(shares)} · {100 * share:.1f} % of the power")
        self.mode.blockSignals(False)
        self.mode.setVisible(len(shares) > 1)

    def _paint_probe(self, *_: object) -> None:
        dataset, index = self._dataset, self.mode.currentIndex()
        if dataset is None or not 0 <= index < len(dataset.probe):
            return
        _paint_complex(self.probe_views, dataset.probe[index], "Probe", "probe amplitude [√counts]", "inferno")

    def _paint_object(self, object_: ComplexArray | None) -> None:
        self.tabs.setTabEnabled(2, object_ is not None)
        if object_ is None:
            for view in self.object_views:
                view.set_image(None)
            return
        _paint_complex(self.object_views, object_, "Object", "physical amplitude (transmission)", "inferno")

    def _list_arrays(self, dataset: Dataset) -> None:
        rows = [
            (info.key, (" × ".join(map(str, info.shape)) or "scalar", info.dtype, info.role or "–", _size_text(info)))
            for info in dataset.arrays
        ]
        self.arrays.set_rows(rows)
        measured = f"Patterns hold {dataset.measurement}."
        photons = f" {dataset.n_photons:.3g} photons in an average pattern." if dataset.n_photons else ""
        self.notes.setText("\n".join([f"{dataset.path or dataset.name}", measured + photons, *dataset.notes]))

    # --- what the user does ---

    def _moved(self, value: int) -> None:
        self._show_number(value)
        self.frame_asked.emit(value)
        self._paint_frame()

    def _show_number(self, value: int) -> None:
        for widget in (self.slider, self.number):
            widget.blockSignals(True)
            widget.setValue(value)
            widget.blockSignals(False)

    def _play_toggled(self, on: bool) -> None:
        self.play.setText("⏸" if on else "▶")
        if on:
            self._timer.start()
        else:
            self._timer.stop()

    def _next_frame(self) -> None:
        shown = self._painted_frame
        if not self.isVisible() or self._dataset is None:
            self.play.setChecked(False)
        elif shown is not None and shown.index == self.frame:
            # Only once the last one is there: a slow disk slows the film, it does not pile up requests.
            self._moved((self.frame + 1) % self._dataset.n_scan)

    def _scaling_chosen(self, *_: object) -> None:
        for view in (self.frame_view, self.mean_view, self.max_view):
            view.set_scaling(self.scaling.choice)
        self._scaling_shown()

    def _scaling_shown(self) -> None:
        self.scaling.blockSignals(True)
        self.scaling.choose(self.frame_view.scaling)
        self.scaling.blockSignals(False)
        if self._painted_frame is not None:
            text = SCALING_TEXTS[self.frame_view.scaling].lower()
            self.frame_view.set_title(f"Frame {self._painted_frame.index} · as stored · {text}")

    def _want_summary(self, *_: object) -> None:
        """Have a small scan read when its mean is looked at; a large one waits for the button."""
        dataset = self._dataset
        if self.tabs.currentIndex() == 0 and dataset is not None and _is_small(dataset):
            self._ask_for_summary()

    def _ask_for_summary(self) -> None:
        key, dataset = self.session.state.dataset_id, self._dataset
        if (
            not self.isVisible()
            or key is None
            or key in self.session.state.summaries
            or self._summary_asked_for is dataset
        ):
            return
        self._summary_asked_for = dataset
        self.summary_asked.emit(key)

    def _hovered(self, reading: Reading | None) -> None:
        view = self.sender()
        told = isinstance(view, ImageView) and reading is not None
        self.readout_changed.emit(f"{view.read_out} · {view.quantity}" if told and isinstance(view, ImageView) else "")


def _column(*widgets: QWidget) -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    for widget in widgets:
        column.addWidget(widget, 1 if isinstance(widget, (ImageView, NumberTable)) else 0)
    return page


def _paint_complex(
    views: tuple[ImageView, ImageView], values: ComplexArray, name: str, label: str, colour_map: str
) -> None:
    amplitude = np.abs(values)
    views[0].set_kind(name, colour_map)
    views[0].set_image(amplitude)
    views[0].set_quantity(label)
    views[0].set_title(f"{name} · amplitude")
    phase = np.where(amplitude > DIM * amplitude.max(initial=0.0), np.angle(values), np.nan)
    views[1].set_kind(name, "twilight")
    views[1].set_image(phase.astype(np.float32), levels=CYCLE)
    views[1].set_quantity("phase [rad]", PHASE_TICKS)
    views[1].set_title(f"{name} · phase, −π to π")


def _totals_text(read: FrameRead) -> str:
    pattern = read.diffraction.astype(np.float64)
    return f"Σ a² {np.sum(pattern**2):.4g} · mean {pattern.mean():.4g} · max {pattern.max():.4g} √counts"


def _is_small(dataset: Dataset) -> bool:
    return 4 * dataset.n_scan * dataset.n**2 <= AUTOMATIC_BYTES


def _size_text(info: ArrayInfo) -> str:
    size = float(info.n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.4g} {unit}{', compressed' if info.compressed else ''}"
