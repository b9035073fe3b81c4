"""Training against inference: the statistics of patches with their ratios, and what they mean."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.display.exports import Export, with_suffix
from app.display.phase_texts import COLUMN_HELP, COLUMNS, ROW_HELP, run_rows, table_texts, value_cell
from app.panels.panel import Panel
from app.panels.rest import Rest
from app.state.phase_sources import PREVIEW, Phase, PhaseSource, phase_sources
from app.state.session import Session
from app.widgets.choice_box import ChoiceBox
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.curve_plot import CurvePlot
from app.widgets.histogram import Histogram
from app.widgets.image_menu import ask_for_path
from app.widgets.number_table import NumberTable
from app.widgets.table import Cell, Table
from ptycho_engine.arrays import ComplexArray, FloatArray
from ptycho_engine.artefacts.patch_stats_file import patch_stats_text
from ptycho_engine.diagnostics.patch_stats import patch_stats
from ptycho_engine.diagnostics.phase_comparison import causes, comparison_rows, inference_figures, training_figures
from ptycho_engine.documents import PatchStats
from ptycho_engine.runs.run_figures import RunFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptycho_engine.events import PatchPreview

PHASES: dict[Phase, str] = {"train": "Training", "inference": "Inference"}
NOTHING = (
    "No statistics. Run an inference; train with “log patch stats”; or open a run folder, a debug dump or a "
    "torch_patch_stats.json."
)
TIMELINE = {"mean": "global_mean", "std": "global_std", "var(zero-mean)": "var_zero_mean"}
BINS = 80
MOST_COUNTED = 2**18
"""Values of a histogram, evenly spaced: counting millions would stop the window for longer than a picture stands."""


def _column(*widgets: QWidget) -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 4, 0, 0)
    for widget in widgets:
        column.addWidget(widget, 0 if isinstance(widget, QComboBox) else 1)
    return page


def _some_amplitudes(patches: ComplexArray) -> FloatArray:
    values = patches.ravel()
    return np.asarray(np.abs(values[:: -(-values.size // MOST_COUNTED) or 1]), np.float32)


class StatisticsPanel(Panel):
    """Shows the statistics of both phases side by side."""

    title = "Statistics"
    panel_id = "statistics"

    export_asked = Signal(object)
    """``Export`` of the statistics, to be written to a file."""
    report_asked = Signal(object, object)
    """``Path`` of a run folder, ``Path`` of the HTML file for its artefact inventory."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._picked: dict[Phase, str] = {}
        self._figures_id: str | None = None
        self._shown: RunFigures | None = None
        self._state: tuple[object, ...] = ()
        self._counted: tuple[PatchPreview | None, PatchPreview | None] = (None, None)
        self._preview: tuple[PatchPreview, PatchStats] | None = None
        self._entries: dict[Phase, tuple[PatchStats, ...]] = {"train": (), "inference": ()}
        self.boxes: dict[Phase, QComboBox] = {phase: self._box(phase) for phase in PHASES}
        self.described = {phase: QLabel(self) for phase in PHASES}
        self.table = NumberTable("Training against inference", COLUMNS, self)
        for column, words in enumerate(COLUMN_HELP):
            item = self.table.horizontalHeaderItem(column)
            if item is not None:
                item.setToolTip(words)
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.cause = QLabel(self)
        self.cause.setTextFormat(Qt.TextFormat.PlainText)
        self.cause.setWordWrap(True)
        self.cause.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.cause.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.figure: ChoiceBox[str] = ChoiceBox(
            "Figure", {name: name for name in TIMELINE}, "The figure whose course is shown", self
        )
        self.timeline = CurvePlot("Statistics by batch", x_label="batch", y_label="network amplitude", log=True)
        self.course = ContentOrHint(_column(self.figure, self.timeline), self)
        self.histogram = Histogram("Amplitudes of the patches shown", x_label="network amplitude", y_label="density")
        self.spread = ContentOrHint(self.histogram, self)
        self.run_table = Table("Figures of the run", ("part", "figure", "value"), stretch=1, parent=self)
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.course, "&Timeline")
        self.tabs.addTab(self.spread, "&Histogram")
        self.tabs.addTab(self.run_table, "&Run")
        self.export_button = QPushButton("E&xport…", self)
        self.export_button.setToolTip("Write the statistics of both phases as JSON, as torch_patch_stats.json has them")
        self.report_button = QPushButton("Re&port…", self)
        self.report_button.setToolTip("Write the artefact inventory of the run that is shown as one HTML file")
        self._rest = Rest(self._show_timeline, self)
        self.pages = ContentOrHint(self._content(), self)
        self.pages.show_hint(NOTHING)
        layout = QVBoxLayout(self)
        layout.addWidget(self.pages)
        self.take_keys(self.boxes["train"])
        self.export_button.clicked.connect(lambda: ask_for_path(self, ".json", self.export))
        self.report_button.clicked.connect(lambda: ask_for_path(self, ".html", self.report))
        self.timeline.export_asked.connect(self.export_asked)
        self.figure.currentIndexChanged.connect(self._show_timeline)
        self.tabs.currentChanged.connect(self._show_histogram)
        self.watch(session.stats_changed)
        self.watch(session.documents_changed)
        self.watch(session.preview_changed)
        self.watch(session.job_changed)

    def _box(self, phase: Phase) -> QComboBox:
        box = QComboBox(self)
        box.setAccessibleName(f"{PHASES[phase]} from")
        box.setToolTip(f"Where the statistics of the {PHASES[phase].lower()} are taken from")
        box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        box.activated.connect(lambda _: self._pick(phase))
        return box

    def _content(self) -> QSplitter:
        upper = QWidget(self)
        grid = QGridLayout()
        for row, (phase, title) in enumerate(PHASES.items()):
            grid.addWidget(QLabel(title, self), row, 0)
            grid.addWidget(self.boxes[phase], row, 1)
            grid.addWidget(self.described[phase], row, 2)
        grid.addWidget(self.export_button, 0, 3)
        grid.addWidget(self.report_button, 1, 3)
        grid.setColumnStretch(1, 1)
        column = QVBoxLayout(upper)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(grid)
        column.addWidget(self.table)
        scroll = QScrollArea(self)
        scroll.setWidget(self.cause)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setMinimumHeight(3 * self.fontMetrics().height())
        column.addWidget(scroll, 1)
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(upper)
        split.addWidget(self.tabs)
        split.setChildrenCollapsible(False)
        split.setStretchFactor(1, 1)
        split.setSizes([290, 320])
        return split

    # --- what is shown ---

    def refresh(self) -> None:
        """Show the statistics of both phases, and the figures of the document."""
        for paint in self.portions():
            paint()

    def portions(self) -> tuple[Callable[[], None], ...]:
        """Return what paints: the table, the course and the histogram, each by itself."""
        state = self.session.state
        shown: tuple[object, ...] = (
            *(state.figures, state.figures_id, state.stats, state.training_preview, state.preview),
            *(state.bundles, state.run_id, state.busy),
        )
        if len(shown) == len(self._state) and all(new is old for new, old in zip(shown, self._state, strict=True)):
            return ()  # The counters of a running job, which tell nothing here.
        self._state = shown
        return (self._show_phases, self._follow_course, self._show_histogram)

    def _refresh(self) -> None:
        self._show_phases()
        self._show_timeline()
        self._show_histogram()

    def _follow_course(self) -> None:
        # What is new is drawn at once, also beside a running job: a document that was opened, another phase.
        phases = tuple(title.lower() for phase, title in PHASES.items() if self._entries[phase])
        same = self._figures_id is None and self.timeline.series_names == phases
        self._rest.ask(growing=same and self.session.state.busy)

    def _show_phases(self) -> None:
        state = self.session.state
        if state.figures_id != self._figures_id:
            # A document that was opened or chosen, or a job that began, is what the person wants to see.
            self._figures_id, self._picked = state.figures_id, {}
        chosen = {phase: self._choose(phase) for phase in PHASES}
        figures = state.figures.get(state.figures_id or "")
        if figures is None and not any(chosen.values()):
            self._entries = {"train": (), "inference": ()}
            self.pages.show_hint(NOTHING)
            return
        self.pages.show_content()
        self._show_table(chosen)
        self._show_run(figures)
        self.export_button.setEnabled(any(self._entries.values()))
        self.report_button.setEnabled(self._run_folder() is not None)

    def _choose(self, phase: Phase) -> PhaseSource | None:
        sources = phase_sources(self.session.state, phase)
        box = self.boxes[phase]
        wanted = [(source.key, source.title) for source in sources]
        if wanted != [(box.itemData(row), box.itemText(row)) for row in range(box.count())]:
            box.clear()
            for key, title in wanted:
                box.addItem(title, key)
        box.setEnabled(bool(sources))
        picked = next((source for source in sources if source.key == self._picked.get(phase)), None)
        source = picked if picked is not None else next(iter(sources), None)
        if source is not None:
            box.setCurrentIndex(box.findData(source.key))
            box.setToolTip(source.title)
        self._entries[phase] = () if source is None else self._entries_of(source)
        return source

    def _entries_of(self, source: PhaseSource) -> tuple[PatchStats, ...]:
        preview = self.session.state.training_preview
        if source.key != PREVIEW or preview is None:
            return source.entries
        if self._preview is None or self._preview[0] is not preview:
            self._preview = (preview, patch_stats(preview.patches[:, None], "train", preview.step))
        return (self._preview[1],)

    def _show_table(self, chosen: dict[Phase, PhaseSource | None]) -> None:
        training = training_figures(self._entries["train"])
        inference = inference_figures(self._entries["inference"])
        for label, figures in zip(self.described.values(), (training, inference), strict=True):
            label.setText("nothing logged" if figures is None else figures.described)
        rows = table_texts(comparison_rows(training, inference))
        self.table.set_rows(rows)
        for row, (name, _) in enumerate(rows):
            item = self.table.verticalHeaderItem(row)
            if item is not None:
                item.setToolTip(ROW_HELP.get(name, ""))
        self.table.show_all_rows(len(rows), no_more=True)
        network = next((source.network for source in chosen.values() if source is not None and source.network), None)
        ids = {source.network_id for source in chosen.values() if source is not None and source.network_id}
        lines = causes(self._entries["train"], self._entries["inference"], network, one_network=len(ids) < 2)
        self.cause.setText("\n".join(f"• {line}" for line in lines))

    def _show_timeline(self) -> None:
        longest = max(len(entries) for entries in self._entries.values())
        if longest < 2:
            self.course.show_hint("No more than one batch was logged: there is no course to show.")
            return
        self.course.show_content()
        key = TIMELINE[self.figure.choice]
        for phase, title in PHASES.items():
            entries = self._entries[phase]
            if entries:
                batches = [entry.batch_idx for entry in entries]
                self.timeline.set_series(title.lower(), batches, [getattr(entry, key) for entry in entries])
            else:
                self.timeline.remove_series(title.lower())
        self.timeline.settle()

    def _show_histogram(self) -> None:
        if self.tabs.currentWidget() is not self.spread:
            return
        state = self.session.state
        inferred = state.preview if state.preview is not None and state.preview.phase == "inference" else None
        previews = {"training": state.training_preview, "inference": inferred}
        if not any(previews.values()):
            self.spread.show_hint("Train or infer: how often each amplitude occurs in the patches is shown here.")
            return
        self.spread.show_content()
        if self._counted[0] is state.training_preview and self._counted[1] is inferred:
            return
        self._counted = (state.training_preview, inferred)
        for name, preview in previews.items():
            amplitude = _some_amplitudes(preview.patches) if preview is not None else np.zeros(0)
            finite = amplitude[np.isfinite(amplitude)]
            counts, edges = np.histogram(finite, BINS, density=True) if finite.size else (np.zeros(0), np.zeros(0))
            self.histogram.set_series(name, counts, edges)

    def _show_run(self, figures: RunFigures | None) -> None:
        self.tabs.setTabVisible(self.tabs.indexOf(self.run_table), figures is not None)
        if figures is self._shown:
            return
        self._shown = figures
        rows: Sequence[tuple[Cell, ...]] = ()
        if figures is not None:
            rows = [(Cell(part), Cell(name), Cell(*value_cell(value))) for part, name, value in run_rows(figures)]
            if not figures.stats:
                self.tabs.setCurrentWidget(self.run_table)
        self.run_table.content.set_rows(rows)

    # --- what the person does ---

    def _pick(self, phase: Phase) -> None:
        self._picked[phase] = str(self.boxes[phase].currentData())
        self._refresh()

    def export(self, path: str) -> None:
        """Ask for the statistics of both phases to be written, in the schema of the statistics file."""
        entries = [entry for phase in PHASES for entry in self._entries[phase]]
        self.export_asked.emit(Export(with_suffix(path, ".json"), patch_stats_text(entries).encode()))

    def report(self, path: str) -> None:
        """Ask for the artefact inventory of the run that is shown."""
        folder = self._run_folder()
        if folder is not None:
            self.report_asked.emit(folder, with_suffix(path, ".html"))

    def _run_folder(self) -> Path | None:
        """Return the folder of the run that is shown: of the document, or else of the last run of this window."""
        state = self.session.state
        figures = state.figures.get(state.figures_id or "")
        if figures is not None:
            return figures.path if figures.kind == "run" else None
        return state.run.path if state.run is not None and not state.busy else None
