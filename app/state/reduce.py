"""The one pure function that makes the next state from an event."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

from app.state.app_events import (
    AppEvent,
    AssumptionMade,
    CloseUndone,
    DiagnosisDismissed,
    DocumentChosen,
    DocumentClosed,
    FiguresOpened,
    FrameSelected,
    JobBegan,
    JobCancelling,
    JobEnded,
    JobHeld,
    JobPausing,
    Logged,
    NoticeClosed,
    NoticeRaised,
    RunOpened,
    WatchBegan,
    WatchedRunStopping,
    WatchStopped,
    WatchTold,
)
from app.state.app_state import AppState, JobState, Lane, LogEntry, Losses, Notice, document_id, run_id
from app.state.bundle_readings import BundlesCompared, BundleStudied, ReadingsRanked
from app.state.canvas_changes import (
    begun_canvas,
    inferred,
    kept_refinement,
    with_bundle_of_canvases,
    with_canvas,
    with_canvas_reading,
    with_scan_of_canvases,
    without_comparison_of,
)
from app.state.canvas_readings import CanvasesCompared, PhasePrepared, PixelSizeGiven, ReconstructionOpened
from app.state.closed_documents import reopened, with_closed
from app.state.document_changes import assumed, chosen, closed
from app.state.entries import with_entry, without_entry
from app.state.examinations import DocumentExamined, examined, finding_key, forgotten
from app.state.figure_changes import (
    begun_figures,
    compared,
    opened_figures,
    opened_run_figures,
    ranked,
    studied,
    unstudied,
)
from app.state.job_changes import held_job, with_preview, without_finding
from app.state.loss_changes import with_loss
from app.state.old_results import without_old_results
from app.state.preview_history import PreviewHistory, PreviewsRead
from app.state.queue import QueueChanged
from app.state.readings import FrameRead, GroupsFound, RegionSummed, ScanReading, ScanSummarised
from app.state.refused_files import FileRefused, refused, without_refused
from app.state.watched_runs import OF_A_VIEW, of_own_job, reduce_watch, taken_over
from ptycho_engine import events as engine
from ptycho_engine.documents import Diagnosis, RunRecord

LOG_LIMIT = 2000
STATS_LIMIT = 4096
NOTICE_LIMIT = 5


def reduce(
    state: AppState, event: engine.EngineEvent | AppEvent, *, lane: Lane = "compute", time_s: float = 0.0
) -> AppState:
    """Return the state after ``event``.

    Parameters
    ----------
    state
        The state before; it is not changed.
    event
        What happened.
    lane
        Whose job told an engine event.
    time_s
        When, for the log; seconds since 1970.
    """
    if state.shown_run is not None and lane == "compute" and isinstance(event, OF_A_VIEW):
        return of_own_job(state, event, partial(_apply, lane=lane, time_s=time_s))
    return _apply(state, event, lane=lane, time_s=time_s)


def _apply(state: AppState, event: engine.EngineEvent | AppEvent, *, lane: Lane, time_s: float) -> AppState:
    match event:
        case engine.JobStarted() | engine.Progressed() | engine.StepDone() | engine.CheckpointSaved():
            return _with_job(state, lane, _advanced(_job_of(state, lane), event), event)
        case engine.DatasetOpened() | engine.BundleLoaded() | engine.TrainingCompleted() | engine.InferenceCompleted():
            return _with_result(state, event)
        case engine.MessageLogged():
            job = _job_of(state, lane)
            if event.shown:
                state = _noticed(state, Notice(f"message:{event.text[:24]}", event.level, event.text))
            return _logged(state, LogEntry(event.level, event.text, time_s, job.verb if job else ""))
        case engine.BundleSaved() | engine.FileWritten():
            return _logged(state, LogEntry("info", f"Wrote {event.path.name} to {event.path.parent}", time_s, "files"))
        case engine.LossMeasured() | engine.EpochDone() | engine.ValidationMeasured():
            return replace(state, losses=with_loss(state.losses, event))
        case engine.PatchPreview():
            return with_preview(state, event)
        case engine.StatsMeasured():
            return replace(state, stats=(*state.stats, event)[-STATS_LIMIT:])
        case engine.CanvasUpdated() | engine.MetricsMeasured() | engine.RefinementBegan() | engine.MisfitMeasured():
            return with_canvas(state, event)
        case engine.DiagnosisFound():
            return _diagnosed(state, event.diagnosis, time_s)
        case engine.DiagnosisWithdrawn():
            logged = _logged(state, LogEntry("info", event.text, time_s, event.id))
            return without_finding(logged, event.id)
        case engine.RunFound() | engine.RunObserved() | engine.FiguresLogged() | engine.RunEnded():
            # Only of runs that are followed: WatchTold says of which.
            return state
        case _:
            return _reduce_app(state, event, time_s)


def _reduce_app(state: AppState, event: AppEvent, time_s: float) -> AppState:
    match event:
        case JobBegan():
            return _begin(state, event)
        case RunOpened():
            return _open_run(state, event)
        case FiguresOpened():
            return opened_figures(state, event)
        case WatchBegan() | WatchTold() | WatchStopped() | WatchedRunStopping():
            return reduce_watch(state, event, partial(_apply, lane="compute", time_s=time_s), _logged, time_s)
        case JobCancelling():
            return _change_job(state, event.job_id, lambda job: replace(job, state="cancelling"))
        case JobPausing() | JobHeld():
            return _change_job(state, event.job_id, lambda job: held_job(job, event))
        case JobEnded():
            return without_old_results(_end(state, event), time_s)
        case DocumentChosen():
            return chosen(state, event.id)
        case DocumentClosed():
            return closed(with_closed(state, event.id), event.id)
        case CloseUndone():
            state, key = reopened(state)
            return state if key is None else chosen(state, key)
        case AssumptionMade():
            return assumed(state, event)
        case FrameSelected():
            dataset = state.dataset
            inside = dataset is not None and event.index is not None and 0 <= event.index < dataset.n_scan
            return replace(state, selected_frame=event.index if inside else None)
        case NoticeRaised():
            return _noticed(state, event.notice)
        case NoticeClosed():
            return replace(state, notices=tuple(notice for notice in state.notices if notice.key != event.key))
        case Logged():
            return _logged(state, event.entry)
        case DocumentExamined():
            return _bounded(examined(state, event, time_s))
        case DiagnosisDismissed():
            return replace(state, dismissed=state.dismissed | {(event.key, event.id)})
        case PreviewsRead():
            return replace(state, stored_previews=event.history)
        case FileRefused():
            return refused(state, event)
        case QueueChanged():
            return replace(state, queue=event.queue)
        case FrameRead() | GroupsFound() | ScanSummarised() | RegionSummed():
            return _with_scan(state, event) if event.dataset_id in state.datasets else state
        case ReconstructionOpened() | CanvasesCompared() | PhasePrepared() | PixelSizeGiven():
            return with_canvas_reading(state, event)
        case ScanReading():
            return _with_reading(state, event)
        case BundleStudied():
            return studied(state, event)
        case ReadingsRanked():
            return ranked(state, event)
        case BundlesCompared():
            return compared(state, event)
        case _:
            assert_never(event)


def _with_scan(state: AppState, event: FrameRead | GroupsFound | ScanSummarised | RegionSummed) -> AppState:
    match event:
        case FrameRead():
            return replace(state, frame=event)
        case GroupsFound():
            return replace(state, groups=event)
        case ScanSummarised():
            return replace(state, summaries=with_entry(state.summaries, event.dataset_id, event))
        case RegionSummed():
            return replace(state, regions=with_entry(state.regions, event.dataset_id, event))


def _with_reading(state: AppState, event: ScanReading) -> AppState:
    last = state.readings.get(event.kind)
    if event.state != "running" and (last is None or last.id != event.id):
        # Another one was asked for meanwhile.
        return state
    return replace(state, readings=with_entry(state.readings, event.kind, event))


def _begin(state: AppState, event: JobBegan) -> AppState:
    job = event.job
    if event.lane == "files":
        return replace(state, file_job=job)
    state = taken_over(state, run_id(job.run_folder))
    dismissed = frozenset(one for one in state.dismissed if one[0] != "job")
    state = begun_figures(replace(state, job=job, diagnoses=(), dismissed=dismissed), job)
    key = run_id(job.run_folder)
    if event.request is not None and key is not None:
        state = replace(state, requests=with_entry(state.requests, key, event.request))
    if job.verb == "train":
        losses = state.losses if event.keeps_losses else Losses()
        return replace(state, losses=losses, preview=None, preview_dataset_id=None, previews=PreviewHistory())
    return begun_canvas(state, job) if job.verb == "infer" else state


def _open_run(state: AppState, event: RunOpened) -> AppState:
    key = run_id(event.run.path)
    if key is None or (state.busy and state.job is not None and key == run_id(state.job.run_folder)):
        # It runs in this very window, which knows more about it than its folder.
        return state
    requests = (
        without_entry(state.requests, key) if event.request is None else with_entry(state.requests, key, event.request)
    )
    state = replace(state, runs=with_entry(state.runs, key, event.run), run_id=key, requests=requests)
    return opened_run_figures(state, key, event)


def _end(state: AppState, event: JobEnded) -> AppState:
    def ended(job: JobState) -> JobState:
        n_done = job.n_total if event.outcome == "completed" else job.n_done
        return replace(job, state=event.outcome, seconds_left=None, n_done=n_done)

    state = _change_job(state, event.job_id, ended)
    if state.job is None or state.job.id != event.job_id:
        return state
    job = state.job
    if event.outcome == "stopped":
        state = kept_refinement(state)
    return _with_run(state, job, lambda run: replace(run, state=event.outcome))


def _job_of(state: AppState, lane: Lane) -> JobState | None:
    return state.job if lane == "compute" else state.file_job


def _change_job(state: AppState, job_id: str, change: Callable[[JobState], JobState]) -> AppState:
    if state.job is not None and state.job.id == job_id:
        return replace(state, job=change(state.job))
    if state.file_job is not None and state.file_job.id == job_id:
        return replace(state, file_job=change(state.file_job))
    return state


_Progress = engine.JobStarted | engine.Progressed | engine.StepDone | engine.CheckpointSaved


def _advanced(job: JobState | None, event: _Progress) -> JobState | None:
    if job is None:
        return None
    match event:
        case engine.JobStarted():
            return replace(
                job,
                device=event.device,
                n_total=event.n_total,
                unit=event.unit,
                run_folder=event.run_folder or job.run_folder,
                state="running" if job.state == "starting" else job.state,
            )
        case engine.Progressed():
            return replace(
                job, n_done=event.n_done, n_total=event.n_total, unit=event.unit, seconds_left=event.seconds_left
            )
        case engine.StepDone():
            return replace(
                job,
                n_done=event.step,
                n_total=event.n_steps,
                unit="steps",
                epoch=event.epoch,
                n_epochs=event.n_epochs,
                seconds_left=event.seconds_left,
            )
        case engine.CheckpointSaved():
            return replace(job, checkpoint=event.path)
        case _:
            assert_never(event)


def _with_job(state: AppState, lane: Lane, job: JobState | None, event: _Progress) -> AppState:
    """Store the advanced job, and what its run folder's entry shows of it."""
    if job is None:
        return state
    if lane == "files":
        return replace(state, file_job=job)
    state = replace(state, job=job)
    key = run_id(job.run_folder)
    if isinstance(event, engine.JobStarted) and key is not None and job.run_folder is not None:
        run = state.runs.get(key) or RunRecord(job.run_folder, job.verb, "running")
        run = replace(run, state="running", n_epochs=job.n_epochs or run.n_epochs)
        return replace(state, runs=with_entry(state.runs, key, run), run_id=key)
    checkpoint = event.path if isinstance(event, engine.CheckpointSaved) else None

    def advanced(run: RunRecord) -> RunRecord:
        if run.epoch == job.epoch and checkpoint is None:
            return run
        return replace(run, epoch=job.epoch, n_epochs=job.n_epochs, checkpoint=checkpoint or run.checkpoint)

    return _with_run(state, job, advanced)


