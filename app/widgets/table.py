"""A table of text that sorts by value, filters by words, and copies what is selected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtGui import QAction, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView, QWidget

Index = QModelIndex | QPersistentModelIndex
SORT_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell shows, and by what it sorts."""

    text: str
    value: Any = None
    colour: Any = None
    tool_tip: str = ""


class TableModel(QAbstractTableModel):
    """Rows of cells under a header; rows are replaced as a whole, or added at the end."""

    def __init__(self, header: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.header = tuple(header)
        self.rows: list[tuple[Cell, ...]] = []

    def set_rows(self, rows: Sequence[tuple[Cell, ...]]) -> None:
        """Show these rows and no others."""
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def add_rows(self, rows: Sequence[tuple[Cell, ...]]) -> None:
        """Show these rows behind the others."""
        if rows:
            self.beginInsertRows(QModelIndex(), len(self.rows), len(self.rows) + len(rows) - 1)
            self.rows.extend(rows)
            self.endInsertRows()

    def drop_first(self, count: int) -> None:
        """Take the first rows away."""
        if count > 0:
            self.beginRemoveRows(QModelIndex(), 0, count - 1)
            del self.rows[:count]
            self.endRemoveRows()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.header)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        cell = self.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return cell.text
        if role == SORT_ROLE:
            return cell.text if cell.value is None else cell.value
        if role == Qt.ItemDataRole.ForegroundRole:
            return cell.colour
        if role == Qt.ItemDataRole.ToolTipRole:
            return cell.tool_tip or cell.text
        if role == Qt.ItemDataRole.TextAlignmentRole and isinstance(cell.value, (int, float)):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return the title of a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation is Qt.Orientation.Horizontal:
            return self.header[section]
        return None


class Table(QTableView):
    """A read-only table with a filter over all its columns."""

    def __init__(self, name: str, header: Sequence[str], *, stretch: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = TableModel(header, self)
        self._filtered = QSortFilterProxyModel(self)
        self._filtered.setSourceModel(self.content)
        self._filtered.setFilterKeyColumn(-1)
        self._filtered.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._filtered.setSortRole(SORT_ROLE)
        self.setModel(self._filtered)
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setResizeContentsPrecision(200)
        self.horizontalHeader().setSectionResizeMode(stretch, QHeaderView.ResizeMode.Stretch)
        self._stretch, self._least_px = stretch, 0
        copy = QAction("&Copy", self)
        copy.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy)
        everything = QAction("Select &all", self)
        everything.triggered.connect(self.selectAll)
        self.addActions([copy, everything])
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def limit_width(self, column: int, width_px: int) -> None:
        """Give a column a width of its own instead of that of its longest text; the person can change it."""
        self.horizontalHeader().setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().resizeSection(column, width_px)

    def keep_readable(self, width_px: int) -> None:
        """Never make the stretched column narrower than this: where there is no room the table scrolls sideways."""
        self._least_px = width_px

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stretch the one column as far as the others leave room."""
        super().resizeEvent(event)
        if not self._least_px:
            return
        header = self.horizontalHeader()
        places = (place for place in range(header.count()) if place != self._stretch)
        room = self.viewport().width() - sum(header.sectionSize(place) for place in places)
        mode = QHeaderView.ResizeMode.Stretch if room >= self._least_px else QHeaderView.ResizeMode.Interactive
        header.setSectionResizeMode(self._stretch, mode)
        if mode is QHeaderView.ResizeMode.Interactive:
            header.resizeSection(self._stretch, self._least_px)

    def set_filter(self, words: str) -> None:
        """Show only the rows in which ``words`` occur."""
        self._filtered.setFilterFixedString(words)

    def shown_rows(self) -> list[tuple[str, ...]]:
        """Return the texts of the rows that pass the filter, in the order shown."""
        model = self._filtered
        return [
            tuple(str(model.index(row, column).data()) for column in range(model.columnCount()))
            for row in range(model.rowCount())
        ]

    def copy(self) -> None:
        """Put the selected rows on the clipboard, columns apart by tabs."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        shown = self.shown_rows()
        QApplication.clipboard().setText("\n".join("\t".join(shown[row]) for row in rows))
