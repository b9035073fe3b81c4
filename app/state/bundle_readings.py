"""What was computed of bundles to be looked at: layers, digests, the safety report, and how two differ."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ptycho_engine.assumptions import Candidate
from ptycho_engine.documents import Bundle
from ptycho_engine.events import Delivery

if TYPE_CHECKING:
    # With it come all readers of files, which the window does not need to start.
    from ptycho_engine.bundles.digests import ArchiveDigests
    from ptycho_engine.bundles.safety import SafetyReport
    from ptycho_engine.comparison.differences import Comparison
    from ptycho_engine.diagnostics.layer_figures import LayerFigures


@dataclass(frozen=True, slots=True, eq=False)
class BundleStudied:
    """What was computed of a bundle so far: its layers, then the digests of its file and the safety report."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    bundle_id: str
    bundle: Bundle
    layers: "tuple[LayerFigures, ...]"
    """In the order of the file, as far as they were looked at."""
    digests: "ArchiveDigests | None" = None
    safety: "SafetyReport | None" = None
    problem: str = ""
    """Why there is no digest or no safety report."""
    done: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ReadingsRanked:
    """The ways to read the network of a bundle that leaves something open, by how well they predict a scan."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    bundle_id: str
    dataset_id: str
    bundle: Bundle
    candidates: tuple[Candidate, ...] = ()
    """The best first."""
    problem: str = ""
    """Why they cannot be compared with this scan."""


@dataclass(frozen=True, slots=True, eq=False)
class BundlesCompared:
    """What differs between two open bundles."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    a: str
    b: str
    """Their keys."""
    comparison: "Comparison"
