"""What a verb tells while it works: frozen, picklable events of host data.

A verb is a generator of these; its last event carries the result, failure is an exception, and to cancel is to stop
iterating and ``close()`` the generator. Each class says whether a newer event may replace an older one that nobody has
seen yet (``LATEST``), or whether every one must arrive, in order (``EVERY``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.documents import (
    Bundle,
    Canvas,
    Dataset,
    Diagnosis,
    FitFigures,
    LossHistory,
    PatchStats,
    ReconstructionMetrics,
    Rectangle,
    RunRecord,
)


class Delivery(Enum):
    """How an event travels to a consumer that is slower than the engine."""

    LATEST = "latest"
    EVERY = "every"


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A verb has its inputs and its device and begins."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    verb: str
    device: str
    """In words, e.g. ``"cuda:0 · NVIDIA H200"`` or ``"CPU · 1 thread"``."""
    n_total: int
    unit: Literal["steps", "patches", "patterns"]
    run_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class MessageLogged:
    """A sentence for the log."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    level: Literal["info", "warning", "error"]
    text: str
    shown: bool = False
    """Whether a person should see it at once, and not only who reads the log."""


REHEARSAL = "steps of the rehearsal"
"""The unit of what a training does before its first step."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """Counters of a verb without steps (simulation, inference, opening), or of what comes before them."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    n_done: int
    n_total: int
    unit: str
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class DatasetOpened:
    """A dataset is ready."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    dataset: Dataset


@dataclass(frozen=True, slots=True)
class BundleLoaded:
    """A bundle is ready."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    bundle: Bundle


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimiser step is queued on the device: counters only, no device synchronisation. The cancel point."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    step: int
    """Number of steps done since the start of the training."""
    n_steps: int
    epoch: int
    n_epochs: int
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class LossMeasured:
    """The loss of one step, read from the device."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    step: int
    epoch: int
    loss: float
    learning_rate: float
    gradient_norm: float
    """Before clipping."""
    patches_per_s: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One pass over the training groups, with validation where there is a test scan."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    epoch: int
    n_epochs: int
    step: int
    train_loss: float
    validation_loss: float | None
    learning_rate: float
    best: bool
    """Whether this is the best epoch so far (validation loss, or training loss without a test scan)."""


@dataclass(frozen=True, slots=True)
class ValidationMeasured:
    """How good the network is on a fixed sample, at the end of each epoch and now and then in long ones."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    step: int
    epoch: int
    figures: FitFigures


@dataclass(frozen=True, slots=True)
class PatchPreview:
    """Some patches as the network draws them now, with the patterns they come from."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    phase: Literal["train", "inference"]
    step: int
    patches: ComplexArray
    """(n, N, N) complex64, network scale."""
    measured: FloatArray
    """(n, N, N) float32 the normalised input amplitude."""
    predicted: FloatArray | None
    """(n, N, N) float32 the amplitude that the forward model predicts for it."""
    frame_indices: IndexArray
    """(n,) int64 the pattern of each patch."""
    scan_positions: PositionArray
    """(n, 2) float64 [px] ``(y, x)``."""
    network_per_physical: float
    """Divide network amplitude by this for the object's transmission."""
    intensity_scale: float
    """Multiply network amplitude by this for photons."""


@dataclass(frozen=True, slots=True)
class StatsMeasured:
    """Statistics of a batch of predicted patches."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    step: int
    stats: PatchStats


@dataclass(frozen=True, slots=True)
class CanvasUpdated:
    """The canvas with the patches stitched so far."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    canvas: Canvas
    damage: Rectangle
    """The part that changed since the last such event that was yielded."""
    n_done: int
    n_total: int


@dataclass(frozen=True, slots=True)
class MetricsMeasured:
    """Agreement of the canvas with a known object."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    metrics: ReconstructionMetrics


@dataclass(frozen=True, slots=True)
class RefinementBegan:
    """A canvas is to be refined against the patterns; what is shown from now on is its refinement."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    network_canvas: Canvas
    """The canvas as the network drew it, to compare with."""
    n_passes: int
    n_patterns: int
    """Patterns in one pass."""


