"""The parameters of a bundle: value, usual value, meaning, and which table of the file says so."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from app.display.value_text import value_text
from app.widgets.table import Cell, Table
from ptycho_engine.bundles.parameters import Parameter

HEADER = ("parameter", "value", "usual", "meaning", "kept in")
USUAL_HELP = "What the program that wrote the bundle takes where nothing is said"


def parameter_rows(parameters: Sequence[Parameter]) -> list[tuple[Cell, ...]]:
    """Return the parameters as rows."""
    return [
        (
            Cell(one.name, tool_tip=f"{one.name}\n{one.meaning}" if one.meaning else ""),
            Cell(f"{value_text(one.value)} {one.unit}".rstrip() if one.value is not None else "–"),
            Cell(value_text(one.default) if one.has_default else "", tool_tip=USUAL_HELP),
            Cell(one.meaning or "not known to Ptychoscope"),
            Cell(one.kept_in),
        )
        for one in parameters
    ]


class ParameterView(QWidget):
    """Shows the parameters of one bundle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parameters: tuple[Parameter, ...] = ()
        self.only_unusual = QCheckBox("Only what is not as &usual", self)
        self.only_unusual.setToolTip("Hide what has its usual value, and what has none")
        self.table = Table("Parameters", HEADER, stretch=3, parent=self)
        self.table.limit_width(1, 120)
        self.table.limit_width(2, 80)
        self.table.setSortingEnabled(True)
        # In the order of the file until a column is clicked.
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.only_unusual.toggled.connect(self._fill)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.only_unusual)
        layout.addWidget(self.table, 1)

    def show_parameters(self, parameters: tuple[Parameter, ...]) -> None:
        """Show these parameters."""
        self._parameters = parameters
        self._fill()

    def _fill(self) -> None:
        shown = [
            one
            for one in self._parameters
            if not self.only_unusual.isChecked() or (one.has_default and not one.is_default)
        ]
        self.table.content.set_rows(parameter_rows(shown))
