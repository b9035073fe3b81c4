import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.state import app_events as app
from app.state.app_state import AppState, JobState, LogEntry, Notice
from app.state.reduce import LOG_LIMIT, reduce
from app.state.requests import TrainRequest
from ptycho_engine import events
from ptycho_engine.arrays import frozen_array
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Diagnosis, LossHistory, ReconstructionMetrics, RunRecord
from tests.app.samples import (
    canvas_updated,
    epoch_done,
    loss_measured,
    make_bundle,
    make_canvas,
    make_dataset,
    step_done,
    validation_measured,
)

AppEvent = app.AppEvent | events.EngineEvent


def after(*happened: AppEvent, start: AppState | None = None) -> AppState:
    state = start if start is not None else AppState()
    for event in happened:
        state = reduce(state, event)
    return state


TRAIN = app.JobBegan(JobState("train-1", "train", "Training", dataset_id="dataset:/nowhere/scan.npz"))
INFER = app.JobBegan(JobState("infer-1", "infer", "Inference", dataset_id="dataset:/nowhere/scan.npz"))
STARTED = events.JobStarted("train", "CPU · 1 thread", 100, "steps", Path("/runs/a"))


def test_opened_documents_are_kept_side_by_side_and_become_current() -> None:
    first, second = make_dataset("one"), make_dataset("two")
    state = after(events.DatasetOpened(first), events.DatasetOpened(second), events.BundleLoaded(make_bundle()))
    assert list(state.datasets.values()) == [first, second]
    assert state.dataset is second
    assert state.bundle is not None
    state = after(app.DocumentChosen("dataset:/nowhere/one.npz"), start=state)
    assert state.dataset is first


def test_a_file_opened_again_replaces_itself() -> None:
    again = make_dataset("one")
    state = after(events.DatasetOpened(make_dataset("one")), events.DatasetOpened(again))
    assert list(state.datasets.values()) == [again]


def test_closing_the_current_document_falls_back_to_the_newest_other() -> None:
    state = after(events.DatasetOpened(make_dataset("one")), events.DatasetOpened(make_dataset("two")))
    state = after(app.FrameSelected(2), app.DocumentClosed("dataset:/nowhere/two.npz"), start=state)
    assert state.dataset_id == "dataset:/nowhere/one.npz"
    assert state.selected_frame is None
    assert after(app.DocumentClosed("dataset:/nowhere/one.npz"), start=state).dataset is None


def test_training_moves_the_job_its_run_and_its_curves() -> None:
    state = after(TRAIN, STARTED, step_done(7), loss_measured(6, 2.0), loss_measured(7, 1.0), epoch_done(0))
    assert state.job is not None
    assert (state.job.n_done, state.job.n_total, state.job.device, state.job.state) == (
        7,
        100,
        "CPU · 1 thread",
        "running",
    )
    assert state.losses.steps.column("loss").tolist() == [2.0, 1.0]
    assert math.isnan(state.losses.epochs.column("validation")[0])
    state = after(
        events.CheckpointSaved(Path("/runs/a/c"), 0, 7, True), app.JobEnded("train-1", "stopped"), start=state
    )
    assert state.run is not None
    assert (state.run.state, state.run.checkpoint) == ("stopped", Path("/runs/a/c"))
    assert not state.busy


def test_a_new_training_starts_new_curves_and_a_resumed_one_goes_on_and_overwrites() -> None:
    state = after(TRAIN, loss_measured(0), loss_measured(1), loss_measured(2, 9.0))
    assert len(after(TRAIN, start=state).losses.steps) == 0
    resumed = after(replace(TRAIN, keeps_losses=True), loss_measured(2, 5.0), start=state)
    assert resumed.losses.steps.column("loss").tolist() == [1.0, 1.0, 5.0]


def test_completed_training_gives_the_current_bundle() -> None:
    bundle = make_bundle("wts", "/runs/a")
    nothing = frozen_array([], np.int64)
    history = LossHistory(nothing, frozen_array([], float), nothing, frozen_array([], float), frozen_array([], float))
    state = after(TRAIN, STARTED, events.TrainingCompleted(bundle, history, Path("/runs/a")))
    assert state.bundle is bundle
    assert state.run is not None
    assert state.run.bundle == bundle.path


