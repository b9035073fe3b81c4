"""Many patches as one picture, each of which can be pointed at."""

from typing import Any

from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QRectF, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.display.levels import Levels
from app.display.mosaic import GAP_PX, MosaicGeometry, best_columns, make_mosaic, mosaic_geometry
from app.widgets.image_view import ImageView, Reading
from app.widgets.plot_colours import PALETTE_EVENTS, plot_colours


class PatchGrid(QWidget):
    """A grid of patches on one colour range; two of them can mark each other's patches."""

    cell_hovered = Signal(object)
    """``int | None``: the patch under the mouse."""
    cell_clicked = Signal(int)
    """The patch that was clicked."""
    columns_changed = Signal(int)
    """The number of columns that suits the present shape of the widget changed."""

    def __init__(self, name: str, *, colour_map: str = "inferno", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = ImageView(name, colour_map=colour_map, parent=self)
        self._geometry = mosaic_geometry(0, 1, 1)
        self._hovered: int | None = None
        self._marked: int | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.setAccessibleName(name)
        self.setFocusProxy(self.view)
        self.view.hovered.connect(self._view_hovered)
        self.view.clicked.connect(self._view_clicked)
        # Resizing by hand comes in bursts; the grid is laid out anew once it rests.
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(50)
        self._settle.timeout.connect(self._announce_columns)

    @property
    def geometry_of_cells(self) -> MosaicGeometry:
        """Where each patch lies in the picture."""
        return self._geometry

    @property
    def marked(self) -> int | None:
        """The patch that is outlined as selected."""
        return self._marked

    @property
    def hovered(self) -> int | None:
        """The patch that is outlined as under the mouse, here or in the linked grid."""
        return self._hovered

    def set_patches(self, patches: NDArray[Any], *, levels: Levels | None, columns: int | None = None) -> None:
        """Show ``(n, height, width)`` patches on one range, in ``columns`` columns."""
        n, height, width = patches.shape
        columns = columns if columns is not None else self.suitable_columns(n)
        before, self._geometry = self._geometry, mosaic_geometry(n, height, width, columns)
        self.view.set_image(make_mosaic(patches, self._geometry) if n else None, levels=levels)
        if self._marked is not None and self._marked >= n:
            self._marked = None
        self._hovered = None
        if self._geometry != before:
            self._draw_gaps()
        self._outline()

    def _draw_gaps(self) -> None:
        """Keep the gaps visible where the picture is shown smaller than it is."""
        geometry = self._geometry
        step_y, step_x = geometry.height + GAP_PX, geometry.width + GAP_PX
        rows = [row * step_y - GAP_PX / 2 for row in range(1, geometry.rows)]
        columns = [column * step_x - GAP_PX / 2 for column in range(1, geometry.columns if geometry.n else 0)]
        height, width = geometry.shape
        colour = plot_colours(self).background
        self.view.overlay.set_grid(rows, columns, QRectF(0, 0, width, height), colour)

    def changeEvent(self, event: QEvent) -> None:  # Qt's name
        """Follow the palette of the desktop."""
        super().changeEvent(event)
        if event.type() in PALETTE_EVENTS:
            self._draw_gaps()

    def suitable_columns(self, n: int) -> int:
        """Return the number of columns that makes ``n`` patches largest here."""
        box = self.view.view_box
        return best_columns(n, float(box.width()), float(box.height()))

    def mark(self, index: int | None) -> None:
        """Outline one patch as selected."""
        self._marked = index if index is not None and 0 <= index < self._geometry.n else None
        self._outline()

    def hover(self, index: int | None) -> None:
        """Outline one patch as under the mouse."""
        self._hovered = index if index is not None and 0 <= index < self._geometry.n else None
        self._outline()

    def link(self, other: "PatchGrid") -> None:
        """Share zoom and the patch under the mouse with another grid, both ways."""
        self.view.link(other.view)
        self.cell_hovered.connect(other.hover)
        other.cell_hovered.connect(self.hover)

    def _outline(self) -> None:
        geometry, overlay = self._geometry, self.view.overlay
        overlay.set_mark(None if self._marked is None else geometry.rectangle(self._marked))
        overlay.set_hover(None if self._hovered is None else geometry.rectangle(self._hovered))

    def _view_hovered(self, reading: Reading | None) -> None:
        index = None if reading is None else self._geometry.index_at(reading.row, reading.column)
        if index != self._hovered:
            self.hover(index)
            self.cell_hovered.emit(index)

    def _view_clicked(self, row: float, column: float) -> None:
        index = self._geometry.index_at(row, column)
        if index is not None:
            self.cell_clicked.emit(index)

    def resizeEvent(self, event: QResizeEvent) -> None:  # Qt's name
        """Lay the patches out for the new shape."""
        super().resizeEvent(event)
        self._settle.start()

    def _announce_columns(self) -> None:
        columns = self.suitable_columns(self._geometry.n)
        if self._geometry.n and columns != self._geometry.columns:
            self.columns_changed.emit(columns)
