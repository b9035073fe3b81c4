"""What happens in the window itself, beside the events of the engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

from app.state.app_state import JobOutcome, JobState, Lane, LogEntry, Notice
from app.state.bundle_readings import BundlesCompared, BundleStudied, ReadingsRanked
from app.state.canvas_readings import CanvasesCompared, PhasePrepared, PixelSizeGiven, ReconstructionOpened
from app.state.examinations import DocumentExamined
from app.state.preview_history import PreviewsRead
from app.state.queue import QueueChanged
from app.state.readings import FrameRead, GroupsFound, RegionSummed, ScanReading, ScanSummarised
from app.state.refused_files import FileRefused
from app.state.requests import TrainRequest
from ptycho_engine.documents import RunRecord
from ptycho_engine.events import Delivery, EngineEvent
from ptycho_engine.runs.run_figures import RunFigures


@dataclass(frozen=True, slots=True)
class JobBegan:
    """A job was started; its events carry its id."""

    job: JobState
    lane: Lane = "compute"
    keeps_losses: bool = False
    """A resumed training goes on with the curves that are there."""
    request: TrainRequest | None = None
    """The training, so that it can be resumed."""


@dataclass(frozen=True, slots=True)
class RunOpened:
    """The folder of an earlier run was opened."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    run: RunRecord
    request: TrainRequest | None = None
    """Its training, if it can go on."""
    figures: RunFigures | None = None
    """What its folder holds."""


@dataclass(frozen=True, slots=True)
class FiguresOpened:
    """A debug dump or a file of patch statistics was opened."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    figures: RunFigures


@dataclass(frozen=True, slots=True)
class WatchBegan:
    """The run in a folder is followed from now on, and shown."""

    folder: Path
    request: TrainRequest | None = None
    """The training, where this window started it."""


@dataclass(frozen=True, slots=True)
class WatchTold:
    """What the folder of a followed run told."""

    run_id: str
    event: EngineEvent


@dataclass(frozen=True, slots=True)
class WatchedRunStopping:
    """The process of a followed run was asked to stop."""

    run_id: str


@dataclass(frozen=True, slots=True)
class WatchStopped:
    """A run is not followed any more."""

    run_id: str


@dataclass(frozen=True, slots=True)
class JobCancelling:
    """Somebody asked the job to stop."""

    job_id: str


@dataclass(frozen=True, slots=True)
class JobPausing:
    """Somebody asked the job to wait."""

    job_id: str


@dataclass(frozen=True, slots=True)
class JobHeld:
    """The job waits between two steps, or has gone on."""

    job_id: str
    waits: bool


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The job's thread is done."""

    job_id: str
    outcome: JobOutcome


@dataclass(frozen=True, slots=True)
class DocumentChosen:
    """A document became the current one of its kind."""

    id: str


@dataclass(frozen=True, slots=True)
class DocumentClosed:
    """A document was taken out of the window (its file stays)."""

    id: str


@dataclass(frozen=True, slots=True)
class CloseUndone:
    """The document that was closed last is wanted back."""


@dataclass(frozen=True, slots=True)
class AssumptionMade:
    """Somebody said how to read a network where its bundle does not."""

    bundle_id: str
    name: str
    word: str | None
    """From ``ptycho_engine.assumptions.CHOICES``; ``None`` leaves it to the patterns."""


@dataclass(frozen=True, slots=True)
class FrameSelected:
    """A frame of the current dataset was picked, in whichever panel."""

    index: int | None


@dataclass(frozen=True, slots=True)
class NoticeRaised:
    """Something the person should know."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    notice: Notice


@dataclass(frozen=True, slots=True)
class NoticeClosed:
    """The person has read it."""

    key: str


@dataclass(frozen=True, slots=True)
class DiagnosisDismissed:
    """The person has put a finding away, for as long as the document stays open."""

    key: str
    """Of the document, ``"job"`` for the job."""
    id: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the log from the window itself."""

    entry: LogEntry


AppEvent: TypeAlias = (
    JobBegan
    | RunOpened
    | FiguresOpened
    | WatchBegan
    | WatchTold
    | WatchStopped
    | WatchedRunStopping
    | JobCancelling
    | JobPausing
    | JobHeld
    | JobEnded
    | DocumentChosen
    | DocumentClosed
    | CloseUndone
    | AssumptionMade
    | FrameSelected
    | NoticeRaised
    | NoticeClosed
    | Logged
    | DocumentExamined
    | DiagnosisDismissed
    | FrameRead
    | PreviewsRead
    | QueueChanged
    | GroupsFound
    | ScanSummarised
    | RegionSummed
    | ScanReading
    | BundleStudied
    | BundlesCompared
    | ReadingsRanked
    | CanvasesCompared
    | PhasePrepared
    | PixelSizeGiven
    | ReconstructionOpened
    | FileRefused
)