def _with_run(state: AppState, job: JobState, change: Callable[[RunRecord], RunRecord]) -> AppState:
    key = run_id(job.run_folder)
    run = state.runs.get(key) if key is not None else None
    if key is None or run is None:
        return state
    changed = change(run)
    return state if changed is run else replace(state, runs=with_entry(state.runs, key, changed))


_Result = engine.DatasetOpened | engine.BundleLoaded | engine.TrainingCompleted | engine.InferenceCompleted


def _with_result(state: AppState, event: _Result) -> AppState:
    match event:
        case engine.DatasetOpened():
            key = document_id("dataset", event.dataset.name, event.dataset.path)
            state = replace(
                without_refused(forgotten(state, key), event.dataset.path),
                datasets=with_entry(state.datasets, key, event.dataset),
                summaries=without_entry(state.summaries, key),
                regions=without_entry(state.regions, key),
            )
            return chosen(with_scan_of_canvases(without_comparison_of(state, key), key), key)
        case engine.BundleLoaded():
            key = document_id("bundle", event.bundle.name, event.bundle.path)
            state = without_refused(unstudied(forgotten(state, key), key), event.bundle.path)
            bundles = with_entry(state.bundles, key, event.bundle)
            return with_bundle_of_canvases(replace(state, bundles=bundles, bundle_id=key, refused_id=None), key)
        case engine.TrainingCompleted():
            name = state.job.id if state.job is not None else event.bundle.name
            key = document_id("bundle", name, event.bundle.path)
            state = unstudied(state, key)
            bundles = with_entry(state.bundles, key, event.bundle)
            state = replace(state, bundles=bundles, bundle_id=key, refused_id=None)
            if state.job is None:
                return state
            return _with_run(state, state.job, lambda run: replace(run, bundle=event.bundle.path))
        case engine.InferenceCompleted():
            return inferred(state, event)
        case _:
            assert_never(event)


def _noticed(state: AppState, notice: Notice) -> AppState:
    before = next((old for old in state.notices if old.key == notice.key), None)
    if before is not None:
        notice = replace(notice, count=before.count + 1)
    others = tuple(old for old in state.notices if old.key != notice.key)
    return replace(state, notices=(*others, notice)[-NOTICE_LIMIT:])


def _diagnosed(state: AppState, found: Diagnosis, time_s: float) -> AppState:
    others = tuple(other for other in state.diagnoses if other.id != found.id)
    state = _logged(state, LogEntry(found.severity, f"{found.message} {found.hint}".rstrip(), time_s, found.id))
    if found.severity != "info":
        state = _noticed(state, Notice(finding_key("job", found.id), found.severity, found.message, found.hint))
    return replace(state, diagnoses=(*others, found))


def _logged(state: AppState, entry: LogEntry) -> AppState:
    return replace(state, log=(*state.log, entry)[-LOG_LIMIT:])


def _bounded(state: AppState) -> AppState:
    if len(state.log) <= LOG_LIMIT and len(state.notices) <= NOTICE_LIMIT:
        return state
    return replace(state, log=state.log[-LOG_LIMIT:], notices=state.notices[-NOTICE_LIMIT:])
