"""A ruler over linked pictures, and the values along it as curves."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.display.lengths import length_text, unit_for
from app.display.line_profile import line_profile
from app.widgets.curve_plot import CurvePlot
from app.widgets.image_view import ImageView
from app.widgets.line_tool import LineTool


class LineMeasure(QWidget):
    """The curves; hidden as long as the line is.

    Parameters
    ----------
    views
        The pictures, on the same pixels.
    parent
        The widget that it belongs to.
    """

    def __init__(self, views: Sequence[ImageView], parent: QWidget) -> None:
        super().__init__(parent)
        self._views = tuple(views)
        self._cyclic = [False] * len(views)
        self._pixel_size_m: float | None = None
        self.tool = LineTool(views, self)
        self.plot = CurvePlot("Profile along the line", x_label="distance [px]", y_label="value", parent=self)
        # Lower than this, the names of the axes would be cut.
        self.setMinimumHeight(150)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.tool.moved.connect(self.refresh)
        self.hide()

    def set_active(self, active: bool) -> None:
        """Show or hide line and curves."""
        self.tool.set_visible(active)
        self.setVisible(active)
        self.refresh()

    def set_pixel_size(self, pixel_size_m: float | None) -> None:
        """Measure in metres too, where the side of a pixel is known."""
        if pixel_size_m != self._pixel_size_m:
            self._pixel_size_m = pixel_size_m
            self.refresh()

    def set_cyclic(self, number: int, cyclic: bool) -> None:
        """Say whether a picture shows a quantity whose ends are one: of that, no means are taken."""
        self._cyclic[number] = cyclic

    def refresh(self) -> None:
        """Measure what the pictures show now."""
        if not self.tool.visible:
            return
        start, end = self.tool.ends
        down, right = end[0] - start[0], end[1] - start[1]
        length = float(np.hypot(down, right))
        # The angle as it is seen: against the clock from the right.
        angle = float(np.degrees(np.arctan2(-down, right))) % 360
        self.tool.set_text(f"{length_text(length, self._pixel_size_m)} · {angle:.1f}°")
        factor, label = 1.0, "distance [px]"
        if self._pixel_size_m is not None:
            size, unit = unit_for(length * self._pixel_size_m)
            factor = self._pixel_size_m / size
            label = f"distance [{unit}], {length_text(1.0, self._pixel_size_m)}"
        quantities = [_quantity(view) for view in self._views]
        apart = len(set(quantities)) > 1
        self.plot.set_labels(x=label, y=quantities[0], secondary=quantities[-1])
        wanted = {}
        for number, view in enumerate(self._views):
            if view.values is None or view.values.ndim != 2:
                continue
            distance, values = line_profile(view.values, start, end, nearest=self._cyclic[number])
            name = view.title.split(" · ")[0]
            wanted[name] = (distance * factor, values, apart and number > 0)
        for gone in set(self.plot.series_names) - set(wanted):
            self.plot.remove_series(gone)
        for name, (x, y, secondary) in wanted.items():
            self.plot.set_series(name, x, y, secondary=secondary)


def _quantity(view: ImageView) -> str:
    return "amplitude" if view.values is not None and np.iscomplexobj(view.values) else view.quantity
