"""What the folders of followed runs tell makes of the state: pure, as the whole reducer."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import assert_never

from app.state.app_events import NoticeRaised, WatchBegan, WatchedRunStopping, WatchStopped, WatchTold
from app.state.app_state import (
    RESUME_KEY,
    AppState,
    JobState,
    Level,
    LogEntry,
    Notice,
    RunView,
    WatchedRun,
    document_id,
    run_id,
)
from app.state.entries import with_entry, without_entry
from app.state.job_changes import without_finding
from ptycho_engine import events as engine
from ptycho_engine.documents import RunRecord

WatchEvent = WatchBegan | WatchTold | WatchStopped | WatchedRunStopping
Apply = Callable[[AppState, engine.EngineEvent | NoticeRaised], AppState]
Log = Callable[[AppState, LogEntry], AppState]
OF_A_VIEW = (
    engine.LossMeasured
    | engine.EpochDone
    | engine.ValidationMeasured
    | engine.PatchPreview
    | engine.StatsMeasured
    | engine.DiagnosisFound
    | engine.DiagnosisWithdrawn
)
"""Events of the own job that change nothing but what a view holds (and the log)."""


def view_of(state: AppState) -> RunView:
    """Return the figures that are shown."""
    return RunView(
        losses=state.losses,
        preview=state.preview,
        preview_dataset_id=state.preview_dataset_id,
        training_preview=state.training_preview,
        previews=state.previews,
        stats=state.stats,
        diagnoses=state.diagnoses,
    )


def with_view(state: AppState, view: RunView) -> AppState:
    """Return the state that shows other figures."""
    return replace(
        state,
        losses=view.losses,
        preview=view.preview,
        preview_dataset_id=view.preview_dataset_id,
        training_preview=view.training_preview,
        previews=view.previews,
        stats=view.stats,
        diagnoses=view.diagnoses,
    )


def shown(state: AppState, key: str | None) -> AppState:
    """Return the state that shows a watched run, or the own job for ``None``, and puts aside what it showed."""
    if key == state.shown_run or (key is not None and key not in state.watched):
        return state
    if state.shown_run is None:
        state = replace(state, own_view=view_of(state))
    elif state.shown_run in state.watched:
        kept = replace(state.watched[state.shown_run], view=view_of(state))
        state = replace(state, watched=with_entry(state.watched, state.shown_run, kept))
    view = state.own_view if key is None else state.watched[key].view
    return replace(with_view(state, view), shown_run=key)


def of_own_job(state: AppState, event: engine.EngineEvent, apply: Apply) -> AppState:
    """Return the state after an event of the own job while a watched run is shown."""
    changed = apply(replace(with_view(state, state.own_view), shown_run=None), event)
    return with_view(replace(changed, own_view=view_of(changed), shown_run=state.shown_run), view_of(state))


def reduce_watch(state: AppState, event: WatchEvent, apply: Apply, log: Log, time_s: float) -> AppState:
    """Return the state after something about a followed run.

    Parameters
    ----------
    state
        The state before.
    event
        What happened.
    apply
        Applies an event of the engine to the figures that are shown.
    log
        Adds a line to the log.
    time_s
        When, for the log; seconds since 1970.
    """
    match event:
        case WatchBegan():
            return begun_watch(state, event)
        case WatchTold():
            return told_by_run(state, event, apply, log, time_s)
        case WatchStopped():
            return stopped_watch(state, event)
        case WatchedRunStopping():
            watched = state.watched.get(event.run_id)
            if watched is None:
                return state
            return _with(state, event.run_id, replace(watched, job=replace(watched.job, state="cancelling")))
        case _:
            assert_never(event)


def begun_watch(state: AppState, event: WatchBegan) -> AppState:
    """Return the state when a folder begins to be followed."""
    key = run_id(event.folder)
    assert key is not None  # of a folder there always is one
    run = state.runs.get(key) or RunRecord(event.folder, "train", "running")
    job = JobState(key, run.verb, event.folder.name, run_folder=event.folder)
    # Told again from its first line: what was known of it before is dropped.
    state = replace(
        shown(state, None) if state.shown_run == key else state,
        runs=with_entry(state.runs, key, replace(run, state="running")),
        watched=with_entry(state.watched, key, WatchedRun(job)),
        run_id=key,
    )
    if event.request is not None:
        state = replace(state, requests=with_entry(state.requests, key, event.request))
    return shown(state, key)


def stopped_watch(state: AppState, event: WatchStopped) -> AppState:
    """Return the state when a run is not followed any more; its figures stay."""
    watched = state.watched.get(event.run_id)
    if watched is None or not watched.watching:
        return state
    changed = replace(watched, watching=False, minutes_without_news=None)
    return replace(state, watched=with_entry(state.watched, event.run_id, changed))


def taken_over(state: AppState, key: str | None) -> AppState:
    """Return the state when the own job begins: one that goes on with a watched run goes on with its figures."""
    watched = state.watched.get(key or "")
    if key is None or watched is None:
        return shown(state, None)
    view = view_of(state) if key == state.shown_run else watched.view
    return with_view(forgotten_watch(shown(state, None), key), view)


def forgotten_watch(state: AppState, key: str) -> AppState:
    """Return the state without a watched run."""
    if key not in state.watched:
        return state
    state = shown(state, None) if key == state.shown_run else state
    return replace(state, watched=without_entry(state.watched, key))


def told_by_run(state: AppState, told: WatchTold, apply: Apply, log: Log, time_s: float) -> AppState:
    """Return the state after an event of a followed run."""
    key, event = told.run_id, told.event
    watched = state.watched.get(key)
    if watched is None or not watched.watching:
        return state
    level: Level
    name = state.runs[key].path.name if key in state.runs else key
    text = _words(event)
    if text is not None:
        level = event.level if isinstance(event, engine.MessageLogged) else "info"
        return log(state, LogEntry(level, text, time_s, name))
    match event:
        case engine.RunFound():
            return _found(state, key, watched, event)
        case engine.RunObserved():
            return _observed(state, key, watched, event)
        case engine.RunEnded():
            ended = _ended(state, key, watched, event)
            words = f"{name}: {ended.watched[key].message or event.run.state}"
            level = "warning" if event.died or event.run.state == "failed" else "info"
            ended = log(ended, LogEntry(level, words, time_s, name))
            if level != "warning":
                return ended
            continued = event.died and event.run.checkpoint is not None and key in state.requests
            notice = Notice(f"ended:{key}", level, words)
            if continued:
                action = f"Continue from epoch {event.run.epoch}"
                notice = Notice(f"{RESUME_KEY}{key}", level, words, str(event.run.path), action=action)
            return apply(ended, NoticeRaised(notice))
        case engine.FiguresLogged():
            figures = MappingProxyType({**watched.figures, **event.figures})
            return _with(state, key, replace(watched, figures=figures))
        case engine.DiagnosisFound():
            found = event.diagnosis
            state = log(state, LogEntry(found.severity, f"{found.message} {found.hint}".rstrip(), time_s, name))
            return _in_view(state, key, watched, event, _diagnosed)
        case engine.DiagnosisWithdrawn():
            state = log(state, LogEntry("info", event.text, time_s, name))
            return _in_view(state, key, watched, event, lambda inner, _: without_finding(inner, event.id))
        case engine.BundleLoaded():
            bundle = event.bundle
            before = state.bundles.get(document_id("bundle", bundle.name, bundle.path))
            if before is not None and before.members == bundle.members:
                return state
            # Somebody may be at work with another bundle.
            loaded = apply(state, event)
            return (
                loaded
                if state.bundle_id is None or key == state.shown_run
                else replace(loaded, bundle_id=state.bundle_id)
            )
        case _:
            return _in_view(state, key, watched, event, apply)


def _words(event: engine.EngineEvent) -> str | None:
    match event:
        case engine.MessageLogged():
            return event.text
        case engine.BundleSaved() | engine.FileWritten():
            return f"{event.path.name} was written"
        case engine.MetricsMeasured():
            return f"Complex correlation with the known object: {event.metrics.complex_correlation:.4f}"
        case _:
            return None


def _with(state: AppState, key: str, watched: WatchedRun) -> AppState:
    return replace(state, watched=with_entry(state.watched, key, watched))


def _in_view(state: AppState, key: str, watched: WatchedRun, event: engine.EngineEvent, apply: Apply) -> AppState:
    """Apply an event to the figures and the progress of a run, whether it is shown or not."""
    is_shown = key == state.shown_run
    inner = replace(state if is_shown else with_view(state, watched.view), job=watched.job)
    inner = apply(inner, event)
    view = watched.view if is_shown else view_of(inner)
    changed = replace(watched, job=inner.job or watched.job, view=view)
    inner = _with(replace(inner, job=state.job, run_id=state.run_id), key, changed)
    return inner if is_shown else with_view(inner, view_of(state))


def _diagnosed(state: AppState, event: engine.EngineEvent | NoticeRaised) -> AppState:
    assert isinstance(event, engine.DiagnosisFound)  # the only kind that comes here
    others = tuple(other for other in state.diagnoses if other.id != event.diagnosis.id)
    return replace(state, diagnoses=(*others, event.diagnosis))


def _found(state: AppState, key: str, watched: WatchedRun, event: engine.RunFound) -> AppState:
    dataset = None if event.dataset is None else document_id("dataset", event.dataset.stem, event.dataset)
    job = JobState(
        key,
        event.run.verb,
        event.run.path.name,
        n_epochs=event.run.n_epochs,
        state="running",
        dataset_id=dataset if dataset in state.datasets else None,
        run_folder=event.run.path,
    )
    state = _with(state, key, WatchedRun(job, written_by=event.written_by))
    return with_view(state, RunView()) if key == state.shown_run else state


def _observed(state: AppState, key: str, watched: WatchedRun, event: engine.RunObserved) -> AppState:
    minutes = int(event.seconds_without_news // 60) if event.silent else None
    if (minutes, event.detached) != (watched.minutes_without_news, watched.detached):
        watched = replace(watched, minutes_without_news=minutes, detached=event.detached)
        state = _with(state, key, watched)
    return state if event.run is None else _recorded(state, key, watched, event.run)


def _ended(state: AppState, key: str, watched: WatchedRun, event: engine.RunEnded) -> AppState:
    outcome = event.run.state if event.run.state != "running" else "stopped"
    job = replace(watched.job, state=outcome, seconds_left=None)
    words = f"died: {event.message}" if event.died else event.message
    if event.died and event.run.checkpoint is not None:
        words += "; its newest checkpoint is kept, to resume from"
    ended = replace(watched, job=job, watching=False, minutes_without_news=None, message=words)
    return _recorded(_with(state, key, ended), key, ended, event.run)


def _recorded(state: AppState, key: str, watched: WatchedRun, run: RunRecord) -> AppState:
    """Return the state with the run as it stands; its files say the epoch later than its log."""
    run = replace(run, epoch=max(run.epoch, watched.job.epoch), n_epochs=run.n_epochs or watched.job.n_epochs)
    return state if state.runs.get(key) == run else replace(state, runs=with_entry(state.runs, key, run))
