"""The layers of a network: a table of figures, and of the selected one its histogram and its kernels."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from app.display.kernels import KernelGrid, kernel_grid
from app.display.levels import full_levels, symmetric_levels
from app.display.wording import number, whole
from app.widgets.histogram import Histogram
from app.widgets.patch_grid import PatchGrid
from app.widgets.table import Cell, Table
from ptycho_engine.diagnostics.layer_figures import LayerFigures

HEADER = ("layer", "shape", "type", "values", "mean", "std", "min", "max", "not finite")


def layer_rows(state: Mapping[str, NDArray[Any]], figures: Sequence[LayerFigures]) -> list[tuple[Cell, ...]]:
    """Return the tensors as rows; figures that are not there yet are left empty."""
    known = {one.name: one for one in figures}
    return [_row(name, tensor, known.get(name)) for name, tensor in state.items()]


def _row(name: str, tensor: NDArray[Any], figures: LayerFigures | None) -> tuple[Cell, ...]:
    shape = " × ".join(str(length) for length in tensor.shape) or "one value"
    cells = [Cell(name), Cell(shape), Cell(str(tensor.dtype)), Cell(whole(int(tensor.size)), int(tensor.size))]
    if figures is None:
        return (*cells, *(Cell("…") for _ in HEADER[4:]))
    values = (figures.mean, figures.std, figures.minimum, figures.maximum)
    cells += [Cell(number(value), float("-inf") if value is None else value) for value in values]
    return (*cells, Cell(whole(figures.n_not_finite), figures.n_not_finite))


class LayerView(QWidget):
    """Shows the layers of one network."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: Mapping[str, NDArray[Any]] = {}
        self._figures: dict[str, LayerFigures] = {}
        self._channels_last = False
        self._chosen = ""
        self._grid: KernelGrid | None = None
        self.table = Table("Layers", HEADER, parent=self)
        self.table.keep_readable(170)
        self.table.setSelectionMode(Table.SelectionMode.SingleSelection)
        # The end of a name tells layers apart, its beginning the part of the network.
        self.table.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.table.horizontalHeader().setMinimumSectionSize(48)
        self.table.setSortingEnabled(True)
        # In the order of the file until a column is clicked.
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.histogram = Histogram("Histogram of the layer", x_label="value", parent=self)
        self.kernels = PatchGrid("Kernels of the layer", colour_map="blue-white-red", parent=self)
        self.caption = QLabel(self)
        self.caption.setWordWrap(True)
        self.table.selectionModel().currentRowChanged.connect(self._row_changed)
        self.kernels.cell_hovered.connect(self._point_at)
        self.kernels.columns_changed.connect(self._lay_out)
        below = QSplitter(Qt.Orientation.Horizontal, self)
        pictures = QWidget(self)
        column = QVBoxLayout(pictures)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.kernels, 1)
        column.addWidget(self.caption)
        below.addWidget(self.histogram)
        below.addWidget(pictures)
        below.setSizes([300, 400])
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(self.table)
        split.addWidget(below)
        split.setSizes([260, 260])
        for splitter in (split, below):
            splitter.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(split)

    def show_network(self, state: Mapping[str, NDArray[Any]], *, channels_last: bool = False) -> None:
        """Show the tensors of another network, whose figures are to come; the first convolution is selected."""
        self._state, self._figures, self._channels_last = state, {}, channels_last
        # Kernels first: a light or a mean pattern that a network keeps tells less of what it has learned.
        self._chosen = max(state, key=lambda name: min(state[name].ndim, 4), default="")
        self._fill(())
        self._show_layer()

    def show_figures(self, figures: Sequence[LayerFigures]) -> None:
        """Show figures of the layers, as far as they are there."""
        if len(figures) == len(self._figures):
            return
        self._figures = {one.name: one for one in figures}
        self._fill(figures)
        self._show_histogram()

    @property
    def chosen(self) -> str:
        """The layer that is shown as pictures."""
        return self._chosen

    def choose(self, name: str) -> None:
        """Select a layer by its name."""
        for row, shown in enumerate(self.table.shown_rows()):
            if shown[0] == name:
                self.table.selectRow(row)
                return

    def _fill(self, figures: Sequence[LayerFigures]) -> None:
        chosen = self._chosen
        self.table.content.set_rows(layer_rows(self._state, figures))
        self.choose(chosen)

    def _row_changed(self, current: QModelIndex) -> None:
        name = str(current.siblingAtColumn(0).data()) if current.isValid() else ""
        if name in self._state and name != self._chosen:
            self._chosen = name
            self._show_layer()

    def _show_layer(self) -> None:
        self._show_histogram()
        tensor = self._state.get(self._chosen)
        grid = self._grid = None if tensor is None else kernel_grid(tensor, channels_last=self._channels_last)
        view = self.kernels.view
        view.set_title(self._chosen)
        if grid is None:
            view.set_image(None)
            self.caption.setText("" if tensor is None else "One value has no picture.")
            return
        view.set_kind("signed" if grid.signed else "modulus", "blue-white-red" if grid.signed else "viridis")
        view.set_quantity("weight" if grid.signed else "modulus of the weight")
        levels = symmetric_levels(grid.pictures, 100.0) if grid.signed else full_levels(grid.pictures)
        self.kernels.set_patches(grid.pictures, levels=levels, columns=self._columns(grid))
        self.caption.setText(grid.caption)

    def _columns(self, grid: KernelGrid) -> int:
        """Return how many kernels lie beside each other: those of one output never in two lines."""
        suitable = self.kernels.suitable_columns(len(grid.pictures))
        return max(1, suitable // grid.inputs) * grid.inputs

    def _lay_out(self, _: int) -> None:
        grid = self._grid
        if grid is not None and self._columns(grid) != self.kernels.geometry_of_cells.columns:
            self.kernels.set_patches(grid.pictures, levels=self.kernels.view.levels, columns=self._columns(grid))

    def _show_histogram(self) -> None:
        figures = self._figures.get(self._chosen)
        self.histogram.clear()
        if figures is not None:
            self.histogram.set_series("", figures.histogram, figures.edges)

    def _point_at(self, index: int | None) -> None:
        grid = self._grid
        if grid is not None:
            name = grid.name_of(index) if index is not None else ""
            self.caption.setText(f"{grid.caption} · {name}" if name else grid.caption)
