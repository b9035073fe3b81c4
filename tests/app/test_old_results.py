"""Trainings without end: the newest results stay open, the others lie in their folders."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from app.state.app_events import DocumentChosen, DocumentClosed, JobBegan, JobEnded
from app.state.app_state import AppState, JobState
from app.state.old_results import RESULT_LIMIT
from app.state.queue import QueueChanged, QueuedRun, RunQueueState
from app.state.reduce import reduce
from app.state.requests import TrainRequest
from ptycho_engine import events
from ptycho_engine.arrays import frozen_array
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import LossHistory
from tests.app.samples import make_bundle

NOTHING = frozen_array([], np.int64)
HISTORY = LossHistory(NOTHING, frozen_array([], float), NOTHING, frozen_array([], float), frozen_array([], float))
REQUEST = TrainRequest(TrainConfig())


def trained(state: AppState, number: int, *, saved: bool = True, outcome: str = "completed") -> AppState:
    """Return the state after one more training, in a folder and with a bundle of its own."""
    folder = Path(f"/runs/{number}")
    bundle = replace(make_bundle(), path=folder / "wts.h5.zip" if saved else None)
    for event in (
        JobBegan(JobState(f"train-{number}", "train", "Training", run_folder=folder), request=REQUEST),
        events.JobStarted("train", "CPU", 10, "steps", folder),
        events.TrainingCompleted(bundle, HISTORY, folder),
        JobEnded(f"train-{number}", outcome),  # type: ignore[arg-type]
    ):
        state = reduce(state, event, time_s=float(number))
    return state


def test_the_newest_trainings_stay_open_and_the_log_says_where_the_others_lie() -> None:
    state = AppState()
    for number in range(RESULT_LIMIT + 3):
        state = trained(state, number)
    newest = [f"/runs/{number}" for number in range(3, RESULT_LIMIT + 3)]
    assert [str(run.path) for run in state.runs.values()] == newest
    assert [str(bundle.path) for bundle in state.bundles.values()] == [f"{folder}/wts.h5.zip" for folder in newest]
    assert len(state.requests) == RESULT_LIMIT
    said = [entry.text for entry in state.log if "closed" in entry.text]
    assert [text.rpartition(" ")[2] for text in said] == ["/runs/0", "/runs/1", "/runs/2"]
    assert state.closed == ()


def test_what_is_in_use_or_lies_nowhere_else_stays() -> None:
    state = trained(trained(trained(trained(AppState(), 0), 1, saved=False), 2, outcome="stopped"), 3)
    bundle = next(iter(state.bundles))
    state = replace(state, canvas_bundles={"canvas:a": bundle})
    for number in range(4, RESULT_LIMIT + 8):
        state = trained(state, number)
        if number == 10:
            state = reduce(state, DocumentChosen("run:/runs/3"))
    kept = {str(run.path) for run in state.runs.values()}
    assert {"/runs/0", "/runs/1", "/runs/2"} <= kept
    assert bundle in state.bundles
    assert "/runs/4" not in kept
    # What was looked at goes when something else is.
    assert "/runs/3" not in kept


def test_what_a_training_in_the_queue_starts_from_stays() -> None:
    state = trained(trained(AppState(), 0), 1)
    bundle = next(iter(state.bundles))
    waiting = QueuedRun("queue:1", "Training", "", replace(REQUEST, start_bundle_id=bundle))
    state = reduce(state, QueueChanged(RunQueueState((waiting,))))
    for number in range(2, RESULT_LIMIT + 3):
        state = trained(state, number)
    assert bundle in state.bundles
    assert "run:/runs/1" not in state.runs


def test_what_a_person_has_closed_is_not_closed_again() -> None:
    state = AppState()
    for number in range(RESULT_LIMIT):
        state = trained(state, number)
    state = reduce(state, DocumentClosed("run:/runs/0"))
    state = trained(state, RESULT_LIMIT)
    assert [entry for entry in state.log if "closed" in entry.text] == []
