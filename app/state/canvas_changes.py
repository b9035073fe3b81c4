"""What events make of the canvas: pure, as the whole reducer."""

from dataclasses import replace
from typing import assert_never

from app.state.app_state import AppState, CanvasRefinement, JobState
from app.state.entries import with_entry, without_entry
from ptycho_engine import events as engine
from ptycho_engine.documents import Canvas, ReconstructionMetrics

_CanvasEvent = engine.CanvasUpdated | engine.MetricsMeasured | engine.RefinementBegan | engine.MisfitMeasured


def begun_canvas(state: AppState, job: JobState) -> AppState:
    """Return the state when an inference begins: nothing is stitched yet."""
    return replace(
        state,
        canvas=None,
        canvas_id=None,
        canvas_dataset_id=job.dataset_id,
        canvas_bundle_id=job.bundle_id,
        refinement=None,
        damage=None,
        metrics=None,
        canvas_done=0,
    )


def with_canvas(state: AppState, event: _CanvasEvent) -> AppState:
    """Return the state with what is told of the canvas in the making."""
    match event:
        case engine.CanvasUpdated():
            return replace(
                state,
                canvas=event.canvas,
                canvas_id=None,
                canvas_dataset_id=state.job.dataset_id if state.job else None,
                canvas_bundle_id=state.job.bundle_id if state.job else None,
                damage=event.damage,
                canvas_done=event.n_done,
                canvas_total=event.n_total,
            )
        case engine.MetricsMeasured():
            return replace(state, metrics=event.metrics)
        case engine.RefinementBegan():
            # What was measured of the canvas so far belongs to the one that the network drew, or one refined before.
            before = state.refinement
            known = before.network_metrics if before is not None else state.metrics
            return replace(state, refinement=CanvasRefinement(event.network_canvas, known), metrics=None)
        case engine.MisfitMeasured():
            if state.refinement is None:
                return state
            misfits = (*state.refinement.misfits, event)
            return replace(state, refinement=replace(state.refinement, misfits=misfits))
        case _:
            assert_never(event)


def inferred(state: AppState, event: engine.InferenceCompleted) -> AppState:
    """Return the state with a finished canvas, which is kept."""
    key = f"canvas:{state.job.id if state.job is not None else event.run_folder}"
    n_patches = len(event.canvas.scan_positions)
    state = _with_kept(state, key, event.canvas, event.metrics)
    return replace(state, damage=None, canvas_done=n_patches, canvas_total=n_patches, metrics=event.metrics)


def kept_refinement(state: AppState) -> AppState:
    """Return the state when a job was stopped: a refinement under way leaves what it reached."""
    moving = state.refinement is not None and state.canvas_id is None
    if not moving or state.canvas is None or state.job is None:
        return state
    return _with_kept(state, f"canvas:{state.job.id}", state.canvas, None)


def chosen_canvas(state: AppState, key: str) -> AppState:
    """Return the state with one of the kept canvases shown."""
    canvas = state.canvases[key]
    n_patches = len(canvas.scan_positions)
    return replace(
        state,
        canvas_id=key,
        canvas=canvas,
        canvas_dataset_id=state.canvas_datasets.get(key),
        canvas_bundle_id=state.canvas_bundles.get(key),
        refinement=state.canvas_refinements.get(key),
        damage=None,
        canvas_done=n_patches,
        canvas_total=n_patches,
        metrics=state.canvas_metrics.get(key),
    )


def without_canvas(state: AppState, key: str) -> AppState:
    """Return the state without one of the kept canvases."""
    closed = replace(
        state,
        canvases=without_entry(state.canvases, key),
        canvas_metrics=without_entry(state.canvas_metrics, key),
        canvas_refinements=without_entry(state.canvas_refinements, key),
    )
    if key != state.canvas_id:
        return closed
    return replace(
        closed, canvas_id=None, canvas=None, canvas_dataset_id=None, refinement=None, damage=None, metrics=None
    )


def _with_kept(state: AppState, key: str, canvas: Canvas, metrics: ReconstructionMetrics | None) -> AppState:
    dataset_id = state.job.dataset_id if state.job else None
    bundle_id = state.job.bundle_id if state.job else None
    measured, refinements = state.canvas_metrics, state.canvas_refinements
    if metrics is not None:
        measured = with_entry(measured, key, metrics)
    if state.refinement is not None:
        refinements = with_entry(refinements, key, state.refinement)
    return replace(
        state,
        canvases=with_entry(state.canvases, key, canvas),
        canvas_metrics=measured,
        canvas_datasets=with_entry(state.canvas_datasets, key, dataset_id),
        canvas_bundles=with_entry(state.canvas_bundles, key, bundle_id),
        canvas_refinements=refinements,
        canvas_id=key,
        canvas=canvas,
        canvas_dataset_id=dataset_id,
        canvas_bundle_id=bundle_id,
    )
