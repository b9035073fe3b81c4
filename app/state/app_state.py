"""All that the window knows, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

from app.state.bundle_readings import BundlesCompared, BundleStudied, ReadingsRanked
from app.state.canvas_readings import CanvasesCompared, CanvasMaker, PhasePrepared
from app.state.growing import GrowingTable
from app.state.preview_history import PreviewHistory
from app.state.queue import RunQueueState
from app.state.readings import FrameRead, GroupsFound, RegionSummed, ScanReading, ScanSummarised
from app.state.refused_files import RefusedFile
from app.state.requests import TrainRequest
from ptycho_engine import events as engine
from ptycho_engine.assumptions import assume
from ptycho_engine.documents import (
    Bundle,
    Canvas,
    Dataset,
    Diagnosis,
    ReconstructionMetrics,
    Rectangle,
    RunRecord,
)
from ptycho_engine.runs.run_figures import RunFigures

Level = Literal["info", "warning", "error"]
Lane = Literal["compute", "files"]
"""One job computes; one other opens or writes files beside it."""
JobOutcome = Literal["completed", "stopped", "failed"]


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as the status bar shows it; it stays, ended, until the next one of its lane begins."""

    id: str
    verb: str
    """``"train"``, ``"infer"``, ``"simulate"``; ``"open"``, ``"save"`` or ``"export"`` in the lane of files."""
    title: str
    device: str = ""
    n_done: int = 0
    n_total: int = 0
    unit: str = ""
    epoch: int = 0
    n_epochs: int = 0
    seconds_left: float | None = None
    state: Literal["starting", "running", "pausing", "paused", "cancelling"] | JobOutcome = "starting"
    dataset_id: str | None = None
    bundle_id: str | None = None
    run_folder: Path | None = None
    checkpoint: Path | None = None
    """The newest state on disk from which the job can go on."""

    @property
    def held(self) -> bool:
        """Whether it waits, or will as soon as its present step is done."""
        return self.state in ("pausing", "paused")

    @property
    def does(self) -> str:
        """What it does now, in words."""
        return f"Rehearsal · {self.title}" if self.unit == engine.REHEARSAL else self.title

    @property
    def busy(self) -> bool:
        """Whether it still runs."""
        return self.state in ("starting", "running", "pausing", "paused", "cancelling")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log."""

    level: Level
    text: str
    time_s: float
    """Seconds since 1970."""
    source: str = ""


RESUME_KEY = "resume:"
"""Begins the key of a notice whose button goes on with a training; the id of the run follows."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence in the notice bar, until the person closes it."""

    key: str
    """A notice of the same key replaces its predecessor."""
    level: Level
    message: str
    details: str = ""
    count: int = 1
    action: str = ""
    """What its button says, empty if it has none; the key tells what it does."""


FIT_COLUMNS = (
    "r_factor",
    "poisson_deviance",
    "overlap_consistency",
    "amplitude_correlation",
    "phase_correlation",
    "complex_correlation",
)
"""The figures of ``FitFigures`` that are kept as curves."""


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """The loss curves of the current or last training."""

    steps: GrowingTable = field(
        default_factory=lambda: GrowingTable.empty(
            "step", "epoch", "loss", "learning_rate", "gradient_norm", "patches_per_s"
        )
    )
    epochs: GrowingTable = field(
        default_factory=lambda: GrowingTable.empty("epoch", "step", "train", "validation", "learning_rate", "best")
    )
    fit: GrowingTable = field(default_factory=lambda: GrowingTable.empty("step", "epoch", *FIT_COLUMNS))
    """How good the network is on a fixed sample."""


