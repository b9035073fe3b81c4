"""The only mutable holder of the state: applies a delivery, then tells each changed slice once."""

import time
from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from app.state.app_events import AppEvent
from app.state.app_state import AppState, Lane
from app.state.reduce import reduce
from ptycho_engine.events import EngineEvent

SLICES: dict[str, tuple[str, ...]] = {
    "documents_changed": (
        "datasets",
        "bundles",
        "assumptions",
        "runs",
        "requests",
        "figures",
        "canvases",
        "canvas_files",
        "dataset_id",
        "bundle_id",
        "run_id",
        "canvas_id",
        "figures_id",
        "refused",
        "refused_id",
        "closed",
    ),
    "job_changed": ("job", "file_job", "watched", "shown_run"),
    "preview_changed": ("preview", "training_preview", "previews", "stored_previews"),
    "canvas_changed": (
        "canvas",
        "metrics",
        "canvas_done",
        "canvas_total",
        "canvas_dataset_id",
        "canvas_bundle_id",
        "refinement",
        "phase",
        "pixel_sizes",
    ),
    "comparison_changed": ("comparison", "pixel_sizes"),
    "losses_changed": ("losses",),
    "stats_changed": ("stats",),
    "diagnoses_changed": ("diagnoses", "examinations", "dismissed"),
    "log_changed": ("log",),
    "selection_changed": ("selected_frame", "dataset_id"),
    "frames_changed": ("frame", "groups", "summaries", "regions", "readings"),
    "studies_changed": ("studies", "rankings", "compared"),
    "notices_changed": ("notices",),
    "queue_changed": ("queue",),
}
"""The signal of each slice, and the fields of the state that belong to it."""


class Session(QObject):
    """Holds the state and tells who shows it.

    The signals carry nothing: who hears one reads ``state``. ``settled`` follows the slices of one delivery, once.
    """

    documents_changed = Signal()
    job_changed = Signal()
    preview_changed = Signal()
    canvas_changed = Signal()
    comparison_changed = Signal()
    losses_changed = Signal()
    stats_changed = Signal()
    diagnoses_changed = Signal()
    log_changed = Signal()
    selection_changed = Signal()
    frames_changed = Signal()
    studies_changed = Signal()
    notices_changed = Signal()
    queue_changed = Signal()
    settled = Signal()

    def __init__(self, parent: QObject | None = None, state: AppState | None = None) -> None:
        super().__init__(parent)
        self._state = state if state is not None else AppState()
        self._delivering = False

    @property
    def state(self) -> AppState:
        """The present state; frozen."""
        return self._state

    @property
    def delivering(self) -> bool:
        """Whether what is told now comes from a job or a watched run, so that nobody waits to see it."""
        return self._delivering

    def apply(self, *events: EngineEvent | AppEvent) -> None:
        """Apply events of the window itself (or, in tests, of the engine) to the lane of computing."""
        self._apply(events, "compute")

    def deliver(self, job_id: str, events: Iterable[EngineEvent | AppEvent]) -> None:
        """Apply the events of a job; those of a job that is no longer current are dropped."""
        lane = self._lane_of(job_id)
        if lane is not None:
            self.tell(events, lane)

    def tell(self, events: Iterable[EngineEvent | AppEvent], lane: Lane = "compute") -> None:
        """Apply what came by itself, from a job or a watched run: it is painted panel by panel."""
        self._delivering = True
        try:
            self._apply(events, lane)
        finally:
            self._delivering = False

    def _lane_of(self, job_id: str) -> Lane | None:
        if self._state.job is not None and self._state.job.id == job_id:
            return "compute"
        if self._state.file_job is not None and self._state.file_job.id == job_id:
            return "files"
        return None

    def _apply(self, events: Iterable[EngineEvent | AppEvent], lane: Lane) -> None:
        before = state = self._state
        now_s = time.time()
        for event in events:
            state = reduce(state, event, lane=lane, time_s=now_s)
        if state is before:
            return
        self._state = state
        changed = False
        for name, fields in SLICES.items():
            if any(getattr(before, field) is not getattr(state, field) for field in fields):
                changed = True
                getattr(self, name).emit()
        if changed:
            self.settled.emit()