def test_inference_fills_the_canvas_and_keeps_the_result() -> None:
    live = after(INFER, canvas_updated(4))
    assert (live.canvas_done, live.canvas_total, live.damage is not None) == (4, 10, True)
    metrics = ReconstructionMetrics(0.9, 0.9, 0.9, 20.0, 0.8, 100)
    result = make_canvas()
    done = after(events.InferenceCompleted(result, metrics, None, 1.0, 3.0), start=live)
    assert done.canvas is result
    assert (done.canvas_id, done.metrics, done.damage) == ("canvas:infer-1", metrics, None)
    other = after(replace(INFER, job=replace(INFER.job, id="infer-2")), canvas_updated(1), start=done)
    assert other.canvas is not result
    back = after(app.DocumentChosen("canvas:infer-1"), start=other)
    assert (back.canvas, back.metrics, back.canvas_dataset_id) == (result, metrics, INFER.job.dataset_id)


def test_opening_beside_a_training_leaves_the_training_alone() -> None:
    state = after(TRAIN, STARTED, app.JobBegan(JobState("open-1", "open", "Opening"), "files"))
    state = reduce(state, events.Progressed(3, 4, "bytes"), lane="files")
    assert state.job is not None
    assert state.file_job is not None
    assert (state.job.n_done, state.file_job.n_done) == (0, 3)
    assert after(app.JobEnded("open-1", "completed"), start=state).file_job != state.file_job


def test_a_rehearsal_is_named_until_the_training_begins() -> None:
    state = after(TRAIN, STARTED, events.Progressed(40, 400, events.REHEARSAL, 90.0))
    assert state.job is not None
    assert (state.job.does, state.job.n_done, state.job.n_total) == ("Rehearsal · Training", 40, 400)
    state = after(events.StepDone(1, 100, 0, 4, 60.0), start=state)
    assert state.job is not None
    assert (state.job.does, state.job.n_done, state.job.n_total) == ("Training", 1, 100)


def test_cancelling_shows_until_the_end() -> None:
    state = after(TRAIN, app.JobCancelling("train-1"), STARTED)
    assert state.job is not None
    assert state.job.state == "cancelling"
    assert state.busy


def test_a_frame_outside_the_scan_is_no_selection() -> None:
    state = after(events.DatasetOpened(make_dataset(n_scan=6)), app.FrameSelected(5))
    assert state.selected_frame == 5
    assert after(app.FrameSelected(6), start=state).selected_frame is None
    assert after(app.FrameSelected(0)).selected_frame is None


def test_a_repeated_notice_replaces_its_predecessor() -> None:
    state = after(
        app.NoticeRaised(Notice("a", "error", "first")),
        app.NoticeRaised(Notice("b", "error", "other")),
        app.NoticeRaised(Notice("a", "error", "second")),
    )
    assert [(notice.message, notice.count) for notice in state.notices] == [("other", 1), ("second", 2)]
    assert [notice.key for notice in after(app.NoticeClosed("b"), start=state).notices] == ["a"]


def test_the_log_is_bounded() -> None:
    state = AppState(log=tuple(LogEntry("info", str(number), 0.0) for number in range(LOG_LIMIT)))
    state = reduce(state, events.MessageLogged("warning", "newest"), time_s=5.0)
    assert len(state.log) == LOG_LIMIT
    assert (state.log[0].text, state.log[-1].text, state.log[-1].time_s) == ("1", "newest", 5.0)


def test_a_finding_is_listed_once() -> None:
    first, second = Diagnosis("plateau", "warning", "a", "b"), Diagnosis("plateau", "error", "c", "d")
    state = after(events.DiagnosisFound(first), events.DiagnosisFound(second))
    assert state.diagnoses == (second,)
    assert [(entry.level, entry.text) for entry in state.log] == [("warning", "a b"), ("error", "c d")]
    assert [(notice.key, notice.level, notice.message, notice.count) for notice in state.notices] == [
        ("diagnosis:job:plateau", "error", "c", 2)
    ]
    remark = events.DiagnosisFound(Diagnosis("remark", "info", "e", "f"))
    assert len(after(remark, start=state).notices) == 1


