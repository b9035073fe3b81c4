import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine import inference_job
from ptycho_engine.arrays import FloatArray, IndexArray
from ptycho_engine.artefacts.patch_stats_file import read_patch_stats
from ptycho_engine.artefacts.reconstruction import read_reconstruction
from ptycho_engine.config import InferConfig, ModelConfig
from ptycho_engine.documents import Bundle, Dataset, Rectangle
from ptycho_engine.errors import BundleError, ConfigError, DatasetError
from ptycho_engine.events import (
    CanvasUpdated,
    EngineEvent,
    InferenceCompleted,
    JobStarted,
    MetricsMeasured,
    PatchPreview,
    Progressed,
    StatsMeasured,
)
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.inference import infer
from ptycho_engine.inference_job import known_object, prepare_inference
from ptycho_engine.inference_stitch import union
from ptycho_engine.models.pinn import build_network, initialise_transparent, state_of
from ptycho_engine.physics.scaling import dataset_input_scale
from ptycho_engine.runs.run_folder import read_run
from tests.helpers.tiny_scan import tiny_scan

CPU = InferConfig(accelerator="cpu", batch_size=5)


def _bundle(gridsize: int = 1, amplitude: float = 3.0) -> Bundle:
    model = ModelConfig(gridsize=gridsize, architecture="full_patch_cnn", n_filters_scale=1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = build_network(model)
        initialise_transparent(network, model, amplitude)
    return Bundle("tiny", None, "2026-07", model, state_of(network), 9.88, "made up", input_scale=1.0, n_photons=1e5)


def _infer(gridsize: int = 1, dataset: Dataset | None = None, **settings: Any) -> list[EngineEvent]:
    keywords = {name: settings.pop(name) for name in ("out", "debug_dump", "ground_truth") if name in settings}
    return list(infer(dataset or tiny_scan(), _bundle(gridsize), replace(CPU, **settings), **keywords))


def _of(events: list[EngineEvent], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


class _TrueNetwork(torch.nn.Module):
    """Draws the true patches at network scale, whatever pattern it is shown: it knows them by their first pixels."""

    def __init__(self, dataset: Dataset, scale: float) -> None:
        super().__init__()
        assert dataset.object_ is not None
        patches = extract_patches(dataset.object_, dataset.scan_positions, dataset.n)
        self.patches = torch.from_numpy(patches * np.complex64(4.0 * scale))
        self.images = torch.from_numpy(dataset.diffraction(slice(None)) * np.float32(scale))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.reshape(-1, *images.shape[-2:])
        known = torch.stack([torch.argmin((self.images - one).abs().sum(dim=(1, 2))) for one in flat])
        return self.patches[known].reshape(images.shape)


@pytest.fixture
def true_network(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = tiny_scan()
    scale = dataset_input_scale(dataset)
    monkeypatch.setattr(inference_job, "build_model", lambda *_: _TrueNetwork(dataset, scale))


def test_bf16_draws_nearly_the_same() -> None:
    exact, half = (_infer(fit_ramp=False, precision=one)[-1].canvas for one in ("32", "bf16"))  # type: ignore[union-attr]
    difference = np.abs(half.object_ - exact.object_).max() / np.abs(exact.object_).max()
    assert 0 < difference < 0.03


def test_events_of_an_inference_come_in_order() -> None:
    events = _infer(preview_interval_s=0.0)
    assert isinstance(events[0], JobStarted)
    assert isinstance(events[-1], InferenceCompleted)
    assert sorted({event.n_done for event in _of(events, Progressed)}) == [5, 10, 12]
    updates = _of(events, CanvasUpdated)
    assert updates[-1].n_done == updates[-1].n_total == 12
    assert updates[-1].damage == Rectangle(0, 0, *updates[-1].canvas.object_.shape)
    assert np.array_equal(events[-1].canvas.object_, updates[-1].canvas.object_)


@pytest.mark.usefixtures("true_network")
@pytest.mark.parametrize("gridsize", [1, 2])
def test_true_patches_give_the_true_object(gridsize: int) -> None:
    events = _infer(gridsize)
    completed = events[-1]
    assert isinstance(completed, InferenceCompleted)
    assert completed.metrics is not None
    assert completed.metrics.complex_correlation > 0.9999
    assert completed.metrics.amplitude_correlation > 0.999
    canvas, dataset = completed.canvas, tiny_scan()
    assert dataset.object_ is not None
    assert canvas.scale == "network"
    row, column = canvas.origin_px
    height, width = canvas.object_.shape
    truth = dataset.object_[row : row + height, column : column + width]
    inside = canvas.covered[: truth.shape[0], : truth.shape[1]]
    physical = canvas.object_[: truth.shape[0], : truth.shape[1]] / canvas.network_per_physical
    assert np.abs(physical - truth)[inside].max() < 0.02


@pytest.mark.parametrize("gridsize", [1, 2])
def test_every_position_is_covered(gridsize: int) -> None:
    completed = _infer(gridsize)[-1]
    assert isinstance(completed, InferenceCompleted)
    placed = {tuple(position) for position in completed.canvas.scan_positions}
    assert placed == {tuple(position) for position in tiny_scan().scan_positions}
    assert len(completed.canvas.scan_positions) == 12 * gridsize**2
    assert completed.canvas.crop == 32


def test_batch_size_and_device_pieces_do_not_matter() -> None:
    one, other = (_infer(batch_size=size)[-1] for size in (2, 12))
    assert isinstance(one, InferenceCompleted)
    assert isinstance(other, InferenceCompleted)
    np.testing.assert_allclose(one.canvas.object_, other.canvas.object_, rtol=2e-5, atol=2e-5)


def test_network_sees_the_scan_at_its_own_level() -> None:
    dataset = tiny_scan()
    bright = replace(dataset, frames=ArrayFrames(dataset.diffraction(slice(None)) * 37.0))
    one, other = _infer(dataset=dataset)[-1], _infer(dataset=bright)[-1]
    assert isinstance(one, InferenceCompleted)
    assert isinstance(other, InferenceCompleted)
    np.testing.assert_allclose(one.canvas.object_, other.canvas.object_, rtol=1e-4, atol=1e-5)
    assert one.canvas.network_per_physical == pytest.approx(37.0 * other.canvas.network_per_physical, rel=1e-5)


def test_previews_show_patches_where_they_lie() -> None:
    events = _infer(preview_interval_s=0.0, preview_count=7)
    last = _of(events, PatchPreview)[-1]
    assert last.phase == "inference"
    assert last.patches.shape == (7, 64, 64)
    np.testing.assert_array_equal(last.scan_positions, tiny_scan().scan_positions[last.frame_indices])
    assert last.predicted is not None
    assert len(_of(events, PatchPreview)[0].patches) < 7


def test_all_results_are_written(tmp_path: Path) -> None:
    out, dump = tmp_path / "out", tmp_path / "dump"
    events = _infer(2, out=out, debug_dump=dump, log_patch_stats=True, patch_stats_limit=2)
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names >= {
        "run.json", "events.jsonl", "metrics.json", "reconstruction.npz", "reconstructed_amplitude.png",
        "reconstructed_phase.png", "analysis/torch_patch_stats_inference.json",
        "analysis/torch_patch_grid_inference.png",
    }  # fmt: skip
    assert {path.name for path in dump.iterdir()} == {
        "canvas.json", "offsets.json", "stats.json", "pred_patches_amp_grid.png",
        "pred_patches_amp_grid_normalized.png",
    }  # fmt: skip
    completed = events[-1]
    assert isinstance(completed, InferenceCompleted)
    stored = read_reconstruction(out / "reconstruction.npz")
    np.testing.assert_array_equal(stored.canvas.object_, completed.canvas.object_)
    assert stored.intensity_scale == 9.88
    entries = read_patch_stats(out / "analysis" / "torch_patch_stats_inference.json")
    assert entries == [event.stats for event in _of(events, StatsMeasured)]
    assert [(entry.phase, entry.batch_size) for entry in entries] == [("inference", 5), ("inference", 5)]
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["metrics"]["n_pixels"] == _of(events, MetricsMeasured)[0].metrics.n_pixels
    assert json.loads((dump / "offsets.json").read_text())["count"] == 48
    assert read_run(out).state == "completed"
    assert _infer(2, out=out)[-1].run_folder == out  # type: ignore[union-attr]


def test_a_constant_object_is_no_truth() -> None:
    dataset = tiny_scan()
    ones = replace(dataset, object_=np.ones((90, 90), np.complex64))
    assert known_object(ones, "auto") is None
    assert known_object(dataset, "auto") is dataset.object_
    assert known_object(dataset, None) is None
    completed = _infer(dataset=ones)[-1]
    assert isinstance(completed, InferenceCompleted)
    assert completed.metrics is None


def test_a_part_of_the_groups_is_spread_over_the_scan() -> None:
    completed = _infer(n_groups=6)[-1]
    assert isinstance(completed, InferenceCompleted)
    assert len(completed.canvas.scan_positions) == 6


class _CountingFrames:
    """Counts how many patterns are held at once."""

    stored_dtype = "float32"

    def __init__(self, n_scan: int) -> None:
        self.shape = (n_scan, 64, 64)
        self.largest = 0

    def read(self, indices: IndexArray | slice) -> FloatArray:
        count = len(np.arange(self.shape[0])[indices])
        self.largest = max(self.largest, count)
        return np.ones((count, 64, 64), np.float32)


def test_patterns_that_do_not_fit_are_read_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ptycho_engine.batches.RESIDENT_FRACTION", 0.0)
    dataset = tiny_scan()
    frames = _CountingFrames(12)
    job = prepare_inference(replace(dataset, frames=frames), _bundle(), CPU, torch.device("cpu"))
    assert not job.batches.resident
    frames.largest = 0
    assert sum(len(one.groups) for one in job.predictions()) == 12
    assert frames.largest == 5


def test_cancelling_leaves_what_was_sent(tmp_path: Path) -> None:
    events = infer(tiny_scan(), _bundle(), replace(CPU, preview_interval_s=0.0), out=tmp_path)
    update = next(event for event in events if isinstance(event, CanvasUpdated))
    before = update.canvas.object_.copy()
    events.close()
    assert np.array_equal(update.canvas.object_, before)
    assert update.n_done == 5
    assert read_run(tmp_path).state == "stopped"


@pytest.mark.usefixtures("true_network")
def test_the_mirrored_mode_is_wrong_on_purpose() -> None:
    mirrored, right = _infer(compatibility="2026-07")[-1], _infer()[-1]
    assert isinstance(mirrored, InferenceCompleted)
    assert isinstance(right, InferenceCompleted)
    assert mirrored.metrics is not None
    assert right.metrics is not None
    assert mirrored.metrics.amplitude_correlation < 0.9 < right.metrics.amplitude_correlation


def test_refinement_comes_closer_to_the_object(tmp_path: Path) -> None:
    events = _infer(refine=40, out=tmp_path)
    before, after = json.loads((tmp_path / "metrics.json").read_text())["network_metrics"], events[-1]
    assert isinstance(after, InferenceCompleted)
    assert after.metrics is not None
    assert after.metrics.complex_correlation > before["complex_correlation"]
    assert after.metrics.amplitude_correlation > before["amplitude_correlation"] + 0.1
    stored = read_reconstruction(tmp_path / "reconstruction.npz")
    assert stored.network_canvas is not None
    assert not np.array_equal(stored.network_canvas.object_, stored.canvas.object_)


def test_inputs_that_do_not_fit_are_refused() -> None:
    small = Dataset("s", None, ArrayFrames(np.ones((4, 32, 32))), np.zeros((4, 2)), np.ones((1, 32, 32), np.complex64))
    with pytest.raises(BundleError, match="64 px"):
        _infer(dataset=small)
    with pytest.raises(ConfigError, match="crop"):
        _infer(crop=66)
    with pytest.raises(DatasetError, match="no photons"):
        _infer(dataset=replace(tiny_scan(), frames=ArrayFrames(np.zeros((12, 64, 64)))))


def test_union_of_rectangles() -> None:
    assert union(Rectangle(0, 0, 0, 0), Rectangle(3, 4, 5, 6)) == Rectangle(3, 4, 5, 6)
    assert union(Rectangle(0, 8, 2, 2), Rectangle(3, 4, 5, 6)) == Rectangle(0, 4, 8, 6)
