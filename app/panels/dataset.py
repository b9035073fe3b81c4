"""A scan dataset: its patterns one by one and all together, maps over the scan, probe, object and arrays."""

from typing import ClassVar

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QLabel, QSplitter, QTabWidget, QVBoxLayout, QWidget

from app.display.array_rows import HEADER, array_rows
from app.display.scan_figures import mask_text
from app.display.wording import whole
from app.panels.panel import Panel
from app.state.readings import FrameRead, ReadingKind, RegionSummed, ScanReading, ScanSummarised
from app.state.session import Session
from app.widgets.complex_pair import ComplexPair
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.frame_viewer import AMPLITUDE_LABEL, FrameViewer
from app.widgets.image_view import ImageView, Reading
from app.widgets.number_table import NumberTable
from app.widgets.profile_plot import ProfilePlot
from app.widgets.reading_bar import ReadingBar
from app.widgets.scan_map import ScanMap
from ptycho_engine.diagnostics.radial_profile import radial_profile
from ptycho_engine.documents import Dataset, Rectangle


class DatasetPanel(Panel):
    """Pattern viewer, mean and maximum, maps, radial profile, probe modes, known object, table of arrays."""

    title: ClassVar[str] = "Dataset"
    panel_id: ClassVar[str] = "dataset"

    export_asked = Signal(object)
    """An Export that is to be written."""
    frame_data_asked = Signal(str, int)
    """This pattern of this dataset should be read."""
    summary_asked = Signal(str)
    """A sample of the patterns of this dataset, or all of a small one, should be read for their figures."""
    whole_scan_asked = Signal(str)
    """All patterns of this dataset should be read for their figures."""
    region_asked = Signal(str, object, bool)
    """The light in this Rectangle should be summed: over all patterns, or over a sample where they are many."""
    stop_reading_asked = Signal(str)
    """The reading of this kind should stop."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._dataset: Dataset | None = None
        self._frame_asked_for: tuple[Dataset, int] | None = None
        self._summary_asked_for: Dataset | None = None
        self._painted_frame: FrameRead | None = None
        self._painted_summary: ScanSummarised | None = None
        self._painted_region: RegionSummed | None = None
        self._build()
        self._connect()
        for changed in (session.documents_changed, session.selection_changed, session.frames_changed):
            self.watch(changed)
        self._paint_dataset()
        self.refresh()

    # --- building ---

    def _build(self) -> None:
        self.viewer = FrameViewer(self)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.viewer)
        split.addWidget(self._build_tabs())
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 1)
        split.setSizes([500, 500])
        self.pages = ContentOrHint(split, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)
        viewer = self.viewer
        self.take_keys(
            viewer.slider,
            viewer.number,
            viewer.play,
            viewer.scaling,
            viewer.region_button,
            viewer.mask_button,
            viewer.view,
            self.tabs.tabBar(),
        )

    def _build_tabs(self) -> QWidget:
        self.mean_view = ImageView("Mean pattern", quantity=AMPLITUDE_LABEL, scaling="log", level_mode="full")
        self.max_view = ImageView("Greatest amplitude", quantity=AMPLITUDE_LABEL, scaling="log", level_mode="full")
        self.mean_view.link(self.max_view)
        self.mask_line = QLabel(self)
        self.mask_line.setWordWrap(True)
        self.mask_line.setMargin(4)
        self.map = ScanMap(self)
        self.profile = ProfilePlot("Radial profile", "√counts", self)
        self.summary_bar, self.region_bar = ReadingBar(self), ReadingBar(self)
        self.mode = QComboBox(self)
        self.mode.setAccessibleName("Probe mode")
        self.mode.setToolTip("Which mode of the probe is shown")
        self.probe = ComplexPair("Probe", "probe amplitude [√counts]", self)
        self.object = ComplexPair("Object", "physical amplitude (transmission)", self)
        self.arrays = NumberTable("Arrays of the file", HEADER, self)
        self.arrays.fit_columns()
        self.notes = QLabel(self)
        self.notes.setWordWrap(True)
        self.notes.setMargin(4)
        self.notes.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(_column(self.mean_view, self.max_view, self.mask_line), "M&ean")
        self.tabs.setTabToolTip(0, "Mean and greatest amplitude of each pixel over the scan")
        self.tabs.addTab(_column(self.map), "&Maps")
        self.tabs.addTab(_column(self.profile), "Pro&file")
        self.tabs.addTab(_column(self.mode, self.probe), "&Probe")
        self.object_tab = self.tabs.addTab(_column(self.object), "&Object")
        self.tabs.addTab(_column(self.arrays, self.notes), "&Arrays")
        return _column(self.tabs, self.summary_bar, self.region_bar)

    def _connect(self) -> None:
        self.viewer.frame_chosen.connect(self._moved)
        self.viewer.scaling_chosen.connect(self._scaling_chosen)
        self.viewer.region_chosen.connect(self._region_chosen)
        self.viewer.region_moved.connect(self._region_moved)
        self.map.fields.edited.connect(self._region_typed)
        self.map.figure_chosen.connect(self._figure_chosen)
        self.map.plot.picked.connect(self.frame_asked.emit)
        self.map.hovered.connect(self.readout_changed)
        self.profile.hovered.connect(self.readout_changed)
        self.mode.currentIndexChanged.connect(self._paint_probe)
        self.tabs.currentChanged.connect(self._tab_chosen)
        self.summary_bar.read_asked.connect(self._ask_for_whole)
        self.summary_bar.again_asked.connect(self._ask_again)
        self.summary_bar.stop_asked.connect(lambda: self.stop_reading_asked.emit("summary"))
        self.region_bar.read_asked.connect(lambda: self._ask_for_region(whole=True))
        self.region_bar.again_asked.connect(lambda: self._ask_for_region(whole=False))
        self.region_bar.stop_asked.connect(lambda: self.stop_reading_asked.emit("region"))
        pictures = (self.viewer.view, self.mean_view, self.max_view, *self.probe.views, *self.object.views)
        for view in pictures:
            view.export_asked.connect(self.export_asked)
            view.hovered.connect(self._hovered)
        self.map.plot.export_asked.connect(self.export_asked)
        self.profile.export_asked.connect(self.export_asked)

    # --- painting ---

    @property
    def frame(self) -> int:
        """The frame that is shown or asked for."""
        return self.viewer.frame

    def refresh(self) -> None:
        """Paint what changed: the dataset, the frame, what is known of all patterns."""
        state = self.session.state
        dataset = state.dataset
        if dataset is not self._dataset:
            self._dataset = dataset
            self._paint_dataset()
        if dataset is None:
            return
        if state.selected_frame is not None and state.selected_frame != self.frame:
            self.viewer.go_to(state.selected_frame)
        self.map.plot.mark(self.frame)
        self._paint_summary()
        self._paint_region()
        self._paint_frame()
        self._want_summary()

    def _paint_dataset(self) -> None:
        dataset = self._dataset
        self._painted_frame = self._painted_summary = self._painted_region = None
        self._frame_asked_for = self._summary_asked_for = None
        self.viewer.stop()
        if dataset is None:
            self.pages.show_hint("No dataset. Open a scan, or drop one on the window.")
            return
        self.pages.show_content()
        self.viewer.begin(dataset.n_scan, dataset.n, self.session.state.selected_frame or 0)
        self.map.begin(dataset.scan_positions)
        self.profile.clear_series()
        self.mean_view.set_image(None)
        self.max_view.set_image(None)
        self.mask_line.setText("")
        self._list_modes(dataset)
        self._paint_probe()
        self.tabs.setTabEnabled(self.object_tab, dataset.object_ is not None)
        self.object.show_values(dataset.object_)
        self._list_arrays(dataset)

    def _paint_frame(self) -> None:
        dataset, read, key = self._dataset, self.session.state.frame, self.session.state.dataset_id
        if dataset is None or key is None:
            return
        if read is not None and (read.dataset_id, read.index) == (key, self.frame):
            if read is not self._painted_frame:
                self._painted_frame = read
                self.viewer.show_frame(read.index, read.diffraction, read.problem)
                self._paint_profile()
            return
        asked = (dataset, self.frame)
        if self.isVisible() and self._frame_asked_for != asked:
            self._frame_asked_for = asked
            self.frame_data_asked.emit(key, self.frame)

    def _paint_summary(self) -> None:
        summary = self.session.state.summaries.get(self.session.state.dataset_id or "")
        before, self._painted_summary = self._painted_summary, summary
        self._paint_bar("summary", self.summary_bar, summary.figures if summary is not None else None)
        if summary is None or (before is not None and before.figures.mean is summary.figures.mean):
            return
        figures = summary.figures
        self.mean_view.set_image(figures.mean)
        self.mean_view.set_title("Mean amplitude")
        if figures.n_done:
            self.max_view.set_image(figures.maximum)
            self.max_view.set_title("Greatest amplitude")
            self.mask_line.setText(f"Pixels: {mask_text(figures.mask)}")
            self.viewer.set_mask(figures.mask)
            self.map.set_frames(figures.frames)
            if self._dataset is not None:
                self._list_arrays(self._dataset)
        self._paint_profile()

    def _paint_region(self) -> None:
        state, region = self.session.state, self.viewer.region
        summed = state.regions.get(state.dataset_id or "")
        fits = summed if summed is not None and summed.sums.rectangle == region else None
        self.region_bar.setVisible(region is not None)
        self._paint_bar("region", self.region_bar, None if fits is None else fits.sums)
        if fits is self._painted_region:
            return
        before, self._painted_region = self._painted_region, fits
        if fits is None or before is None or before.sums.sums is not fits.sums.sums:
            self.map.set_region(None if fits is None else fits.sums.sums)

    def _paint_bar(self, kind: ReadingKind, bar: ReadingBar, read: object) -> None:
        """Say how far a reading is, and offer what goes on from there."""
        dataset, state = self._dataset, self.session.state
        reading = state.readings.get(kind)
        if dataset is None:
            return
        if reading is None or reading.dataset_id != state.dataset_id:
            reading = ScanReading(kind, "", "", "completed")
        n_done, n_total = (getattr(read, "n_done", 0), getattr(read, "n_total", 0))
        what = "Figures" if kind == "summary" else "Rectangle"
        if reading.state == "running":
            text = f"{what}: {whole(n_done)} of {whole(n_total)}…" if n_total else f"{what}: reading…"
            bar.show_state(text, "stop", n_done, n_total)
        elif reading.state == "failed":
            bar.show_state(f"{what} could not be read. {reading.message}", "again")
        elif n_done >= dataset.n_scan:
            bar.show_state(f"{what} of all {whole(n_done)} patterns", None)
        elif n_done:
            bar.show_state(f"{what} of {whole(n_done)} of {whole(dataset.n_scan)} patterns", "read")
        else:
            bar.show_state(f"{what}: no pattern was read yet", "read")

    def _paint_profile(self) -> None:
        """Draw the profiles, where they can be seen: a hundred thousand pixels are sorted into rings for each."""
        if self.tabs.currentWidget() is None or not self.profile.isVisible():
            return
        summary = self._painted_summary
        bad = summary.figures.mask.any if summary is not None else None
        pictures = {} if self._painted_frame is None else {"this frame": self._painted_frame.diffraction}
        if summary is not None:
            pictures |= {"mean": summary.figures.mean, "maximum": summary.figures.maximum}
        for name, picture in pictures.items():
            self.profile.set_series(name, *radial_profile(picture, bad))

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
        if dataset is not None and 0 <= index < len(dataset.probe):
            self.probe.show_values(dataset.probe[index])

    def _list_arrays(self, dataset: Dataset) -> None:
        summary = self.session.state.summaries.get(self.session.state.dataset_id or "")
        read = None if summary is None or not summary.figures.n_done else summary.figures.maximum
        self.arrays.set_rows(array_rows(dataset, read))
        measured = f"Patterns hold {dataset.measurement}."
        photons = f" {dataset.n_photons:.3g} photons in an average pattern." if dataset.n_photons else ""
        self.notes.setText("\n".join([f"{dataset.path or dataset.name}", measured + photons, *dataset.notes]))

    # --- what the user does ---

    def _moved(self, value: int) -> None:
        self.frame_asked.emit(value)
        self._paint_frame()

    def _scaling_chosen(self) -> None:
        for view in (self.mean_view, self.max_view):
            view.set_scaling(self.viewer.view.scaling)

    def _tab_chosen(self, *_: object) -> None:
        self._want_summary()
        self._paint_profile()

    def _want_summary(self) -> None:
        """Have the patterns read for their figures, once the first one is on screen and no time is lost for it."""
        dataset, key = self._dataset, self.session.state.dataset_id
        if self._painted_frame is None or not self.isVisible() or dataset is None or key is None:
            return
        if self._summary_asked_for is not dataset:
            self._summary_asked_for = dataset
            if key not in self.session.state.summaries:
                self.summary_asked.emit(key)

    def _ask_for_whole(self) -> None:
        if self.session.state.dataset_id is not None:
            self.whole_scan_asked.emit(self.session.state.dataset_id)

    def _ask_again(self) -> None:
        key = self.session.state.dataset_id
        if key is not None:
            (self.whole_scan_asked if key in self.session.state.summaries else self.summary_asked).emit(key)

    def _region_chosen(self, rectangle: Rectangle | None) -> None:
        if rectangle is None or self._dataset is None:
            self.map.choose("total" if self.map.shows_region else self.map.choice.choice)
            self.refresh()
            return
        self._region_moved(rectangle)
        self.map.choose("region")
        self.tabs.setCurrentIndex(1)
        self._ask_for_region(whole=False)

    def _region_moved(self, rectangle: Rectangle) -> None:
        if self._dataset is not None:
            self.map.fields.show_rectangle(rectangle, self._dataset.n)

    def _region_typed(self, rectangle: Rectangle) -> None:
        self.viewer.set_region(rectangle)
        self._ask_for_region(whole=False)

    def _figure_chosen(self) -> None:
        if self.map.shows_region and self.viewer.region is None:
            self.viewer.region_button.setChecked(True)

    def _ask_for_region(self, *, whole: bool) -> None:
        region, key = self.viewer.region, self.session.state.dataset_id
        if region is not None and key is not None:
            self.region_asked.emit(key, region, whole)

    def _hovered(self, reading: Reading | None) -> None:
        view = self.sender()
        told = isinstance(view, ImageView) and reading is not None
        shown = view if told and isinstance(view, ImageView) else None
        # The value is read out with its unit: the name of the quantity is enough.
        self.readout_changed.emit(f"{shown.read_out} · {shown.quantity.split(' [')[0]}" if shown is not None else "")


def _column(*widgets: QWidget) -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    for widget in widgets:
        grows = isinstance(widget, (ImageView, NumberTable, ScanMap, ProfilePlot, ComplexPair, QTabWidget))
        column.addWidget(widget, 1 if grows else 0)
    return page
