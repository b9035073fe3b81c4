"""A queue of trainings: one after the other, also when one of them fails or is stopped."""

from collections.abc import Callable
from dataclasses import fields, replace

from PySide6.QtCore import QObject

from app.state.queue import QueueChanged, QueuedRun, RunQueueState
from app.state.requests import TrainRequest
from app.state.session import Session
from ptycho_engine.config import TrainConfig


class RunQueue(QObject):
    """Keeps the queue in the session and starts the next training when nothing computes.

    Parameters
    ----------
    session
        Where the queue is kept.
    train
        Starts a training; returns whether it began.
    parent
        Owner.
    """

    def __init__(self, session: Session, train: Callable[[TrainRequest], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._train = train
        self._number = 0
        self._leaving = False

    @property
    def _queue(self) -> RunQueueState:
        return self._session.state.queue

    def add(self, request: TrainRequest) -> None:
        """Put a training at the end; where nothing computes, it begins."""
        state = self._session.state
        if request.start_from_current:
            # The bundle that is current now, not the one that will be when its turn comes.
            request = replace(request, start_bundle_id=state.bundle_id)
        dataset = state.datasets.get(request.dataset_id or "")
        if dataset is None:
            return
        self._number += 1
        config = request.config
        title = f"{dataset.name} · gridsize {config.gridsize} · {config.epochs} epochs"
        run = QueuedRun(f"queued-{self._number}", title, details_of(request), request)
        self._put((*self._queue.runs, run))
        if self._queue.automatic:
            self.start_next()

    def remove(self, run_id: str) -> None:
        """Take a training out."""
        self._put(tuple(run for run in self._queue.runs if run.id != run_id))

    def move(self, run_id: str, places: int) -> None:
        """Move a training towards the end, or by a negative number towards the front."""
        runs = list(self._queue.runs)
        at = next((place for place, run in enumerate(runs) if run.id == run_id), None)
        if at is not None:
            runs.insert(max(0, at + places), runs.pop(at))
            self._put(tuple(runs))

    def set_automatic(self, automatic: bool) -> None:
        """Let the next training start by itself, or only when it is asked for."""
        self._session.apply(QueueChanged(replace(self._queue, automatic=automatic)))
        if automatic:
            self.start_next()

    def leave(self) -> None:
        """Start nothing any more: the window closes."""
        self._leaving = True

    def follow(self) -> None:
        """Go on after a job has ended."""
        if self._queue.automatic:
            self.start_next()

    def start_next(self) -> None:
        """Start the first training that can be started, if nothing computes."""
        while self._queue.runs and not self._leaving and not self._session.state.busy:
            first = self._queue.runs[0]
            self._put(self._queue.runs[1:])
            # What refuses it has told why; the others need not wait for that.
            if self._train(first.request):
                return

    def _put(self, runs: tuple[QueuedRun, ...]) -> None:
        self._session.apply(QueueChanged(replace(self._queue, runs=runs)))


def details_of(request: TrainRequest) -> str:
    """Return what differs from the usual settings, one line each."""
    usual = TrainConfig()
    lines = [
        f"{spec.name} = {getattr(request.config, spec.name)}"
        for spec in fields(TrainConfig)
        if getattr(request.config, spec.name) != getattr(usual, spec.name)
    ]
    if request.start_bundle_id is not None:
        lines.append(f"starts from {request.start_bundle_id.removeprefix('bundle:')}")
    if request.run_folder is not None:
        lines.append(f"kept in {request.run_folder}")
    return "\n".join(lines) or "the usual settings"
