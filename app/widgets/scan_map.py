"""A map over the scan: its positions, coloured by a figure of each pattern that can be chosen."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.display.scan_figures import (
    FIGURE_LABELS,
    FIGURE_NAMES,
    REGION_LABEL,
    REGION_NAME,
    UNITS,
    spread_text,
    value_text,
)
from app.display.wording import whole
from app.widgets.choice_box import ChoiceBox
from app.widgets.elided_label import ElidedLabel
from app.widgets.region_fields import RegionFields
from app.widgets.scan_plot import ScanPlot
from ptycho_engine.arrays import PositionArray
from ptycho_engine.diagnostics.scan_figures import FrameFigure

_CHOICES: dict[str, str] = dict((*FIGURE_NAMES.items(), ("region", REGION_NAME)))


class ScanMap(QWidget):
    """Shows one figure at a time; a click picks a frame."""

    figure_chosen = Signal()
    """The person chose another figure."""
    hovered = Signal(str)
    """The frame under the mouse with its place and its figure, empty when there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._positions: PositionArray = np.zeros((0, 2))
        self._frames: Mapping[FrameFigure, NDArray[np.float64]] = {}
        self._region: NDArray[np.float64] | None = None
        self._shown = np.zeros(0)
        self.choice: ChoiceBox[str] = ChoiceBox(
            "Figure", _CHOICES, "What each position is coloured by: a figure of its pattern", self
        )
        self.spread = ElidedLabel(parent=self)
        self.fields = RegionFields(self)
        self.fields.hide()
        self.plot = ScanPlot("Map over the scan", parent=self)
        top = QHBoxLayout()
        top.setContentsMargins(4, 2, 4, 0)
        self.choice.narrow()
        top.addWidget(self.choice)
        top.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top)
        column.addWidget(self.fields)
        column.addWidget(self.plot, 1)
        column.addWidget(self.spread)
        self.choice.currentIndexChanged.connect(self._chosen)
        self.plot.hovered.connect(self._hovered)

    @property
    def shows_region(self) -> bool:
        """Whether the light in the rectangle is chosen."""
        return self.choice.choice == "region"

    @property
    def unit(self) -> str:
        """The unit of the figure, empty where it has none."""
        return "counts" if self.shows_region else UNITS[self._figure]

    @property
    def _figure(self) -> FrameFigure:
        return next(name for name in FIGURE_NAMES if name == self.choice.choice)

    def choose(self, figure: str) -> None:
        """Choose a figure; ``"region"`` is the light in the rectangle."""
        self.choice.choose(figure)

    def begin(self, positions: PositionArray) -> None:
        """Start with another scan at ``(n_scan, 2)`` positions."""
        self._positions, self._frames, self._region = positions, {}, None
        self.paint()

    def set_frames(self, frames: Mapping[FrameFigure, NDArray[np.float64]]) -> None:
        """Set all figures of the patterns."""
        self._frames = frames
        if not self.shows_region:
            self.paint()

    def set_region(self, sums: NDArray[np.float64] | None) -> None:
        """Set the light in the rectangle, ``None`` while it is not known."""
        self._region = sums
        if self.shows_region:
            self.paint()

    def paint(self) -> None:
        """Draw the map of the chosen figure."""
        values = self._region if self.shows_region else self._frames.get(self._figure)
        self._shown = np.full(len(self._positions), np.nan) if values is None else values
        label = REGION_LABEL if self.shows_region else FIGURE_LABELS[self._figure]
        self.plot.set_points(self._positions, self._shown, label)
        known = int(np.isfinite(self._shown).sum())
        name = _CHOICES[self.choice.choice]
        self.plot.set_title(f"{name} · {whole(known)} of {whole(len(self._shown))} positions")
        self.spread.setText(spread_text(self._shown, self.unit))

    def _chosen(self, *_: object) -> None:
        self.fields.setVisible(self.shows_region)
        self.paint()
        self.figure_chosen.emit()

    def text_at(self, index: int) -> str:
        """Return a frame with its place and its figure in words."""
        y, x = self._positions[index]
        name = _CHOICES[self.choice.choice]
        return f"frame {index} at y {y:.2f}, x {x:.2f} px · {name}: {value_text(float(self._shown[index]), self.unit)}"

    def _hovered(self, index: int | None) -> None:
        self.hovered.emit(self.text_at(index) if index is not None and index < len(self._shown) else "")
