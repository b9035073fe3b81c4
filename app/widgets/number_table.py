"""A small table of figures with named rows and columns."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

CELL_PADDING_PX = 14


class NumberTable(QTableWidget):
    """Figures that can be read, selected and copied, not changed."""

    def __init__(self, name: str, columns: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(0, len(columns), parent)
        self._count, self._no_more = 0, False
        self.setAccessibleName(name)
        self.setHorizontalHeaderLabels(list(columns))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setWordWrap(False)
        # Tab leaves the table; the arrow keys move in it.
        self.setTabKeyNavigation(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setHighlightSections(False)
        self.verticalHeader().setHighlightSections(False)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 3)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Measure again: only now header and rows have the height that the style gives them."""
        super().resizeEvent(event)
        if self._count:
            self.show_all_rows(self._count, no_more=self._no_more)

    def fit_columns(self) -> None:
        """Make columns as wide as their texts, for tables of words; a table of figures fills its width instead."""
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    def show_all_rows(self, count: int, *, no_more: bool = False) -> None:
        """Never be lower than it takes to see ``count`` rows, and no higher where ``no_more``."""
        self._count, self._no_more = count, no_more
        header = max(self.horizontalHeader().sizeHint().height(), self.horizontalHeader().height())
        rows = count * self.verticalHeader().defaultSectionSize()
        if self.rowCount() == count:
            # Some styles make rows higher than they were asked for.
            rows = max(rows, self.verticalHeader().length())
        height = header + rows + 2 * self.frameWidth()
        self.setMinimumHeight(height)
        if no_more:
            self.setMaximumHeight(height)

    def show_whole_figures(self, row_names: Sequence[str], longest: str) -> None:
        """Never be narrower than it takes to read the names of the rows, and ``longest`` in each column."""
        metrics = self.fontMetrics()
        names = max(metrics.horizontalAdvance(name) for name in row_names)
        figures = self.columnCount() * (metrics.horizontalAdvance(longest) + CELL_PADDING_PX)
        self.setMinimumWidth(names + CELL_PADDING_PX + figures + 2 * self.frameWidth())

    def set_rows(self, rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Show rows, each with its name and its texts."""
        self.setRowCount(len(rows))
        self.setVerticalHeaderLabels([name for name, _ in rows])
        for row, (_, texts) in enumerate(rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(text)
                self.setItem(row, column, item)
        # Headers take their place now. By itself the table would move them while it is being painted, and what is
        # painted of them then lies over the neighbour.
        self.updateGeometries()

    def text_at(self, row: int, column: int) -> str:
        """Return the text of a cell."""
        item = self.item(row, column)
        return "" if item is None else item.text()
