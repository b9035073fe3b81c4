"""What is wrong, worst first: the finding, its figures, what to do; each leads to the panel that shows it."""

from dataclasses import asdict

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.display.exports import Export, json_bytes, with_suffix
from app.display.wording import number
from app.panels.panel import Panel
from app.state.app_state import AppState, Listed
from app.state.examinations import listed, parts_of
from app.state.session import Session
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.image_menu import ask_for_path
from app.widgets.table import Cell, Table
from ptycho_engine.documents import Diagnosis

COLOURS = {"error": "#d9534f", "warning": "#c98a1b", "info": None}
WORDS = {"error": "Error", "warning": "Warning", "info": "Remark"}
FRAME_VALUES = ("worst_frame", "first")
"""Figures that are the number of a pattern."""


def row_of(row: Listed) -> tuple[Cell, ...]:
    """Return one finding as a row of the list."""
    name = COLOURS[row.finding.severity]
    colour = None if name is None else QColor(name)
    finding = row.finding
    return (
        Cell(WORDS[finding.severity], colour=colour),
        Cell(finding.id, tool_tip=finding.message),
        Cell(row.about),
    )


def figures_text(finding: Diagnosis) -> str:
    """Return the measured figures, one a line."""
    lines = []
    for name, value in finding.values.items():
        words = number(value, 6) if isinstance(value, (int, float)) else str(value)
        lines.append(f"{name.replace('_', ' ')}: {words}")
    return "\n".join(lines)


def as_text(row: Listed) -> str:
    """Return a finding with its figures and what to do, to be pasted elsewhere."""
    finding = row.finding
    figures = figures_text(finding).replace("\n", "; ")
    head = f"{WORDS[finding.severity]} [{finding.id}] {row.about}: {finding.message}"
    return "\n".join(part for part in (head, figures, finding.hint) if part)


ABOUT, ROOMY_TABLE_PX = 2, 330
"""The column that tells the document, and from which width on it is shown."""


