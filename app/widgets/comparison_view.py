"""What differs between two bundles, worst first."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.display.value_text import value_text
from app.display.wording import number, whole
from app.widgets.choice_box import ChoiceBox
from app.widgets.content_or_hint import ContentOrHint
from app.widgets.table import Cell, Table

if TYPE_CHECKING:
    # With it come all readers of files, which the window does not need to start.
    from ptycho_engine.comparison.differences import Comparison, Difference

HEADER = ("part", "name", "this one", "the other", "distance", "in figures")
ALL = ""
ONLY_ONE = "Open another bundle to compare this one with."
HELP = "Relative: norm(A − B) / max(norm(A), norm(B)); ∞ where there is nothing to subtract."


def difference_rows(differences: Sequence["Difference"]) -> list[tuple[Cell, ...]]:
    """Return the differences as rows, in their order."""
    return [
        (
            Cell(each.part),
            Cell(each.name),
            Cell(_side(each.a)),
            Cell(_side(each.b)),
            Cell(number(each.distance) if math.isfinite(each.distance) else "∞", each.distance, tool_tip=HELP),
            Cell(each.detail),
        )
        for each in differences
    ]


def _side(value: object) -> str:
    if isinstance(value, Mapping) and "norm" in value:
        return f"norm {number(value['norm'])}"
    if isinstance(value, Mapping) and {"shape", "dtype"} <= set(value):
        return f"{' × '.join(str(length) for length in value['shape']) or 'one value'} {value['dtype']}"
    return value_text(value)


def summary_text(found: "Comparison") -> str:
    """Return the comparison in one or two sentences."""
    same = ", ".join(f"{whole(count)} {part}" for part, count in found.n_same.items()) or "none"
    if not found.differences:
        return f"No difference: {same} are equal."
    text = f"{whole(len(found.differences))} differ, worst first. Equal are {same}."
    norm = found.figures.get("relative_norm")
    if norm is not None:
        text += f" All tensors of one shape together: relative norm {number(norm)}."
    return text + _digests(found)


def _digests(found: "Comparison") -> str:
    digests = found.figures.get("sha256")
    if not digests:
        return ""
    return " The files are the same, byte for byte." if digests[0] == digests[1] else ""


class ComparisonView(QWidget):
    """A choice of the other bundle, and the table of differences."""

    other_chosen = Signal(str)
    """The key of the bundle to compare with."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: Comparison | None = None
        self.other: ChoiceBox[str] = ChoiceBox("Compare with", {}, "The bundle to compare with", self)
        self.summary = QLabel(self)
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setWordWrap(True)
        self.part: ChoiceBox[str] = ChoiceBox("Part", {ALL: "all parts"}, "Show the differences of one part", self)
        self.table = Table("Differences", HEADER, stretch=5, parent=self)
        for place, width_px in ((1, 220), (2, 120), (3, 120)):
            self.table.limit_width(place, width_px)
        self.table.setSortingEnabled(True)
        # Worst first until a column is clicked.
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.part.activated.connect(self._fill)
        self.other.activated.connect(lambda _: self.other_chosen.emit(self.other.choice))
        content = QWidget(self)
        row = QHBoxLayout()
        row.addWidget(QLabel("Compare with", self))
        row.addWidget(self.other, 1)
        row.addWidget(self.part)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 4, 0, 0)
        column.addLayout(row)
        column.addWidget(self.summary)
        column.addWidget(self.table, 1)
        self.pages = ContentOrHint(content, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)

    def show_others(self, names: Mapping[str, str]) -> None:
        """Offer the bundles to compare with, by key; what was chosen stays chosen."""
        shown = {str(self.other.itemData(i)): self.other.itemText(i) for i in range(self.other.count())}
        if shown != dict(names):
            chosen = self.other.choice
            self.other.clear()
            for key, name in names.items():
                self.other.addItem(name, key)
            self.other.choose(chosen)
        if names:
            self.pages.show_content()
        else:
            self.pages.show_hint(ONLY_ONE)

    def show_comparison(self, found: "Comparison | None") -> None:
        """Show what differs; ``None`` while it is being compared."""
        self.summary.setText("Comparing…" if found is None else summary_text(found))
        self._found = found
        chosen = self.part.choice
        self.part.clear()
        self.part.addItem("all parts", ALL)
        for part in dict.fromkeys(each.part for each in found.differences) if found is not None else ():
            self.part.addItem(part, part)
        self.part.choose(chosen)
        self._fill()

    def _fill(self, *_: object) -> None:
        found, part = self._found, self.part.choice
        differences = () if found is None else found.differences
        self.table.content.set_rows(difference_rows([each for each in differences if part in (ALL, each.part)]))
