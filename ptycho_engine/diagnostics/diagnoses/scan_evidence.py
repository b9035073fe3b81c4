"""What the diagnoses of a scan look at: its numbers, its positions, its patterns."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.diagnostics.illumination import probe_diameter
from ptycho_engine.diagnostics.patterns import PatternFigures
from ptycho_engine.documents import Dataset

SQUARE_NEIGHBOURS = 3
"""In a square raster the third neighbour is one step away, along the other axis: fewer tie a scan along one line."""


@dataclass(frozen=True, slots=True)
class CountEvidence:
    """How many positions and patterns a file holds."""

    n_y: int
    n_x: int
    n_patterns: int


@dataclass(frozen=True)
class PositionEvidence:
    """Where a scan was taken and with which probe; nothing is read for it."""

    dataset: Dataset
    gridsize: int = 2
    """Of the network that is to solve groups of its patterns."""

    @cached_property
    def diameter_px(self) -> float:
        """Of the disk that lights as large an area as the probe does."""
        return probe_diameter(self.dataset.probe)

    @cached_property
    def extent_px(self) -> float:
        """The greater side of the box around all positions."""
        return float(np.ptp(self.dataset.scan_positions, axis=0).max()) if self.dataset.n_scan else 0.0

    @cached_property
    def distances_px(self) -> NDArray[np.float64]:
        """(n_scan,) to the neighbour by which a group of C = gridsize² is complete, the third one at least."""
        from scipy.spatial import cKDTree

        positions = self.dataset.scan_positions
        rank = min(max(SQUARE_NEIGHBOURS, self.gridsize**2 - 1), len(positions) - 1)
        if rank < 1:
            return np.zeros(0)
        found = cKDTree(positions).query(positions, k=rank + 1)[0]
        return np.asarray(found, np.float64)[:, rank]


@dataclass(frozen=True, slots=True)
class PatternEvidence:
    """A scan and what its patterns look like, all or a sample."""

    dataset: Dataset
    figures: PatternFigures
