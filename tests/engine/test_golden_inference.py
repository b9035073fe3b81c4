"""The verb ``infer`` in the way of July 2026, against what that release made of its own bundles and the same scan."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.artefacts.patch_stats_file import read_patch_stats
from ptycho_engine.batches import GroupBatches
from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import InferConfig
from ptycho_engine.documents import Bundle, Canvas, Dataset
from ptycho_engine.events import EngineEvent, InferenceCompleted, StatsMeasured
from ptycho_engine.formats import read_dataset
from ptycho_engine.geometry.grouping import Grouping
from ptycho_engine.inference import infer
from ptycho_engine.inference_job import prepare_inference

pytestmark = pytest.mark.shared_data
CPU = InferConfig(accelerator="cpu", batch_size=64, preview_interval_s=3600.0)


def _infer(bundle: Bundle, dataset: Dataset, mode: str, **places: Any) -> list[EngineEvent]:
    return list(infer(dataset, bundle, replace(CPU, compatibility=mode, log_patch_stats=True), **places))


def _canvas(events: list[EngineEvent]) -> Canvas:
    completed = events[-1]
    assert isinstance(completed, InferenceCompleted)
    return completed.canvas


@dataclass(frozen=True)
class Uniform:
    """What the verb made, and the folder of what that release made."""

    events: list[EngineEvent]
    dump: Path
    golden: Path


@pytest.fixture(scope="module", params=["gs1", "gs2"])
def uniform(
    request: pytest.FixtureRequest, golden_dir: Path, run1084_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Uniform:
    golden, dump = golden_dir / str(request.param), tmp_path_factory.mktemp("debug_dump")
    bundle, dataset = read_bundle(golden / "wts.h5.zip"), read_dataset(run1084_dir / "run1084_test.npz")
    return Uniform(_infer(bundle, dataset, "2026-07", debug_dump=dump), dump, golden)


def test_the_uniform_canvas_of_july_2026_is_reproduced(uniform: Uniform) -> None:
    canvas = _canvas(uniform.events)
    with np.load(uniform.golden / "inference_uniform.npz") as golden:
        np.testing.assert_allclose(canvas.object_, golden["canvas"], atol=1e-4)
        np.testing.assert_array_equal(canvas.weight > 1e-6, golden["mask"])
        assert canvas.crop == int(golden["crop_size"])
    assert canvas.mode == "2026-07"


def test_statistics_of_july_2026_describe_its_canvas(uniform: Uniform) -> None:
    recorded = read_patch_stats(uniform.golden / "inference_uniform" / "analysis" / "torch_patch_stats.json")
    written = [event.stats for event in uniform.events if isinstance(event, StatsMeasured)]
    assert len(recorded) == len(written) == 1
    assert (written[0].phase, written[0].batch_idx, written[0].batch_size) == ("inference", 0, 1)
    for name in ("global_mean", "global_std", "var_zero_mean"):
        assert getattr(written[0], name) == pytest.approx(getattr(recorded[0], name), rel=1e-5), name
    np.testing.assert_allclose(written[0].per_patch, recorded[0].per_patch, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["stats", "offsets", "canvas"])
def test_the_debug_dump_of_july_2026_is_reproduced(name: str, uniform: Uniform) -> None:
    recorded, written = (
        json.loads((folder / f"{name}.json").read_text()) for folder in (uniform.golden / "debug_dump", uniform.dump)
    )
    assert set(recorded) <= set(written)
    # The recorded means of offsets are what rounding in single precision leaves of zero.
    for key, value in recorded.items():
        if key == "first_offsets_px":
            pairs = [[(one["dx"], one["dy"]) for one in source[key]] for source in (written, recorded)]
            np.testing.assert_allclose(pairs[0], pairs[1], rtol=1e-5)
        else:
            assert written[key] == pytest.approx(value, rel=1e-5, abs=1e-5), key


def test_the_barycentric_canvas_of_july_2026_is_reproduced(golden_dir: Path, run1084_dir: Path) -> None:
    bundle, dataset = read_bundle(golden_dir / "gs1" / "wts.h5.zip"), read_dataset(run1084_dir / "run1084_test.npz")
    events = _infer(bundle, dataset, "2026-07-barycentric")
    canvas = _canvas(events)
    with np.load(golden_dir / "gs1" / "inference_barycentric.npz") as golden:
        np.testing.assert_allclose(canvas.object_, golden["canvas"], atol=1e-4)
        assert len(canvas.scan_positions) == int(golden["n_groups"])
        np.testing.assert_allclose(canvas.scan_positions.mean(axis=0), golden["scan_com"][::-1], atol=1e-4)
        scale = float(golden["input_scale"].ravel()[0])
    assert canvas.network_per_physical == pytest.approx(4 * scale, rel=1e-6)
    assert canvas.mode == "2026-07-barycentric"


def test_barycentric_patches_at_gridsize_two_are_reproduced(golden_dir: Path, run1084_dir: Path) -> None:
    """The groups of that release were drawn without a seed: its first eight are known, the others are not."""
    bundle, dataset = read_bundle(golden_dir / "gs2" / "wts.h5.zip"), read_dataset(run1084_dir / "run1084_test.npz")
    config = replace(CPU, compatibility="2026-07-barycentric")
    job = prepare_inference(dataset, bundle, config, torch.device("cpu"))
    with np.load(golden_dir / "gs2" / "inference_barycentric.npz") as golden:
        shown, patches, n_groups = golden["x_first8"], golden["patches"], int(golden["n_groups"])
        offsets, scan_com, shape = golden["positions_first8"], golden["scan_com"], golden["canvas"].shape
    assert job.batches.grouping.n_groups == n_groups
    every = dataset.diffraction(slice(None))
    members = np.array([[int(np.argmin(np.abs(every - one).sum(axis=(1, 2)))) for one in group] for group in shown])
    places = dataset.scan_positions[members]
    centred = places - places.mean(axis=1, keepdims=True)
    # Upstream keeps centre minus position, (x, y).
    np.testing.assert_allclose(-centred[..., ::-1], offsets[:, :, 0], atol=1e-4)
    known = Grouping(members, places.mean(axis=1), centred)
    batches = GroupBatches(dataset, known, job.input_scale, job.device, len(members))
    (predicted,) = replace(job, batches=batches).predictions()
    np.testing.assert_allclose(predicted.patches, patches, atol=1e-4)
    # Its members are those of which ours are drawn, and ours lie on a canvas of the same size about the same place.
    ours = job.batches.grouping.group_indices
    for first, group in zip((0, 0, 0, 0, 0, 0, 0, 7), members, strict=True):
        drawn = ours[first : first + 7]
        assert set(group.tolist()) <= set(drawn.ravel().tolist())
        assert all(len(set(one.tolist())) == 4 for one in drawn)
    assert job.mode is not None
    all_positions = dataset.scan_positions[ours].reshape(-1, 2)
    assert job.mode.stitcher(dataset, bundle, all_positions, config).canvas().object_.shape == shape
    np.testing.assert_allclose(all_positions.mean(axis=0), scan_com[::-1], atol=1.0)
