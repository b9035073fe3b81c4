"""How documents become the current ones, and how they go: pure, a part of the reducer."""

from collections.abc import Mapping
from dataclasses import replace

from app.state.app_events import AssumptionMade
from app.state.app_state import AppState
from app.state.canvas_changes import chosen_canvas, without_canvas, without_comparison_of
from app.state.entries import with_entry, without_entry
from app.state.examinations import forgotten
from app.state.figure_changes import unstudied, without_figures
from app.state.refused_files import without_refused
from app.state.watched_runs import forgotten_watch, shown


def chosen(state: AppState, key: str) -> AppState:
    """Make a document the current one of its kind."""
    if key in state.datasets:
        frame = state.selected_frame if key == state.dataset_id else None
        frame = frame if frame is not None and frame < state.datasets[key].n_scan else None
        return replace(state, dataset_id=key, selected_frame=frame)
    if key in state.bundles:
        return replace(state, bundle_id=key, refused_id=None)
    if key in state.refused:
        return replace(state, refused_id=key)
    if key in state.figures:
        state = replace(state, figures_id=key)
    if key in state.runs:
        return replace(shown(state, key if key in state.watched else None), run_id=key)
    if key in state.canvases:
        return chosen_canvas(state, key)
    return state


def assumed(state: AppState, event: AssumptionMade) -> AppState:
    """Take up what a person says of a bundle that does not say it."""
    if event.bundle_id not in state.bundles:
        return state
    words = without_entry(state.assumptions.get(event.bundle_id, {}), event.name)
    if event.word is not None:
        words = with_entry(words, event.name, event.word)
    return replace(state, assumptions=with_entry(state.assumptions, event.bundle_id, words))


def closed(state: AppState, key: str) -> AppState:
    """Take a document away; where it was the current one, the newest of the others takes its place."""
    state = without_comparison_of(without_figures(forgotten(state, key), key), key)
    if key in state.datasets:
        datasets = without_entry(state.datasets, key)
        state = replace(state, summaries=without_entry(state.summaries, key), regions=without_entry(state.regions, key))
        if key != state.dataset_id:
            return replace(state, datasets=datasets)
        return replace(
            state, datasets=datasets, dataset_id=_newest(datasets), selected_frame=None, frame=None, groups=None
        )
    if key in state.bundles:
        bundles = without_entry(state.bundles, key)
        state = unstudied(replace(state, assumptions=without_entry(state.assumptions, key)), key)
        return replace(
            state, bundles=bundles, bundle_id=_newest(bundles) if key == state.bundle_id else state.bundle_id
        )
    if key in state.runs:
        state = forgotten_watch(state, key)
        runs = without_entry(state.runs, key)
        state = replace(state, runs=runs, requests=without_entry(state.requests, key))
        return replace(state, run_id=_newest(runs)) if key == state.run_id else state
    if key in state.refused:
        return without_refused(state, state.refused[key].path)
    if key in state.canvases:
        return without_canvas(state, key)
    return state


def _newest(mapping: Mapping[str, object]) -> str | None:
    return next(reversed(list(mapping)), None)