@dataclass(frozen=True, slots=True)
class MisfitMeasured:
    """How far the patterns that a canvas predicts are from the measured ones."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    n_passes_done: int
    """0 is the network's own canvas after ``factor``; between 0 and ``n_passes`` measured while the canvas moves."""
    n_passes: int
    r_factor: float
    """Sum of abs(predicted - measured) amplitude over the sum of measured amplitude."""
    deviance: float | None
    """Mean Poisson deviance of a pixel, 2 (I log(I/μ) - I + μ); ``None`` where the photons are not known."""
    noise_deviance: float | None
    """What ``deviance`` would be if only noise were left."""
    factor: float
    """By which the canvas was multiplied before the first pass, to match the measured light as a whole."""
    seconds: float
    """Since the refinement began."""


@dataclass(frozen=True, slots=True)
class DiagnosisFound:
    """Something is wrong, or worth knowing."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True)
class DiagnosisWithdrawn:
    """What was found in a training does not hold any more."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    id: str
    epoch: int
    """The epoch whose end shows it, counted from 1."""

    @property
    def text(self) -> str:
        """What a person reads of it."""
        return f"No longer found in epoch {self.epoch}: {self.id}"


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A state to resume from is safe on disk."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    path: Path
    epoch: int
    step: int
    best: bool


@dataclass(frozen=True, slots=True)
class BundleSaved:
    """A bundle is safe on disk."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    path: Path


@dataclass(frozen=True, slots=True)
class TrainingCompleted:
    """The result of ``train``."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    bundle: Bundle
    history: LossHistory
    run_folder: Path | None
    stopped_early: bool = False


@dataclass(frozen=True, slots=True)
class InferenceCompleted:
    """The result of ``infer``, and of a refinement of its canvas."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    canvas: Canvas
    metrics: ReconstructionMetrics | None
    run_folder: Path | None
    seconds: float
    patches_per_s: float


@dataclass(frozen=True, slots=True)
class FileWritten:
    """The result of a verb that writes one file (``simulate``, ``export``)."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    path: Path


@dataclass(frozen=True, slots=True)
class RunFound:
    """A run is followed from its beginning: what was told of an earlier one in the same folder no longer counts."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    run: RunRecord
    written_by: Literal["Ptychoscope", "PtychoPINN"]
    dataset: Path | None = None
    """The scan that it trains on or infers, where it says."""


@dataclass(frozen=True, slots=True)
class RunObserved:
    """How a followed run stands; told at each look at its folder."""

    delivery: ClassVar[Delivery] = Delivery.LATEST
    run: RunRecord | None
    """``None`` as long as nothing has been written."""
    seconds_without_news: float
    """Since something in the folder last changed."""
    silent: bool = False
    """Whether that is so long that the run may be dead."""
    detached: bool = False
    """Whether it runs in a process of its own that can be asked to stop."""


@dataclass(frozen=True, slots=True)
class FiguresLogged:
    """Figures that another program logs under names of its own."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    step: int
    epoch: int
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A followed run is at its end: the result of ``watch``."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    run: RunRecord
    died: bool = False
    """Whether its process has gone without saying how it ended."""
    message: str = ""
    """Why it failed, or what is known of how it died."""


EngineEvent: TypeAlias = (
    JobStarted
    | MessageLogged
    | Progressed
    | DatasetOpened
    | BundleLoaded
    | StepDone
    | LossMeasured
    | EpochDone
    | ValidationMeasured
    | PatchPreview
    | StatsMeasured
    | CanvasUpdated
    | MetricsMeasured
    | RefinementBegan
    | MisfitMeasured
    | DiagnosisFound
    | DiagnosisWithdrawn
    | CheckpointSaved
    | BundleSaved
    | TrainingCompleted
    | InferenceCompleted
    | FileWritten
    | RunFound
    | RunObserved
    | FiguresLogged
    | RunEnded
)
