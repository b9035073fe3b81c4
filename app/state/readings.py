"""What was read from a scan to be looked at: one pattern, and a summary of all of them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray, IndexArray, PositionArray
from ptycho_engine.events import Delivery


@dataclass(frozen=True, slots=True, eq=False)
class FrameRead:
    """One pattern of a scan."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    dataset_id: str
    index: int
    diffraction: FloatArray
    """(N, N) float32 amplitude, read-only."""


@dataclass(frozen=True, slots=True, eq=False)
class ScanSummarised:
    """All patterns of a scan read so far, as pictures and as one figure each."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    dataset_id: str
    n_done: int
    n_total: int
    mean: FloatArray
    """(N, N) float32 mean amplitude over the patterns read so far."""
    maximum: FloatArray
    """(N, N) float32 greatest amplitude over the patterns read so far."""
    totals: NDArray[np.float64]
    """(n_scan,) sum of amplitude² of each pattern, NaN where it was not read yet."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupsFound:
    """The groups that an inference would make of a scan."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    dataset_id: str
    gridsize: int
    neighbor_count: int
    group_indices: IndexArray
    """(n_groups, C) int64 the members of each group."""
    group_centers: PositionArray
    """(n_groups, 2) float64 [px] ``(y, x)``."""
