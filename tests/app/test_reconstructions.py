"""A reconstruction.npz as a document: opened, linked with its scan, written again, closed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.jobs.verbs import CanvasExport, EngineVerbs
from app.state.app_events import CloseUndone, DocumentClosed
from app.state.app_state import AppState
from app.state.canvas_changes import canvas_name, pixel_size_of
from app.state.canvas_readings import PixelSizeGiven, ReconstructionOpened
from app.state.reduce import reduce
from ptycho_engine.arrays import frozen_array
from ptycho_engine.artefacts.reconstruction import Reconstruction, read_reconstruction, write_reconstruction
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Canvas
from ptycho_engine.events import BundleLoaded, DatasetOpened
from tests.app.panels.scan_samples import DATASET_ID, letter_canvas, letter_dataset
from tests.app.samples import make_bundle


@pytest.fixture
def canvas() -> Canvas:
    return letter_canvas(letter_dataset())


def written(folder: Path, canvas: Canvas, **more: object) -> Path:
    path = folder / "run-7" / "reconstruction.npz"
    write_reconstruction(Reconstruction(canvas, None, 1.0, "letter", "net", **more), path)  # type: ignore[arg-type]
    return path


def open_it(path: Path, state: AppState) -> AppState:
    for event in EngineVerbs().open_file(path):
        assert isinstance(event, ReconstructionOpened)
        state = reduce(state, event)
    return state


def test_it_opens_as_the_current_canvas_and_is_named_by_its_folder(tmp_path: Path, canvas: Canvas) -> None:
    path = written(tmp_path, canvas)
    state = open_it(path, AppState())
    key = f"canvas:{path}"
    assert state.canvas_id == key
    assert state.canvas is state.canvases[key]
    np.testing.assert_array_equal(state.canvases[key].object_, canvas.object_)
    assert canvas_name(state, key) == "run-7/reconstruction"
    assert state.canvas_dataset_id is None
    state = reduce(state, DocumentClosed(key))
    assert not state.canvases
    assert not state.canvas_files


def test_it_belongs_to_the_open_scan_of_its_name_and_positions(tmp_path: Path, canvas: Canvas) -> None:
    scan = letter_dataset()
    path = written(tmp_path, replace(canvas, scan_positions=canvas.scan_positions[::-1]))
    assert open_it(path, reduce(AppState(), DatasetOpened(scan))).canvas_dataset_id == DATASET_ID
    elsewhere = replace(scan, scan_positions=frozen_array(scan.scan_positions + 1, np.float64))
    assert open_it(path, reduce(AppState(), DatasetOpened(elsewhere))).canvas_dataset_id is None


def test_what_the_network_drew_is_kept_beside_the_refined_canvas(tmp_path: Path, canvas: Canvas) -> None:
    path = tmp_path / "one.npz"
    drawn = replace(canvas, object_=frozen_array(canvas.object_ * 0.5, np.complex64))
    write_reconstruction(Reconstruction(canvas, drawn, 1.0, "letter", "net"), path)
    state = open_it(path, AppState())
    assert state.refinement is not None
    np.testing.assert_array_equal(state.refinement.network.object_, drawn.object_)


def test_the_pixel_size_comes_from_the_file_and_can_be_entered(tmp_path: Path, canvas: Canvas) -> None:
    path = written(tmp_path, canvas, pixel_size_m=1.5e-8)
    state = open_it(path, AppState())
    assert pixel_size_of(state, state.canvas_id, None) == 1.5e-8
    state = reduce(state, PixelSizeGiven(state.canvas_id or "", 2e-8))
    assert pixel_size_of(state, state.canvas_id, None) == 2e-8
    state = reduce(state, PixelSizeGiven(state.canvas_id or "", None))
    assert pixel_size_of(state, state.canvas_id, None) is None


def test_the_pixel_size_of_a_scan_holds_for_its_canvases() -> None:
    state = reduce(AppState(), DatasetOpened(replace(letter_dataset(), pixel_size_m=3e-8)))
    assert pixel_size_of(state, None, DATASET_ID) == 3e-8
    entered = reduce(state, PixelSizeGiven(DATASET_ID, 4e-8))
    assert pixel_size_of(entered, None, DATASET_ID) == 4e-8
    assert pixel_size_of(reduce(entered, PixelSizeGiven(DATASET_ID, None)), None, DATASET_ID) == 3e-8


def test_an_exported_canvas_keeps_the_pixel_size(tmp_path: Path, canvas: Canvas) -> None:
    path = tmp_path / "out.npz"
    list(EngineVerbs().export_canvas(CanvasExport(canvas, 1.0, "letter", "net", pixel_size_m=5e-9), path))
    assert read_reconstruction(path).pixel_size_m == 5e-9


def test_a_scan_that_is_opened_later_takes_up_its_reconstruction(tmp_path: Path, canvas: Canvas) -> None:
    state = reduce(open_it(written(tmp_path, canvas), AppState()), DatasetOpened(letter_dataset()))
    assert state.canvas_dataset_id == DATASET_ID
    assert state.canvas_datasets[state.canvas_id or ""] == DATASET_ID


@pytest.mark.parametrize("bundle_first", [True, False])
def test_it_is_linked_with_the_bundle_that_made_it(tmp_path: Path, canvas: Canvas, bundle_first: bool) -> None:
    path = written(tmp_path, canvas)
    maker = replace(make_bundle("net"), intensity_scale=1.0, model=ModelConfig(n=canvas.patch_side))
    state = AppState()
    if bundle_first:
        state = reduce(state, BundleLoaded(maker))
    state = open_it(path, state)
    if not bundle_first:
        assert state.canvas_bundle_id is None
        state = reduce(state, BundleLoaded(maker))
    assert state.canvas_bundle_id == state.bundle_id
    assert state.canvas_bundles[f"canvas:{path}"] == state.bundle_id


@pytest.mark.parametrize("other", [{"name": "other"}, {"intensity_scale": 1.1}])
def test_another_bundle_is_not_taken_for_its_own(tmp_path: Path, canvas: Canvas, other: dict[str, Any]) -> None:
    maker = replace(make_bundle("net"), intensity_scale=1.0, model=ModelConfig(n=canvas.patch_side))
    state = reduce(AppState(), BundleLoaded(replace(maker, **other)))
    assert open_it(written(tmp_path, canvas), state).canvas_bundle_id is None


def test_closing_it_can_be_undone_with_its_name(tmp_path: Path, canvas: Canvas) -> None:
    path = written(tmp_path, canvas)
    state = reduce(open_it(path, AppState()), DocumentClosed(f"canvas:{path}"))
    state = reduce(state, CloseUndone())
    assert canvas_name(state, f"canvas:{path}") == "run-7/reconstruction"
