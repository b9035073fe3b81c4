"""The names of curves in one line above their plot, or two where it is narrow: there they hide no curve."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.widgets.plot_colours import plot_colours

SAMPLE_PX, SPACE_PX, MARGIN_PX = 20, 5, 8
"""Width of the drawn sample, what separates it from its name, and one name from the next."""
MOST_ROWS = 2


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A curve in the legend."""

    name: str
    pen: QPen
    fill: QColor | None = None
    """What lies under the curve."""


class LegendLine(QWidget):
    """Samples of curves with their names; without curves it takes no room."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[LegendEntry, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"Legend of {name}")
        self.hide()

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are shown."""
        return tuple(entry.name for entry in self._entries)

    def set_entries(self, entries: Sequence[LegendEntry]) -> None:
        """Show these curves."""
        if tuple(entries) == self._entries:
            return
        self._entries = tuple(entries)
        self.setToolTip("\n".join(self.names))
        self.setVisible(bool(self._entries))
        self._take_room()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # Qt's name
        """Take the room of the rows that the names need in the new width."""
        super().resizeEvent(event)
        self._take_room()

    def _take_room(self) -> None:
        # Said by hand: layouts within layouts do not ask how high a widget of some width is.
        rows = 1 + max((row for _, row, _ in self._placed(self.width())), default=0)
        self.setFixedHeight(rows * self._row_height())

    def sizeHint(self) -> QSize:  # Qt's name
        """Return the size of one row."""
        return QSize(100, self._row_height())

    def _row_height(self) -> int:
        return self.fontMetrics().height() + 2

    def _placed(self, width: int) -> list[tuple[int, int, str]]:
        """Return x, row and text of each name; names are shortened until all fit into the rows."""
        names = self.names
        longest = max((self.fontMetrics().horizontalAdvance(name) for name in names), default=0)
        for most in range(longest, 10, -4):
            placed = self._flow(width, most)
            if not placed or placed[-1][1] < MOST_ROWS:
                return placed
        return self._flow(width, 10)

    def _flow(self, width: int, most: int) -> list[tuple[int, int, str]]:
        metrics, placed, x, row = self.fontMetrics(), [], 0, 0
        for name in self.names:
            text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, most)
            needed = SAMPLE_PX + SPACE_PX + metrics.horizontalAdvance(text)
            if x and MARGIN_PX + x + needed > width:
                x, row = 0, row + 1
            placed.append((MARGIN_PX + x, row, text))
            x += needed + 2 * MARGIN_PX
        return placed

    def paintEvent(self, _event: QPaintEvent) -> None:  # Qt's name
        """Draw samples and names."""
        painter, colours = QPainter(self), plot_colours(self)
        painter.fillRect(self.rect(), colours.background)
        height = self._row_height()
        for entry, (x, row, text) in zip(self._entries, self._placed(self.width()), strict=True):
            middle = row * height + height // 2
            if entry.fill is not None:
                painter.fillRect(QRect(x, middle, SAMPLE_PX, height // 2 - 2), entry.fill)
            painter.setPen(entry.pen)
            painter.drawLine(x, middle, x + SAMPLE_PX, middle)
            painter.setPen(colours.foreground)
            place = QRect(x + SAMPLE_PX + SPACE_PX, row * height, self.width(), height)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)