@dataclass(frozen=True, slots=True, eq=False)
class RunView:
    """What panels show of one run, put aside while they show another."""

    losses: Losses = field(default_factory=Losses)
    preview: engine.PatchPreview | None = None
    preview_dataset_id: str | None = None
    training_preview: engine.PatchPreview | None = None
    previews: PreviewHistory = field(default_factory=PreviewHistory)
    stats: tuple[engine.StatsMeasured, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class WatchedRun:
    """A run that another process writes, as far as its files have told."""

    job: JobState
    """Its progress; ``state`` is how it ended once it has."""
    view: RunView = field(default_factory=RunView)
    """Its figures, as long as the panels show another run."""
    written_by: str = ""
    watching: bool = True
    """Whether its folder is still looked at."""
    detached: bool = False
    """Whether its process can be asked to stop."""
    minutes_without_news: int | None = None
    """Where nobody can tell whether it still runs, and it has been silent for long."""
    figures: Mapping[str, float] = field(default_factory=_nothing)
    """The newest figures that another program logged under names of its own."""
    message: str = ""
    """How it ended, in words."""


@dataclass(frozen=True, slots=True, eq=False)
class CanvasRefinement:
    """What a canvas was before it was refined, and how its misfit fell."""

    network: Canvas
    """As the network drew it."""
    network_metrics: ReconstructionMetrics | None = None
    """Its agreement with the known object, where that was measured."""
    misfits: tuple[engine.MisfitMeasured, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ClosedDocument:
    """A document that was taken out of the window, to be had back."""

    key: str
    belongings: Mapping[str, Any]
    """By the field of the state that held it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A finding with what it is about."""

    key: str
    """Of the document or pair, ``"job"`` for the job."""
    about: str
    """In words."""
    finding: Diagnosis


class Examination(Protocol):
    """What was found of a document so far."""

    @property
    def found(self) -> tuple[Diagnosis, ...]:
        """The findings."""
        ...

    @property
    def n_done(self) -> int:
        """Patterns that were looked at."""
        ...

    @property
    def n_total(self) -> int:
        """Patterns to look at."""
        ...

    @property
    def done(self) -> bool:
        """Whether it is at its end."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AppState:
    """Everything that panels show."""

    datasets: Mapping[str, Dataset] = field(default_factory=_nothing)
    bundles: Mapping[str, Bundle] = field(default_factory=_nothing)
    assumptions: Mapping[str, Mapping[str, str]] = field(default_factory=_nothing)
    """How to read those of ``bundles`` that leave something open, as far as somebody has said."""
    runs: Mapping[str, RunRecord] = field(default_factory=_nothing)
    requests: Mapping[str, TrainRequest] = field(default_factory=_nothing)
    """The trainings among ``runs`` that can be resumed, or could if they were stopped."""
    figures: Mapping[str, RunFigures] = field(default_factory=_nothing)
    """What runs, debug dumps and files of patch statistics hold; those of ``runs`` under the same keys."""
    canvases: Mapping[str, Canvas] = field(default_factory=_nothing)
    dataset_id: str | None = None
    """The current dataset; likewise the three below."""
    bundle_id: str | None = None
    run_id: str | None = None
    canvas_id: str | None = None
    figures_id: str | None = None
    """The document whose figures are shown first; ``None`` while a job of this window has newer ones."""
    refused: Mapping[str, RefusedFile] = field(default_factory=_nothing)
    """Files that could not be opened."""
    refused_id: str | None = None
    """The one of ``refused`` that is looked at instead of a bundle."""
    closed: tuple[ClosedDocument, ...] = ()
    """The documents that were closed, the last one at the end."""
    job: JobState | None = None
    """The computing job, running or last."""
    file_job: JobState | None = None
    """The job that opens or writes files beside it."""
    preview: engine.PatchPreview | None = None
    training_preview: engine.PatchPreview | None = None
    """The last of a training, also while an inference shows its own."""
    preview_dataset_id: str | None = None
    """The dataset that ``preview.frame_indices`` counts in."""
    previews: PreviewHistory = field(default_factory=PreviewHistory)
    """The earlier previews of the computing job, running or last."""
    stored_previews: PreviewHistory = field(default_factory=PreviewHistory)
    """Those of the run whose folder was read last."""
    canvas: Canvas | None = None
    """The live canvas, or the last, or the one chosen."""
    canvas_dataset_id: str | None = None
    canvas_bundle_id: str | None = None
    """The bundle that ``canvas`` was made with."""
    refinement: CanvasRefinement | None = None
    """What ``canvas`` was refined from, if it was."""
    damage: Rectangle | None = None
    """The part of ``canvas`` that changed with the last delivery; ``None``: all of it."""
    canvas_done: int = 0
    """Patches stitched so far, of ``canvas_total``."""
    canvas_total: int = 0
    metrics: ReconstructionMetrics | None = None
    """Agreement of ``canvas`` with the known object."""
    canvas_metrics: Mapping[str, ReconstructionMetrics] = field(default_factory=_nothing)
    """The same for each of ``canvases`` where the object is known."""
    canvas_datasets: Mapping[str, str | None] = field(default_factory=_nothing)
    """The dataset that each of ``canvases`` was made from."""
    canvas_bundles: Mapping[str, str | None] = field(default_factory=_nothing)
    """The bundle that each of ``canvases`` was made with."""
    canvas_makers: Mapping[str, CanvasMaker] = field(default_factory=_nothing)
    """What those of ``canvases`` that were opened say of the bundle that made them."""
    canvas_refinements: Mapping[str, CanvasRefinement] = field(default_factory=_nothing)
    """What those of ``canvases`` that were refined had been before."""
    canvas_files: Mapping[str, Path] = field(default_factory=_nothing)
    """Where those of ``canvases`` that were opened lie."""
    comparison: CanvasesCompared | None = None
    """The two reconstructions that were compared last."""
    phase: PhasePrepared | None = None
    """The phase without ramp that was worked out last."""
    pixel_sizes: Mapping[str, float] = field(default_factory=_nothing)
    """Sides of a pixel of the object [m] that were entered, or came with a reconstruction."""
    losses: Losses = field(default_factory=Losses)
    stats: tuple[engine.StatsMeasured, ...] = ()
    """Of the last training and of the last inference."""
    stats_bundles: Mapping[str, str] = field(default_factory=_nothing)  # By verb, what it makes or uses.
    diagnoses: tuple[Diagnosis, ...] = ()
    """Of the computing job, running or last."""
    examinations: Mapping[str, Examination] = field(default_factory=_nothing)
    """What was found of each open document, and of the scan and the bundle that are to go together."""
    dismissed: frozenset[tuple[str, str]] = frozenset()
    """Findings that the person has put away: key of the document and id."""
    queue: RunQueueState = field(default_factory=RunQueueState)
    """The trainings that wait for their turn."""
    watched: Mapping[str, WatchedRun] = field(default_factory=_nothing)
    """Those of ``runs`` that other processes write."""
    shown_run: str | None = None
    """The one of ``watched`` whose losses, preview, statistics and diagnoses are shown; ``None``: the own job."""
    own_view: RunView = field(default_factory=RunView)
    """Those of the own job, while ``shown_run`` is another."""
    log: tuple[LogEntry, ...] = ()
    notices: tuple[Notice, ...] = ()
    selected_frame: int | None = None
    """The frame of the current dataset that all panels mark."""
    frame: FrameRead | None = None
    """The pattern that was read last, to be looked at."""
    groups: GroupsFound | None = None
    """The groups that were looked for last."""
    summaries: Mapping[str, ScanSummarised] = field(default_factory=_nothing)
    """What was read of all patterns of each dataset, where somebody looked."""
    regions: Mapping[str, RegionSummed] = field(default_factory=_nothing)
    """The light in a rectangle of each dataset's patterns, where somebody drew one."""
    readings: Mapping[str, ScanReading] = field(default_factory=_nothing)
    """How the last reading of each kind stands."""
    studies: Mapping[str, BundleStudied] = field(default_factory=_nothing)
    """What was computed of each bundle, where somebody looked."""
    rankings: Mapping[str, ReadingsRanked] = field(default_factory=_nothing)
    """How the bundles that leave something open are best read, by the patterns of a scan."""
    compared: BundlesCompared | None = None
    """The two bundles that were compared last."""

    @property
    def running_training(self) -> Path | None:
        """The run folder of the training that runs, if one does."""
        job = self.job
        return job.run_folder if job is not None and job.busy and job.verb == "train" else None

    @property
    def dataset(self) -> Dataset | None:
        """The current dataset."""
        return self.datasets.get(self.dataset_id) if self.dataset_id else None

    @property
    def bundle(self) -> Bundle | None:
        """The current bundle."""
        return self.bundles.get(self.bundle_id) if self.bundle_id else None

    @property
    def bundle_as_read(self) -> Bundle | None:
        """The current bundle, with what it leaves open as somebody has said."""
        return self.read_bundle(self.bundle_id)

    def read_bundle(self, bundle_id: str | None) -> Bundle | None:
        """Return a bundle, with what it leaves open as somebody has said."""
        bundle, words = self.bundles.get(bundle_id or ""), self.assumptions.get(bundle_id or "", {})
        if bundle is None:
            return None
        # Opened anew, the file may leave less open than before.
        return assume(bundle, {name: word for name, word in words.items() if name in bundle.assumed})

    @property
    def run(self) -> RunRecord | None:
        """The current run."""
        return self.runs.get(self.run_id) if self.run_id else None

    @property
    def training(self) -> JobState | None:
        """The job whose figures are shown: the own one, or that of a watched run."""
        watched = self.watched.get(self.shown_run or "")
        return self.job if watched is None else watched.job

    @property
    def stoppable(self) -> JobState | None:
        """The computing job, or else the detached training that is shown, as long as it runs."""
        watched = self.watched.get(self.shown_run or "")
        if self.busy or watched is None or not (watched.watching and watched.detached):
            return self.job if self.busy else None
        return watched.job

    @property
    def busy(self) -> bool:
        """Whether a job computes."""
        return self.job is not None and self.job.busy


def has_documents(state: AppState) -> bool:
    """Return whether anything is open."""
    return any((state.datasets, state.bundles, state.runs, state.figures, state.canvases, state.refused))


def document_id(kind: str, name: str, path: Path | None) -> str:
    """Return the key of a document: a file opened again replaces itself."""
    return f"{kind}:{path if path is not None else name}"


def run_id(folder: Path | None) -> str | None:
    """Return the key of the run that is kept in ``folder``: a resumed training goes on under the same key."""
    return None if folder is None else f"run:{folder}"