class DiagnosesPanel(Panel):
    """Lists what was found of the open documents and of the job."""

    title = "Diagnoses"
    panel_id = "diagnoses"
    help_text = "What is wrong with scan, bundle, training or result: figures, and what to do. A click shows it."

    panel_asked = Signal(str)
    """This panel shows the finding."""
    document_asked = Signal(str)
    """The document that the finding is about should be the current one."""
    dismiss_asked = Signal(str, str)
    """Key of the document and id of the finding to be put away."""
    export_asked = Signal(object)
    """``Export`` of the findings, to be written to a file."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._rows: tuple[Listed, ...] = ()
        self._picked: tuple[str, str] | None = None
        """The finding that the person chose; until then the worst one is shown."""
        self.progress = QLabel(self)
        self.progress.setTextFormat(Qt.TextFormat.PlainText)
        self.copy_button = _small_button("Copy", "Copy the finding, or all of them", self)
        self.export_button = _small_button("Export…", "Save all findings with their figures as JSON", self)
        self.dismiss_button = _small_button("Dismiss", "Put this finding away while the document stays open", self)
        self.table = Table("Diagnoses", ("", "diagnosis", "about"), stretch=1, parent=self)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setSelectionMode(Table.SelectionMode.SingleSelection)
        # A click on a long name must not push the severity out of sight.
        self.table.setAutoScroll(False)
        self.about = _paragraph(self)
        font = self.about.font()
        font.setBold(True)
        self.about.setFont(font)
        self.finding = _paragraph(self)
        self.figures = _paragraph(self)
        self.hint = _paragraph(self)
        self.content = ContentOrHint(self._split(), self)
        top = QHBoxLayout()
        top.addWidget(self.progress, 1)
        for button in (self.copy_button, self.export_button, self.dismiss_button):
            top.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addLayout(top)
        layout.addWidget(self.content, 1)
        self.take_keys(self.table)
        self.table.clicked.connect(self._go_there)
        self.table.activated.connect(self._go_there)
        self.table.selectionModel().currentRowChanged.connect(self._show_details)
        self.copy_button.clicked.connect(self._copy)
        self.export_button.clicked.connect(lambda: ask_for_path(self, ".json", self._export))
        self.dismiss_button.clicked.connect(self._dismiss)
        self.watch(session.diagnoses_changed)
        self.watch(session.documents_changed)
        self.watch(session.job_changed)

    def _split(self) -> QSplitter:
        details = QWidget(self)
        column = QVBoxLayout(details)
        column.setContentsMargins(6, 0, 0, 0)
        for paragraph in (self.about, self.finding, self.hint, self.figures):
            column.addWidget(paragraph)
        column.addStretch(1)
        scroll = QScrollArea(self)
        scroll.setWidget(details)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.table)
        split.addWidget(scroll)
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 1)
        split.setSizes([300, 300])
        split.setChildrenCollapsible(False)
        split.splitterMoved.connect(self._fit_table)
        return split

    def _fit_table(self, *_: object) -> None:
        """Leave the column that the details repeat where there is no room for three."""
        self.table.setColumnHidden(ABOUT, self.table.width() < ROOMY_TABLE_PX)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many columns as there is room for."""
        super().resizeEvent(event)
        self._fit_table()

    def refresh(self) -> None:
        """Show the findings, worst first; the selected one stays selected."""
        state = self.session.state
        rows = listed(state)
        self.progress.setText(progress_text(state))
        if rows != self._rows:
            self._rows = rows
            self.table.content.set_rows([row_of(row) for row in rows])
            picked = [number for number, row in enumerate(rows) if _key(row) == self._picked]
            if rows:
                self.table.selectRow(picked[0] if picked else 0)
        for button in (self.copy_button, self.export_button, self.dismiss_button):
            button.setEnabled(bool(rows))
        if rows:
            self.content.show_content()
        else:
            self.content.show_hint(empty_text(state))

    def _selected(self) -> Listed | None:
        row = self.table.currentIndex().row()
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def _show_details(self) -> None:
        row = self._selected()
        if row is None:
            return
        self.about.setText(row.about)
        self.finding.setText(row.finding.message)
        self.hint.setText(f"→ {row.finding.hint}" if row.finding.hint else "")
        self.figures.setText(figures_text(row.finding))

    def _go_there(self, index: QModelIndex) -> None:
        row = self._rows[index.row()]
        self._picked = _key(row)
        if row.key != "job":
            for part in parts_of(row.key):
                self.document_asked.emit(part)
        frame = next((row.finding.values[name] for name in FRAME_VALUES if name in row.finding.values), None)
        if isinstance(frame, (int, float)) and frame >= 0:
            self.frame_asked.emit(int(frame))
        if row.finding.place:
            self.panel_asked.emit(row.finding.place)

    def _dismiss(self) -> None:
        row = self._selected()
        if row is not None:
            self.dismiss_asked.emit(*_key(row))

    def _copy(self) -> None:
        row = self._selected()
        chosen = self._rows if row is None else (row,)
        QApplication.clipboard().setText("\n\n".join(as_text(one) for one in chosen) + "\n")

    def _export(self, path: str) -> None:
        values = [{"about": row.about, **asdict(row.finding)} for row in self._rows]
        self.export_asked.emit(Export(with_suffix(path, ".json"), json_bytes({"diagnoses": values})))


def progress_text(state: AppState) -> str:
    """Return how far the examinations are, or how many findings there are."""
    running = [one for one in state.examinations.values() if not one.done]
    if running:
        n_done, n_total = sum(one.n_done for one in running), sum(one.n_total for one in running)
        return f"Looking at {n_done} of {n_total} patterns…" if n_total else "Looking…"
    counts = [(severity, sum(row.finding.severity == severity for row in listed(state))) for severity in WORDS]
    return ", ".join(f"{n} {WORDS[severity].lower()}{'' if n == 1 else 's'}" for severity, n in counts if n)


def empty_text(state: AppState) -> str:
    """Return what to say where nothing is listed."""
    if not state.examinations and (state.datasets or state.bundles):
        return "Looking at what was opened…"
    if not state.examinations:
        return "Open a scan or a bundle: what is wrong with it is listed here."
    if not all(one.done for one in state.examinations.values()):
        return "Nothing found so far."
    opened = [dataset.name for dataset in state.datasets.values()]
    names = ", ".join(opened + [bundle.name for bundle in state.bundles.values()])
    dismissed = f" {len(state.dismissed)} dismissed." if state.dismissed else ""
    return f"Nothing is wrong with {names}, as far as it can be told.{dismissed}"


def _key(row: Listed) -> tuple[str, str]:
    return row.key, row.finding.id


def _paragraph(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _small_button(text: str, tip: str, parent: QWidget) -> QToolButton:
    button = QToolButton(parent)
    button.setText(text)
    button.setToolTip(tip)
    return button
