"""What events make of the canvas: pure, as the whole reducer."""

import math
from dataclasses import replace
from types import MappingProxyType
from typing import assert_never

import numpy as np

from app.state.app_state import AppState, CanvasRefinement, JobState, document_id
from app.state.canvas_readings import CanvasesCompared, CanvasMaker, PhasePrepared, PixelSizeGiven, ReconstructionOpened
from app.state.entries import with_entry, without_entry
from ptycho_engine import events as engine
from ptycho_engine.arrays import PositionArray
from ptycho_engine.documents import Bundle, Canvas, ReconstructionMetrics

_CanvasReading = CanvasesCompared | PhasePrepared | PixelSizeGiven | ReconstructionOpened
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


def with_canvas_reading(state: AppState, event: _CanvasReading) -> AppState:
    """Return the state with what was opened, entered or worked out about canvases."""
    match event:
        case ReconstructionOpened():
            return _opened(state, event)
        case CanvasesCompared():
            a, b = event.request.a, event.request.b
            known = a in state.canvases and (b in state.canvases or b in state.datasets)
            return replace(state, comparison=event) if known else state
        case PhasePrepared():
            return replace(state, phase=event)
        case PixelSizeGiven():
            sizes = without_entry(state.pixel_sizes, event.key)
            if event.size_m is not None:
                sizes = with_entry(sizes, event.key, event.size_m)
            return replace(state, pixel_sizes=sizes)
        case _:
            assert_never(event)


def pixel_size_of(state: AppState, canvas_id: str | None, dataset_id: str | None) -> float | None:
    """Return the side of a pixel of the object [m]: as entered, else as the scan's file says, else ``None``."""
    for key in (dataset_id, canvas_id):
        if key is not None and key in state.pixel_sizes:
            return state.pixel_sizes[key]
    dataset = state.datasets.get(dataset_id or "")
    return None if dataset is None else dataset.pixel_size_m


def canvas_name(state: AppState, key: str) -> str:
    """Return what one of the kept canvases is called: its file, or the scan that it was made from."""
    file = state.canvas_files.get(key)
    if file is not None:
        # Every one is called reconstruction.npz: the folder tells them apart.
        return f"{file.parent.name}/{file.stem}" if file.stem == "reconstruction" else file.stem
    dataset = state.datasets.get(state.canvas_datasets.get(key) or "")
    return dataset.name if dataset is not None else key.removeprefix("canvas:")


def _opened(state: AppState, event: ReconstructionOpened) -> AppState:
    opened = event.reconstruction
    key = document_id("canvas", event.path.stem, event.path)
    dataset_id = _dataset_of(state, opened.canvas, opened.dataset)
    refinements = without_entry(state.canvas_refinements, key)
    if opened.network_canvas is not None:
        refinements = with_entry(refinements, key, CanvasRefinement(opened.network_canvas))
    sizes = without_entry(state.pixel_sizes, key)
    if opened.pixel_size_m is not None:
        sizes = with_entry(sizes, key, opened.pixel_size_m)
    maker = CanvasMaker(opened.bundle, opened.intensity_scale, opened.canvas.patch_side)
    state = replace(
        without_comparison_of(state, key),
        canvases=with_entry(state.canvases, key, opened.canvas),
        canvas_metrics=without_entry(state.canvas_metrics, key),
        canvas_datasets=with_entry(state.canvas_datasets, key, dataset_id),
        canvas_bundles=with_entry(state.canvas_bundles, key, _bundle_of(state, maker)),
        canvas_makers=with_entry(state.canvas_makers, key, maker),
        canvas_refinements=refinements,
        canvas_files=with_entry(state.canvas_files, key, event.path),
        pixel_sizes=sizes,
    )
    # While one is in the making it stays in sight.
    making = state.busy and state.job is not None and state.job.verb in ("infer", "refine")
    return state if making else chosen_canvas(state, key)


def _dataset_of(state: AppState, canvas: Canvas, name: str) -> str | None:
    """Return the open scan that a reconstruction was made from: of that name, and with those positions."""
    for key, dataset in state.datasets.items():
        if dataset.name == name and _same_places(dataset.scan_positions, canvas.scan_positions):
            return key
    return None


def with_scan_of_canvases(state: AppState, key: str) -> AppState:
    """Return the state when a scan was opened: reconstructions that were opened before it may be its own."""
    places = state.datasets[key].scan_positions
    orphans = [
        name
        for name in state.canvas_files
        if state.canvas_datasets.get(name) not in state.datasets
        and _same_places(places, state.canvases[name].scan_positions)
    ]
    owners = dict.fromkeys(orphans, key)
    shown = owners.get(state.canvas_id or "", state.canvas_dataset_id)
    linked: dict[str, str | None] = {**state.canvas_datasets, **owners}
    return replace(state, canvas_datasets=MappingProxyType(linked), canvas_dataset_id=shown) if owners else state


def _bundle_of(state: AppState, maker: CanvasMaker) -> str | None:
    """Return the open bundle that a reconstruction was made with, as far as its name, scale and side tell."""
    return next((key for key, bundle in state.bundles.items() if _made(maker, bundle)), None)


def _made(maker: CanvasMaker, bundle: Bundle) -> bool:
    same = maker.name == bundle.name and maker.patch_side == bundle.model.n
    return same and math.isclose(maker.intensity_scale, bundle.intensity_scale, rel_tol=1e-6)


def with_bundle_of_canvases(state: AppState, key: str) -> AppState:
    """Return the state when a bundle was opened: reconstructions that were opened before it may be its own."""
    bundle = state.bundles[key]
    own = [
        name
        for name, maker in state.canvas_makers.items()
        if name in state.canvases and state.canvas_bundles.get(name) not in state.bundles and _made(maker, bundle)
    ]
    if not own:
        return state
    makers = dict.fromkeys(own, key)
    linked: dict[str, str | None] = {**state.canvas_bundles, **makers}
    shown = makers.get(state.canvas_id or "", state.canvas_bundle_id)
    return replace(state, canvas_bundles=MappingProxyType(linked), canvas_bundle_id=shown)


def _same_places(a: PositionArray, b: PositionArray) -> bool:
    if a.shape != b.shape:
        return False
    ordered = [each[np.lexsort(each.T)] for each in (a, b)]
    return bool(np.allclose(ordered[0], ordered[1], rtol=0, atol=1e-3))


def without_comparison_of(state: AppState, key: str) -> AppState:
    """Return the state without what was compared with a document."""
    compared = state.comparison
    if compared is None or key not in (compared.request.a, compared.request.b):
        return state
    return replace(state, comparison=None)


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
        canvas_files=without_entry(state.canvas_files, key),
        canvas_makers=without_entry(state.canvas_makers, key),
        pixel_sizes=without_entry(state.pixel_sizes, key),
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
