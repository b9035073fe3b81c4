"""How the figures of runs and the studies of bundles change: pure, a part of the reducer."""

from collections.abc import Mapping
from dataclasses import replace

from app.state.app_events import FiguresOpened, RunOpened
from app.state.app_state import AppState, JobState, document_id
from app.state.bundle_readings import BundlesCompared, BundleStudied, ReadingsRanked
from app.state.entries import with_entry, without_entry
from ptycho_engine.runs.run_figures import RunFigures
from ptycho_engine.runs.run_folder import BUNDLE_FILE

_PHASES: Mapping[str, tuple[str, ...]] = {"train": ("train", "val"), "infer": ("inference",)}
"""The phases that a job of each verb logs anew."""


def with_figures(state: AppState, key: str, figures: RunFigures) -> AppState:
    """Return the state with a document of figures, which becomes the current one."""
    return replace(state, figures=with_entry(state.figures, key, figures), figures_id=key)


def opened_figures(state: AppState, event: FiguresOpened) -> AppState:
    """Return the state with a debug dump or a file of patch statistics."""
    figures = event.figures
    return with_figures(state, document_id(figures.kind, figures.name, figures.path), figures)


def opened_run_figures(state: AppState, key: str, event: RunOpened) -> AppState:
    """Return the state with what a run's folder holds."""
    return state if event.figures is None else with_figures(state, key, event.figures)


def without_figures(state: AppState, key: str) -> AppState:
    """Return the state without a document of figures, if it had it."""
    if key not in state.figures:
        return state
    figures = without_entry(state.figures, key)
    if key != state.figures_id:
        return replace(state, figures=figures)
    return replace(state, figures=figures, figures_id=next(reversed(list(figures)), None))


def begun_figures(state: AppState, job: JobState) -> AppState:
    """Return the state in which the statistics of a job that begins are awaited; those of the other kind stay."""
    phases = _PHASES.get(job.verb)
    if phases is None:
        return state
    kept = tuple(one for one in state.stats if one.stats.phase not in phases)
    preview = None if job.verb == "train" else state.training_preview
    made = "" if job.run_folder is None else document_id("bundle", "", job.run_folder / BUNDLE_FILE)
    bundles = with_entry(state.stats_bundles, job.verb, made if job.verb == "train" else job.bundle_id or "")
    return replace(state, stats=kept, stats_bundles=bundles, figures_id=None, training_preview=preview)


def studied(state: AppState, event: BundleStudied) -> AppState:
    """Return the state with what was computed of a bundle, unless its file was opened anew meanwhile."""
    if state.bundles.get(event.bundle_id) is not event.bundle:
        return state
    return replace(state, studies=with_entry(state.studies, event.bundle_id, event))


def ranked(state: AppState, event: ReadingsRanked) -> AppState:
    """Return the state with how a bundle is best read, unless its file was opened anew meanwhile."""
    if state.bundles.get(event.bundle_id) is not event.bundle:
        return state
    return replace(state, rankings=with_entry(state.rankings, event.bundle_id, event))


def compared(state: AppState, event: BundlesCompared) -> AppState:
    """Return the state with a comparison, if both bundles are still open."""
    return replace(state, compared=event) if {event.a, event.b} <= set(state.bundles) else state


def unstudied(state: AppState, bundle_id: str) -> AppState:
    """Return the state without what was computed of a bundle that was closed or is opened anew."""
    found = state.compared
    kept = None if found is not None and bundle_id in (found.a, found.b) else found
    return replace(
        state,
        studies=without_entry(state.studies, bundle_id),
        rankings=without_entry(state.rankings, bundle_id),
        compared=kept,
    )
