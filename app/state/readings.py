"""What was read from a scan to be looked at: one pattern, and figures of all of them."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ptycho_engine.arrays import FloatArray, IndexArray, PositionArray
from ptycho_engine.diagnostics.scan_figures import RegionSums, ScanFigures
from ptycho_engine.events import Delivery

ReadingKind = Literal["summary", "region"]
"""What of all patterns is read: every figure, or the light in a rectangle."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameRead:
    """One pattern of a scan."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    dataset_id: str
    index: int
    diffraction: FloatArray
    """(N, N) float32 amplitude, read-only; NaN where it could not be read."""
    problem: str = ""
    """Why it could not be read, empty where it was."""


@dataclass(frozen=True, slots=True, eq=False)
class ScanSummarised:
    """The patterns of a scan read so far, as pictures and as figures of each."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    dataset_id: str
    figures: ScanFigures


@dataclass(frozen=True, slots=True, eq=False)
class RegionSummed:
    """The light in a rectangle of the detector, for the patterns read so far."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    dataset_id: str
    sums: RegionSums


@dataclass(frozen=True, slots=True)
class ScanReading:
    """How a reading of all patterns, or of a sample, stands."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    kind: ReadingKind
    dataset_id: str
    id: str
    """Of its job: a reading asked for later has another."""
    state: Literal["running", "completed", "stopped", "failed"] = "running"
    message: str = ""
    """Why it failed."""


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