def test_a_finding_that_does_not_hold_any_more_is_gone_from_list_and_notices_but_not_from_the_log() -> None:
    found = [events.DiagnosisFound(Diagnosis(name, "error", name, "h")) for name in ("not-learning", "overfit")]
    state = after(*found, events.DiagnosisWithdrawn("not-learning", 4))
    assert [one.id for one in state.diagnoses] == ["overfit"]
    assert [notice.key for notice in state.notices] == ["diagnosis:job:overfit"]
    assert [(entry.level, entry.source) for entry in state.log] == [
        ("error", "not-learning"), ("error", "overfit"), ("info", "not-learning"),
    ]  # fmt: skip
    assert "epoch 4" in state.log[-1].text


def test_a_training_that_goes_back_takes_its_curves_back() -> None:
    state = after(TRAIN, *map(loss_measured, range(4)), epoch_done(0), validation_measured(10), validation_measured(20))
    assert (len(state.losses.epochs), len(state.losses.fit)) == (1, 2)
    state = after(loss_measured(15), start=state)
    assert (len(state.losses.epochs), state.losses.fit.column("step").tolist()) == (1, [10])
    state = after(loss_measured(0), start=state)
    assert (len(state.losses.steps), len(state.losses.epochs), len(state.losses.fit)) == (1, 0, 0)


@pytest.mark.parametrize("key", ["dataset:/nowhere/scan.npz", "nothing"])
def test_reduce_leaves_the_state_before_untouched(key: str) -> None:
    before = after(events.DatasetOpened(make_dataset()))
    after(app.DocumentClosed(key), TRAIN, STARTED, start=before)
    assert list(before.datasets) == ["dataset:/nowhere/scan.npz"]
    assert before.job is None


def test_an_opened_run_is_listed_with_its_training() -> None:
    record = RunRecord(Path("/runs/a"), "train", "stopped", 1, 3)
    request = TrainRequest(TrainConfig(epochs=3), "dataset:/nowhere/scan.npz", None, Path("/runs/a"))
    state = after(app.RunOpened(record, request))
    assert state.run is record
    assert state.requests == {"run:/runs/a": request}
    assert after(app.RunOpened(record), start=state).requests == {}
    assert after(app.DocumentClosed("run:/runs/a"), start=state).requests == {}


def test_a_run_of_this_window_is_not_replaced_by_what_its_folder_says() -> None:
    job = JobState("train-1", "train", "Training", run_folder=Path("/runs/a"))
    request = TrainRequest(TrainConfig(), None, None, Path("/runs/a"))
    running = after(app.JobBegan(job, request=request), STARTED)
    assert after(app.RunOpened(RunRecord(Path("/runs/a"), "train", "stopped")), start=running) is running
    assert running.requests == {"run:/runs/a": request}


def test_a_refinement_keeps_the_network_s_canvas_and_its_figures() -> None:
    drawn, refined = make_canvas(), make_canvas()
    before, later = (ReconstructionMetrics(value, value, value, 20.0, 0.5, 9) for value in (0.5, 0.9))
    state = after(INFER, events.MetricsMeasured(before), events.InferenceCompleted(drawn, before, None, 1.0, 1.0))
    job = app.JobBegan(replace(INFER.job, id="refine-1", verb="refine", bundle_id="bundle:b"))
    first, last = (events.MisfitMeasured(done, 3, 0.5 - done / 10, None, None, 1.0, 1.0) for done in (0, 3))
    state = after(job, events.RefinementBegan(drawn, 3, 9), first, canvas_updated(5), last, start=state)
    assert state.metrics is None
    assert state.refinement is not None
    assert state.refinement.network is drawn
    assert state.refinement.network_metrics is before
    assert state.refinement.misfits == (first, last)
    done = after(events.InferenceCompleted(refined, later, None, 1.0, 1.0), start=state)
    assert (done.canvas, done.canvas_bundle_id, done.metrics) == (refined, "bundle:b", later)
    back = after(app.DocumentChosen("canvas:infer-1"), start=done)
    assert (back.canvas, back.refinement, back.metrics) == (drawn, None, before)
    again = after(app.DocumentChosen("canvas:refine-1"), start=back)
    assert (again.canvas, again.refinement) == (refined, state.refinement)
    closed = after(app.DocumentClosed("canvas:refine-1"), start=again)
    assert (closed.canvas, closed.refinement) == (None, None)
    assert "canvas:refine-1" not in closed.canvas_refinements
    assert after(INFER, start=again).refinement is None
    assert after(first).refinement is None
