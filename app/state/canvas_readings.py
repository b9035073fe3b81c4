"""What is opened, entered and worked out about canvases to be looked at."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ptycho_engine.documents import Canvas
from ptycho_engine.events import Delivery

if TYPE_CHECKING:
    # With them comes what reads and compares, which the window does not need to start.
    from ptycho_engine.artefacts.reconstruction import Reconstruction
    from ptycho_engine.diagnostics.agreement import Agreement
    from ptycho_engine.diagnostics.phase import FlatPhase


@dataclass(frozen=True, slots=True, eq=False)
class ReconstructionOpened:
    """A ``reconstruction.npz`` was opened."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    path: Path
    reconstruction: "Reconstruction"


@dataclass(frozen=True, slots=True)
class CanvasMaker:
    """What a reconstruction says of the bundle that made it."""

    name: str
    intensity_scale: float
    patch_side: int


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """Two pictures of one object that are to be compared."""

    a: str
    """Key of a canvas."""
    b: str
    """Key of another, or of a dataset, whose known object is meant."""
    shifts: bool = True
    """Whether a sub-pixel shift and a ramp of the phase are taken out before."""


@dataclass(frozen=True, slots=True, eq=False)
class CanvasesCompared:
    """How well two agree."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    request: ComparisonRequest
    agreement: "Agreement"


@dataclass(frozen=True, slots=True, eq=False)
class PhasePrepared:
    """The phase of a canvas without ramp, and without jumps where that was asked for."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    canvas: Canvas
    flat: "FlatPhase"


@dataclass(frozen=True, slots=True)
class PixelSizeGiven:
    """Somebody entered the side of a pixel of the object, or took it back."""

    key: str
    """Of the dataset, or of the canvas where its dataset is not open."""
    size_m: float | None
