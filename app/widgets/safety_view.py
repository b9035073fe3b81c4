"""The safety report of a file: what every pickle in it names, and what would have been run."""

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QColor, QFontDatabase
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QSplitter, QVBoxLayout, QWidget

from app.display.wording import n_bytes, whole
from app.widgets.table import Cell, Table
from ptycho_engine.bundles.safety import SafetyReport
from ptycho_engine.bundles.trace import PickleTrace

HEADER = ("pickle", "names", "what becomes of it", "calls", "byte")
DANGEROUS = QColor("#d9534f")


def safety_rows(report: SafetyReport) -> list[tuple[tuple[Cell, ...], PickleTrace | None]]:
    """Return a row for each name in each pickle, for each call of unknown code, and for what could not be read."""
    rows: list[tuple[tuple[Cell, ...], PickleTrace | None]] = []
    for trace in report.pickles:
        rows += [(cells, trace) for cells in _trace_rows(trace)]
    for member, reason in report.unread:
        rows.append(((Cell(member, colour=DANGEROUS), Cell("–"), Cell(f"not looked into: {reason}")), None))
    return [((*cells, *(Cell("") for _ in range(len(HEADER) - len(cells)))), trace) for cells, trace in rows]


def _trace_rows(trace: PickleTrace) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for named in trace.globals:
        fate = "read as plain data" if named.known else "unknown: never imported"
        colour = None if named.known else DANGEROUS
        rows.append(
            (
                Cell(trace.member),
                Cell(named.name, colour=colour),
                Cell(fate, colour=colour),
                Cell(whole(named.n_calls), named.n_calls),
                Cell(whole(named.offset), named.offset),
            )
        )
    for call in trace.would_run:
        words = f"would have been run: {call.name}{call.arguments}"
        place = Cell(whole(call.offset), call.offset)
        rows.append(
            (Cell(trace.member), Cell(call.name, colour=DANGEROUS), Cell(words, colour=DANGEROUS), Cell(""), place)
        )
    for odd in trace.odd:
        words = f"instruction {odd}, which no genuine file needs"
        rows.append((Cell(trace.member), Cell("–"), Cell(words, colour=DANGEROUS)))
    if trace.problem:
        rows.append((Cell(trace.member), Cell("–"), Cell(trace.problem, colour=DANGEROUS)))
    return rows or [(Cell(trace.member), Cell("nothing"), Cell("numbers and texts only"))]


class SafetyView(QWidget):
    """Shows the report; the selected line's pickle is listed instruction by instruction."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._traces: dict[str, PickleTrace] = {}
        self.verdict = QLabel(self)
        self.verdict.setTextFormat(Qt.TextFormat.PlainText)
        self.verdict.setWordWrap(True)
        self.table = Table("Safety report", HEADER, stretch=2, parent=self)
        self.table.limit_width(0, 170)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.keep_readable(300)
        self.table.setSelectionMode(Table.SelectionMode.SingleSelection)
        self.listing = QPlainTextEdit(self)
        self.listing.setReadOnly(True)
        self.listing.setTabChangesFocus(True)
        self.listing.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.listing.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.listing.setAccessibleName("Instructions of the pickle")
        self.listing.setPlaceholderText("Select a line: the instructions of its pickle are listed here.")
        self.table.selectionModel().currentRowChanged.connect(self._list)
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(self.table)
        split.addWidget(self.listing)
        split.setSizes([300, 160])
        split.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.verdict)
        layout.addWidget(split, 1)

    def show_report(self, report: SafetyReport | None, problem: str = "") -> None:
        """Show a report, or why there is none."""
        rows = [] if report is None else safety_rows(report)
        self._traces = {} if report is None else {trace.member: trace for trace in report.pickles}
        self.table.content.set_rows([cells for cells, _ in rows])
        self.listing.clear()
        if report is not None:
            self.verdict.setText(f"{report.verdict[:1].upper()}{report.verdict[1:]}.")
        else:
            self.verdict.setText(problem or "The file is being looked into…")

    def _list(self, current: QModelIndex) -> None:
        trace = self._traces.get(str(current.siblingAtColumn(0).data())) if current.isValid() else None
        if trace is None:
            self.listing.clear()
            return
        head = f"{trace.member}: {n_bytes(trace.n_bytes)}, {whole(trace.n_instructions)} instructions"
        left = trace.n_instructions - len(trace.listing)
        tail = [f"… {whole(left)} more"] if left > 0 else []
        self.listing.setPlainText("\n".join([head, *trace.listing, *tail]))
