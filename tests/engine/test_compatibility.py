"""The canvases of older releases, against what those releases made."""

from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.formats import read_dataset
from ptycho_engine.geometry.compatibility import stitch_2025_11, stitch_2026_07


@pytest.mark.parametrize("crop", [8, 16])
def test_july_2026_on_six_patches(crop: int, golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "reassembly_6patches.npz")
    canvas = stitch_2026_07(golden["patches"], golden["coords_xy"][:, ::-1], crop=crop)
    assert canvas.object_.shape == (int(golden[f"infer_crop{crop}_M"]),) * 2
    np.testing.assert_allclose(canvas.object_, golden[f"infer_crop{crop}_canvas"], atol=1e-5)
    assert canvas.mode == "2026-07"


@pytest.mark.parametrize("gridsize", [1, 2])
def test_july_2026_on_a_real_inference(gridsize: int, golden_dir: Path, run1084_dir: Path) -> None:
    golden = np.load(golden_dir / f"gs{gridsize}" / "inference_uniform.npz")
    dataset = read_dataset(run1084_dir / "run1084_test.npz")
    positions = np.repeat(dataset.scan_positions, gridsize**2, axis=0)
    np.testing.assert_allclose(positions - positions.mean(axis=0), golden["patch_offsets"][:, ::-1], atol=1e-4)
    known = golden["patches"].reshape(-1, 64, 64)
    patches = np.zeros((len(positions), 64, 64), np.complex64)
    patches[: len(known)] = known
    canvas = stitch_2026_07(patches, positions)
    assert canvas.object_.shape == golden["canvas"].shape
    # Only the first patches were kept: compare where no other patch fell.
    marked = patches * 0
    marked[len(known) :] = 1
    alone = (np.abs(stitch_2026_07(marked, positions).object_) < 1e-6) & (canvas.weight > 1e-3)
    assert alone.sum() > 100
    np.testing.assert_allclose(canvas.object_[alone], golden["canvas"][alone], atol=1e-4)
    np.testing.assert_array_equal(canvas.weight > 1e-6, golden["mask"])


def test_november_2025_on_six_patches(golden_dir: Path) -> None:
    patches = np.load(golden_dir / "vectors" / "reassembly_6patches.npz")
    golden = np.load(golden_dir / "vectors" / "nov2025_reassembly_forward.npz")
    positions = patches["coords_xy"][:, ::-1]
    shown = stitch_2025_11(patches["patches"], positions)
    np.testing.assert_allclose(shown.object_, golden["canvas_batchform_index0"], atol=1e-5)
    assert (shown.dropped, len(shown.scan_positions)) == (5, 1)
    meant = stitch_2025_11(patches["patches"], positions, first_only=False)
    np.testing.assert_allclose(meant.object_, golden["canvas_all6"], atol=1e-5)
    np.testing.assert_array_equal(meant.weight > 1e-6, golden["mask_all6"])


def test_a_single_position_makes_a_canvas_of_one_patch() -> None:
    patch = np.ones((1, 64, 64), np.complex64)
    position = np.array([[100.0, 50.0]])
    assert stitch_2026_07(patch, position).object_.shape == (20, 20)
    assert stitch_2026_07(patch, position).origin_px == (90, 40)
    assert stitch_2025_11(patch, position).object_.shape == (64, 64)
    assert stitch_2025_11(patch, position).origin_px == (68, 18)
