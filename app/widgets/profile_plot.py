"""Curves over the distance from the middle, read out under the mouse."""

import numpy as np
from PySide6.QtCore import QPointF, Signal
from PySide6.QtWidgets import QWidget

from app.widgets.colour_bar import tick_text
from app.widgets.curve_plot import CurvePlot


class ProfilePlot(CurvePlot):
    """Radial profiles of patterns.

    Parameters
    ----------
    name, unit
        What is shown, and the unit of its values.
    parent
        Owner.
    """

    hovered = Signal(str)
    """The values under the mouse in words, empty when it leaves."""

    def __init__(self, name: str, unit: str, parent: QWidget | None = None) -> None:
        label = "distance from the zero frequency [px]"
        super().__init__(name, x_label=label, y_label=f"mean over the ring [{unit}]", log=True, parent=parent)
        self._unit = unit
        self._plot.scene().sigMouseMoved.connect(self._mouse_moved)

    def text_at(self, radius: float) -> str:
        """Return the value of every curve at the ring nearest to a radius."""
        parts: list[str] = []
        for name, series in self._series.items():
            if series.x.size and series.x[0] - 1 <= radius <= series.x[-1] + 1:
                index = int(np.argmin(np.abs(series.x - radius)))
                if not parts:
                    parts.append(f"radius {series.x[index]:.1f} px")
                parts.append(f"{name} {tick_text(float(series.y[index]))} {self._unit}")
        return " · ".join(parts)

    def _mouse_moved(self, scene_position: QPointF) -> None:
        inside = self._plot.vb.sceneBoundingRect().contains(scene_position)
        self.hovered.emit(self.text_at(self._plot.vb.mapSceneToView(scene_position).x()) if inside else "")
