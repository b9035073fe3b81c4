"""Amplitude and phase of complex values, one above the other, with a common zoom."""

import numpy as np
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.display.canvas_pictures import CYCLE, PHASE_TICKS
from app.widgets.image_view import ImageView
from ptycho_engine.arrays import ComplexArray

DIM = 1e-3
"""A phase is shown where the amplitude is above this part of its maximum; below it is noise."""


class ComplexPair(QWidget):
    """Two pictures of one array.

    Parameters
    ----------
    name
        What it is, for titles.
    quantity
        Its amplitude with scale and unit.
    parent
        Owner.
    """

    def __init__(self, name: str, quantity: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name, self._quantity = name, quantity
        self._values: ComplexArray | None = None
        self._painted: ComplexArray | None = None
        self.views = (ImageView(f"{name} amplitude", colour_map="inferno"), ImageView(f"{name} phase"))
        self.views[0].link(self.views[1])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for view in self.views:
            column.addWidget(view, 1)

    def show_values(self, values: ComplexArray | None) -> None:
        """Show ``(height, width)`` values, or none; they are painted when they can be seen."""
        self._values = values
        if values is None or self.isVisible():
            self._paint()

    def showEvent(self, event: QShowEvent) -> None:  # Qt's name
        """Paint what was set meanwhile."""
        super().showEvent(event)
        self._paint()

    def _paint(self) -> None:
        values = self._values
        if values is self._painted:
            return
        self._painted = values
        if values is None:
            for view in self.views:
                view.set_image(None)
            return
        amplitude = np.abs(values)
        self.views[0].set_kind(self.name, "inferno")
        self.views[0].set_image(amplitude)
        self.views[0].set_quantity(self._quantity)
        self.views[0].set_title(f"{self.name} · amplitude")
        phase = np.where(amplitude > DIM * amplitude.max(initial=0.0), np.angle(values), np.nan)
        self.views[1].set_kind(self.name, "twilight")
        self.views[1].set_image(phase.astype(np.float32), levels=CYCLE)
        self.views[1].set_quantity("phase [rad]", PHASE_TICKS)
        self.views[1].set_title(f"{self.name} · phase, −π to π")
