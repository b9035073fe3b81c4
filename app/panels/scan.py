"""Where the patterns of a scan were taken: positions, groups, canvas offsets and coverage."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSpinBox, QStackedWidget, QVBoxLayout, QWidget

from app.display.canvas_pictures import coverage_count, describe_offsets
from app.display.density import nearest_point
from app.display.scan_figures import FIGURE_LABELS, FIGURE_NAMES, UNITS, value_text
from app.display.wording import whole
from app.panels.panel import Panel
from app.state.readings import GroupsFound
from app.state.session import Session
from app.widgets.choice_box import ChoiceBox
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.elided_label import ElidedLabel
from app.widgets.image_view import ImageView, Reading
from app.widgets.scan_plot import ScanPlot
from ptycho_engine.arrays import PositionArray
from ptycho_engine.config import GroupingConfig, options_of
from ptycho_engine.diagnostics.scan_figures import FRAME_FIGURES, FrameFigure
from ptycho_engine.documents import Dataset

Show = Literal["positions", "offsets", "coverage"]
Figure = FrameFigure | Literal["frame", "scan"]
SHOWS: dict[Show, str] = {"positions": "Positions", "offsets": "Canvas offsets", "coverage": "Coverage"}
FIGURES: dict[Figure, str] = dict((("frame", "Frame number"), ("scan", "Scan number"), *FIGURE_NAMES.items()))
LABELS: dict[Figure, str] = dict((("frame", "frame number"), ("scan", "scan number"), *FIGURE_LABELS.items()))
LINK_LIMIT = 3000
"""Of more groups than this only the links of the selected position are drawn."""


class ScanPanel(Panel):
    """Scan positions coloured by a figure, groups, canvas offsets, and how often each pixel is covered."""

    title: ClassVar[str] = "Scan"
    panel_id: ClassVar[str] = "scan"

    export_asked = Signal(object)
    """An Export that is to be written."""
    summary_asked = Signal(str)
    """The patterns of this dataset should be read for their figures."""
    groups_asked = Signal(str, int, int)
    """The groups of this dataset with this gridsize and this number of neighbours should be found."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._dataset: Dataset | None = None
        self._summary_asked_for: Dataset | None = None
        self._groups_asked_for: tuple[Dataset, int, int] | None = None
        self._painted: NDArray[np.float64] | None = None
        self._offsets_mean = np.zeros(2)
        self._build()
        self._connect()
        self.watch(session.documents_changed)
        self.watch(session.selection_changed)
        self.watch(session.frames_changed)
        self._repaint()
        self.refresh()

    def _build(self) -> None:
        self.shows = ChoiceBox("What is shown", SHOWS, parent=self)
        self.figure = ChoiceBox("Colour", FIGURES, "What the positions are coloured by", self)
        for choices in (self.shows, self.figure):
            choices.narrow()
        self.show_groups = QCheckBox("&Groups", self)
        self.show_groups.setToolTip("Link the members of each group to its centre")
        self.gridsize = _spin_box("gridsize", "Gridsize", 2, self)
        self.neighbors = _spin_box("neighbor_count", "Neighbours", 6, self)
        bar = QHBoxLayout()
        bar.setContentsMargins(4, 4, 4, 2)
        bar.setSpacing(6)
        bar.addWidget(self.shows)
        bar.addWidget(self.figure)
        bar.addStretch(1)
        bar.addWidget(self.show_groups)
        for text, box in (("G&ridsize", self.gridsize), ("&Neighbours", self.neighbors)):
            label = QLabel(text, self)
            label.setBuddy(box)
            bar.addWidget(label)
            bar.addWidget(box)
        self.plot = ScanPlot("Scan positions", parent=self)
        self.coverage = ImageView("Coverage", level_mode="full", parent=self)
        self.stack = QStackedWidget(self)
        self.stack.addWidget(self.plot)
        self.stack.addWidget(self.coverage)
        self.placing, self.grouping = ElidedLabel(parent=self), ElidedLabel(parent=self)
        content = QWidget(self)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 2)
        column.setSpacing(0)
        column.addWidget(self.stack, 1)
        column.addWidget(self.placing)
        column.addWidget(self.grouping)
        self.pages = ContentOrHint(content, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.pages, 1)
        self.take_keys(self.shows)

    def _connect(self) -> None:
        self.shows.currentIndexChanged.connect(self._repaint)
        self.figure.currentIndexChanged.connect(self._repaint)
        self.show_groups.toggled.connect(self._paint_groups)
        self.gridsize.valueChanged.connect(self._paint_groups)
        self.neighbors.valueChanged.connect(self._paint_groups)
        self.plot.picked.connect(self._picked)
        self.plot.hovered.connect(self._position_hovered)
        self.plot.export_asked.connect(self.export_asked)
        self.coverage.export_asked.connect(self.export_asked)
        self.coverage.hovered.connect(self._coverage_hovered)
        self.coverage.clicked.connect(self._coverage_clicked)

    # --- painting ---

    def refresh(self) -> None:
        """Paint the current dataset's positions and the selection."""
        dataset = self.session.state.dataset
        if dataset is not self._dataset:
            self._dataset = dataset
            self._repaint()
        elif dataset is not None and self.shows.choice != "coverage" and self._of_patterns() is not self._painted:
            self._paint_points()
        self._paint_groups()
        self._paint_mark()

    def _repaint(self, *_: object) -> None:
        dataset = self._dataset
        if dataset is None:
            self.pages.show_hint("No dataset. Open a scan, or drop one on the window.")
            return
        self.pages.show_content()
        self.figure.enable("scan", dataset.scan_index is not None)
        show = self.shows.choice
        self.figure.setEnabled(show != "coverage")
        for widget in (self.show_groups, self.gridsize, self.neighbors):
            widget.setEnabled(show == "positions")
        self.stack.setCurrentWidget(self.coverage if show == "coverage" else self.plot)
        positions = dataset.scan_positions
        self._offsets_mean = positions.mean(axis=0) if len(positions) else np.zeros(2)
        self.placing.setText(f"Offsets (mean ± std): {describe_offsets(positions - self._offsets_mean)}")
        if show == "coverage":
            self._paint_coverage(dataset)
        else:
            self._paint_points()
        self._paint_groups()
        self._paint_mark()

    def _paint_points(self) -> None:
        dataset = self._dataset
        if dataset is None:
            return
        choice = self.figure.choice
        figures = self._figures(dataset, choice)
        label = LABELS[choice]
        self._painted = self._of_patterns()
        places, box = dataset.scan_positions, None
        if self.shows.choice == "offsets":
            places = places - self._offsets_mean
            box = _canvas_box(places, dataset.n)
            self.plot.set_box(box)
            self.plot.set_axis_names("dy [px]", "dx [px]")
            title = f"Canvas offsets: position − mean position · canvas {box.height():.0f} × {box.width():.0f} px"
        else:
            self.plot.set_box(None)
            self.plot.set_axis_names("y [px]", "x [px]")
            title = f"{whole(dataset.n_scan)} scan positions · object pixels"
        unknown = choice in FRAME_FIGURES and self._painted is None
        self.plot.set_points(places, figures, label)
        self.plot.set_title(f"{title} · reading the patterns…" if unknown else title)
        if unknown:
            # Asked last: the answer may come at once, and paints anew.
            self._ask_for_summary(dataset)

    def _figures(self, dataset: Dataset, choice: Figure) -> NDArray[np.float64]:
        if choice == "scan" and dataset.scan_index is not None:
            return dataset.scan_index.astype(np.float64)
        if choice in FRAME_FIGURES:
            known = self._of_patterns()
            return np.full(dataset.n_scan, np.nan) if known is None else known
        return np.arange(dataset.n_scan, dtype=np.float64)

    def _of_patterns(self) -> NDArray[np.float64] | None:
        """Return the chosen figure of every pattern, as far as it is known."""
        summary = self.session.state.summaries.get(self.session.state.dataset_id or "")
        name = next((one for one in FRAME_FIGURES if one == self.figure.choice), None)
        return None if summary is None or name is None else summary.figures.frames[name]

    def _ask_for_summary(self, dataset: Dataset) -> None:
        key = self.session.state.dataset_id
        if self.isVisible() and key is not None and self._summary_asked_for is not dataset:
            self._summary_asked_for = dataset
            self.summary_asked.emit(key)

    def _paint_coverage(self, dataset: Dataset) -> None:
        count, origin = coverage_count(dataset.scan_positions, dataset.n)
        self.coverage.origin_px = origin
        self.coverage.set_image(np.where(count > 0, count, np.nan).astype(np.float32))
        self.coverage.set_quantity("patches on a pixel")
        height, width = count.shape
        self.coverage.set_title(f"Coverage · patches on each object pixel · {height} × {width} px")

    def _paint_mark(self) -> None:
        frame, dataset = self.session.state.selected_frame, self._dataset
        self.plot.mark(frame)
        box = None
        if dataset is not None and frame is not None and frame < dataset.n_scan:
            y, x = dataset.scan_positions[frame] - self.coverage.origin_px
            box = QRectF(x - dataset.n / 2, y - dataset.n / 2, dataset.n, dataset.n)
        self.coverage.overlay.set_mark(box)

    # --- groups ---

    def _paint_groups(self, *_: object) -> None:
        dataset = self._dataset
        wanted = self.show_groups.isChecked() and self.shows.choice == "positions" and dataset is not None
        self.grouping.setVisible(wanted)
        if not wanted or dataset is None:
            self._draw_no_links()
            return
        groups = self._groups_found(dataset)
        if groups is not None:
            self._draw_links(dataset.scan_positions, groups)
            return
        self._draw_no_links()
        self.grouping.setText("Looking for groups…")
        asked, key = (dataset, self.gridsize.value(), self.neighbors.value()), self.session.state.dataset_id
        if self.isVisible() and key is not None and self._groups_asked_for != asked:
            self._groups_asked_for = asked
            self.groups_asked.emit(key, asked[1], asked[2])

    def _groups_found(self, dataset: Dataset) -> GroupsFound | None:
        """Return the groups of the present settings, if they are known."""
        state, found = self.session.state, self.session.state.groups
        if found is None or len(found.group_indices) != dataset.n_scan:
            return None
        wanted = (state.dataset_id, self.gridsize.value(), self.neighbors.value())
        return found if (found.dataset_id, found.gridsize, found.neighbor_count) == wanted else None

    def _draw_links(self, positions: PositionArray, groups: GroupsFound) -> None:
        indices, centers = groups.group_indices, groups.group_centers
        frame = self.session.state.selected_frame
        channels = indices.shape[1]
        spread = np.linalg.norm(positions[indices] - centers[:, None], axis=-1).max(axis=1)
        text = f"{whole(len(indices))} groups of {channels} · farthest member from its centre: "
        text += f"mean {spread.mean():.1f}, max {spread.max():.1f} px"
        if frame is not None:
            text = f"Group of frame {frame}: members {', '.join(str(i) for i in indices[frame])} · {text}"
        self.grouping.setText(text)
        every = slice(0, len(indices) if len(indices) <= LINK_LIMIT else 0)
        one = slice(0, 0) if frame is None else slice(frame, frame + 1)
        for draw, part in ((self.plot.set_links, every), (self.plot.set_chosen_links, one)):
            draw(np.repeat(centers[part], channels, axis=0), positions[indices[part]].reshape(-1, 2))

    def _draw_no_links(self) -> None:
        for draw in (self.plot.set_links, self.plot.set_chosen_links):
            draw(np.zeros((0, 2)), np.zeros((0, 2)))

    # --- mouse ---

    def _picked(self, index: int) -> None:
        self.frame_asked.emit(index)

    def _position_hovered(self, index: int | None) -> None:
        dataset = self._dataset
        if index is None or dataset is None:
            self.readout_changed.emit("")
            return
        y, x = dataset.scan_positions[index]
        place = f"frame {index} at y {y:.2f}, x {x:.2f} px"
        name = next((one for one in FRAME_FIGURES if one == self.figure.choice), None)
        if name is not None:
            place += f" · {FIGURES[name]}: {value_text(float(self._figures(dataset, name)[index]), UNITS[name])}"
        self.readout_changed.emit(place)

    def _coverage_hovered(self, reading: Reading | None) -> None:
        self.readout_changed.emit("" if reading is None else f"{self.coverage.read_out} patches")

    def _coverage_clicked(self, row: float, column: float) -> None:
        if self._dataset is None:
            return
        y, x = (place + start for place, start in zip((row, column), self.coverage.origin_px, strict=True))
        index = nearest_point(self._dataset.scan_positions, y, x)
        if index is not None:
            self.frame_asked.emit(index)


def _spin_box(name: str, title: str, value: int, parent: QWidget) -> QSpinBox:
    option, _, _ = options_of(GroupingConfig)[name]
    box = QSpinBox(parent)
    box.setRange(int(option.minimum or 1), int(option.maximum or 200))
    box.setValue(value)
    box.setToolTip(option.help)
    box.setAccessibleName(title)
    # A number typed digit by digit is meant as a whole.
    box.setKeyboardTracking(False)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return box


def _canvas_box(offsets: PositionArray, side: int) -> QRectF:
    """Return the rectangle that whole patches at these offsets cover."""
    (top, left), (bottom, right) = offsets.min(axis=0), offsets.max(axis=0)
    return QRectF(left, top, right - left, bottom - top).adjusted(-side / 2, -side / 2, side / 2, side / 2)
