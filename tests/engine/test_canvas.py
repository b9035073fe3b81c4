"""Stitching: reference values, orientation, conservation, and the way back from an object to its patches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.documents import Canvas
from ptycho_engine.errors import InputError
from ptycho_engine.geometry import scatter_sum
from ptycho_engine.geometry.canvas import CanvasStitcher, extract_patches, stitch_weights
from ptycho_engine.geometry.scatter_sum import ScatterSum


def stitched(
    patches: NDArray[Any], positions: NDArray[Any], crop: int, weights: NDArray[np.float32] | None = None
) -> Canvas:
    stitcher = CanvasStitcher(positions, patches.shape[-1], crop, weights)
    stitcher.add(patches, positions)
    return stitcher.canvas("network", 1.0)


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> dict[str, NDArray[Any]]:
    return dict(np.load(golden_dir / "vectors" / "reassembly_6patches.npz"))


@pytest.mark.parametrize("crop", [8, 16])
def test_uniform_stitch_is_upstreams_once_its_mirrored_offsets_are_turned(
    crop: int, golden: dict[str, NDArray[Any]]
) -> None:
    positions = golden["coords_xy"][:, ::-1].astype(np.float64)
    theirs = golden[f"infer_crop{crop}_canvas"]
    # Their canvas is centred on the mean position.
    mirrored = len(theirs) / 2 - (positions - positions.mean(axis=0))
    canvas = stitched(golden["patches"], mirrored, crop)
    np.testing.assert_allclose(on_canvas(canvas, theirs.shape), theirs, atol=1e-5)


def on_canvas(canvas: Canvas, shape: tuple[int, ...], what: str = "object_") -> NDArray[Any]:
    """Return the canvas, or its weight, on an array whose pixel [0, 0] is object pixel (0, 0)."""
    values = getattr(canvas, what)
    result = np.zeros((shape[0] + 8, shape[1] + 8), values.dtype)
    row, column = canvas.origin_px
    result[row : row + values.shape[0], column : column + values.shape[1]] = values
    return result[: shape[0], : shape[1]]


@pytest.mark.parametrize("kind", ["uniform", "probe"])
def test_stitch_with_weights_is_upstreams_barycentric_one(kind: str, golden: dict[str, NDArray[Any]]) -> None:
    positions = golden["bary_positions_px"][:, ::-1].astype(np.float64)
    weights = np.square(np.abs(golden["probe"][4:12, 4:12])).astype(np.float32) if kind == "probe" else None
    canvas = stitched(golden["patches"], positions, 8, weights)
    shape = golden["bary_uniform_canvas"].shape
    np.testing.assert_allclose(on_canvas(canvas, shape, "weight"), golden[f"bary_{kind}_weights"], atol=1e-5)
    np.testing.assert_allclose(on_canvas(canvas, shape), golden[f"bary_{kind}_canvas"], atol=1e-5)


def letter_f() -> ComplexArray:
    """Return an object that no flip and no transposition leaves as it is."""
    object_ = np.full((90, 110), 0.2 + 0j, np.complex64)
    object_[20:70, 30:38] = 1
    object_[20:28, 30:70] = 1
    object_[42:50, 30:56] = 1j
    return object_


def test_a_letter_is_read_the_right_way_round() -> None:
    object_ = letter_f()
    rows, columns = np.mgrid[16:75:7, 16:95:7]
    positions = np.stack([rows.ravel(), columns.ravel()], axis=1).astype(np.float64)
    patches = np.stack([object_[y - 16 : y + 16, x - 16 : x + 16] for y, x in positions.astype(int)])
    canvas = stitched(patches, positions, 32)
    row, column = canvas.origin_px
    height, width = canvas.object_.shape
    there = canvas.covered
    truth = np.pad(object_, 40)[40 + row : 40 + row + height, 40 + column : 40 + column + width]
    assert there.sum() > 5000
    np.testing.assert_allclose(canvas.object_[there], truth[there], atol=1e-6)
    for wrong in (-positions, positions[:, ::-1], positions * [1, -1]):
        mirrored = stitched(patches, wrong, 32)
        if mirrored.object_.shape == truth.shape:
            assert np.abs(mirrored.object_ - truth)[there].max() > 0.5


def correlation_with_truth(object_: ComplexArray, patches: ComplexArray, placed: PositionArray) -> float:
    canvas = stitched(patches, placed, 32)
    rows, columns = np.nonzero(canvas.covered)
    y, x = rows + canvas.origin_px[0], columns + canvas.origin_px[1]
    inside = (y >= 0) & (x >= 0) & (y < object_.shape[0]) & (x < object_.shape[1])
    ours = np.abs(canvas.object_[rows[inside], columns[inside]])
    return float(np.corrcoef(ours, np.abs(object_[y[inside], x[inside]]))[0, 1])


def test_the_true_patches_of_the_real_scan_stitch_to_its_object(run1084_dir: Path) -> None:
    raw = np.load(run1084_dir / "run1084_experiment.npz")
    object_ = raw["objectGuess"].astype(np.complex64)
    positions = np.stack([raw["ycoords"], raw["xcoords"]], axis=1)
    patches = extract_patches(object_, positions, 64)
    mean = positions.mean(axis=0)
    assert correlation_with_truth(object_, patches, positions) >= 0.98
    assert correlation_with_truth(object_, patches, 2 * mean - positions) < 0.5
    assert correlation_with_truth(object_, patches, (positions - mean)[:, ::-1] + mean) < 0.5
    assert correlation_with_truth(object_, patches, positions * [1, -1] + [0, 2 * mean[1]]) < 0.5


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    count=st.integers(1, 80),
    crop=st.integers(1, 12),
    kind=st.sampled_from(["uniform", "central"]),
)
def test_stitching_in_parts_is_four_whole_shifts_of_each_patch(seed: int, count: int, crop: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    positions = random.random((count, 2)) * 30 - 5
    positions[::3] = np.rint(positions[::3])
    patches = (random.standard_normal((count, 12, 12)) + 1j * random.standard_normal((count, 12, 12))).astype(
        np.complex64
    )
    weights = stitch_weights(kind, crop)
    stitcher = CanvasStitcher(positions, 12, crop, weights)
    half = count // 2
    stitcher.add(patches[:half], positions[:half])
    stitcher.add(patches[half:], positions[half:])
    canvas = stitcher.canvas("physical", 2.0)
    total = np.zeros((80, 80), complex)
    weight = np.zeros((80, 80))
    start = 6 - crop // 2
    for patch, (y, x) in zip(patches[:, start : start + crop, start : start + crop], positions, strict=True):
        top, left = y + 20 - crop // 2, x + 20 - crop // 2
        for down, right in np.ndindex(2, 2):
            fy, fx = top % 1, left % 1
            share = (fy if down else 1 - fy) * (fx if right else 1 - fx) * weights
            row, column = int(top) + down, int(left) + right
            total[row : row + crop, column : column + crop] += share * patch
            weight[row : row + crop, column : column + crop] += share
    row, column = canvas.origin_px[0] + 20, canvas.origin_px[1] + 20
    height, width = canvas.weight.shape
    inside = (slice(row, row + height), slice(column, column + width))
    np.testing.assert_allclose(canvas.weight, weight[inside], atol=1e-4)
    np.testing.assert_allclose(canvas.weight.sum(), weight.sum(), rtol=1e-4)
    np.testing.assert_allclose(canvas.object_ * canvas.weight, total[inside], atol=1e-4)
    assert len(canvas.scan_positions) == count


def test_a_snapshot_does_not_change_and_damage_is_where_patches_fell() -> None:
    positions = np.array([[20.0, 20.0], [60.5, 80.25]])
    stitcher = CanvasStitcher(positions, 16, 8)
    before = stitcher.canvas("network", 1.0)
    damage = stitcher.add(np.ones((1, 16, 16), np.complex64), positions[1:])
    after = stitcher.canvas("network", 1.0)
    assert not before.weight.any()
    rows, columns = np.nonzero(after.weight)
    assert (damage.row, damage.row + damage.height) == (rows.min(), rows.max() + 1)
    assert (damage.column, damage.column + damage.width) == (columns.min(), columns.max() + 1)
    assert after.origin_px[0] + damage.row == 56
    assert not after.object_.flags.writeable


def test_patches_off_the_canvas_are_counted_not_fatal() -> None:
    stitcher = CanvasStitcher(np.array([[0.0, 0.0], [10.0, 10.0]]), 16, 8)
    damage = stitcher.add(
        np.ones((4, 16, 16), np.complex64), np.array([[-3.0, 0.0], [np.nan, 1.0], [5.0, 99.0], [np.inf, 5.0]])
    )
    assert (damage.height, damage.width) == (0, 0)
    assert stitcher.canvas("network", 1.0).dropped == 4


def test_positions_too_far_apart_are_explained() -> None:
    with pytest.raises(InputError, match="too much for one canvas"):
        CanvasStitcher(np.array([[0.0, 0.0], [1e6, 1e6]]), 64, 32)
    with pytest.raises(InputError, match="not finite"):
        CanvasStitcher(np.array([[0.0, np.inf]]), 64, 32)


def test_extraction_at_whole_positions_is_slicing_with_zeros_outside() -> None:
    object_ = letter_f()
    patches = extract_patches(object_, np.array([[40.0, 50.0], [2.0, 108.0], [500.0, -500.0]]), 16)
    np.testing.assert_array_equal(patches[0], object_[32:48, 42:58])
    np.testing.assert_array_equal(patches[1][6:, :10], object_[0:10, 100:110])
    assert not patches[1][:6].any()
    assert not patches[1][:, 10:].any()
    assert not patches[2].any()


def test_extraction_between_pixels_is_bilinear() -> None:
    rows, columns = np.mgrid[0:50, 0:60]
    patch = extract_patches((rows + 100j * columns).astype(np.complex64), np.array([[20.25, 30.5]]), 8)[0]
    np.testing.assert_allclose(patch.real, np.arange(8)[:, None] + 16.25 + np.zeros(8), atol=1e-3)
    np.testing.assert_allclose(patch.imag, 100 * (np.arange(8) + 26.5) + np.zeros((8, 1)), atol=1e-3)


def test_weights() -> None:
    central = stitch_weights("central", 32)
    assert central.shape == (32, 32)
    assert central[16, 16] > 0.98
    assert central.min() > 0
    np.testing.assert_allclose(central, central.T)
    probe = np.zeros((2, 64, 64), np.complex64)
    probe[0, 30, 40] = 3j
    probe[1, 30, 40] = 4
    weights = stitch_weights("probe", 32, probe)
    assert divmod(int(weights.argmax()), 32) == (14, 24)
    with pytest.raises(ValueError, match="need the probe"):
        stitch_weights("probe", 32)
    with pytest.raises(ValueError, match="central, probe, uniform"):
        stitch_weights("other", 32)


def test_even_weights_are_exact_and_nothing_is_left_where_nothing_fell() -> None:
    positions = np.random.default_rng(5).uniform(0, 300, (400, 2))
    summed = ScatterSum(340, 340, np.ones((8, 8), np.float32))
    for part in np.array_split(positions, 3):
        summed.add(np.ones((len(part), 8, 8), np.complex64), part)
        assert summed.weight.any()
    expected = np.zeros((340, 340))
    for row, column in positions:
        # What a square covers of each pixel, along each axis.
        rows, columns = (
            np.clip(np.minimum(at + 8, np.arange(340) + 1) - np.maximum(at, np.arange(340)), 0, 1)
            for at in (row, column)
        )
        expected += np.outer(rows, columns)
    assert not summed.weight[expected == 0].any()
    np.testing.assert_allclose(summed.weight, expected, atol=3e-6)
    np.testing.assert_allclose(summed.total, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["uniform", "central"])
@pytest.mark.parametrize("side", [1, 6])
def test_a_patch_may_fill_the_canvas(kind: str, side: int) -> None:
    weights = stitch_weights(kind, side)
    summed = ScatterSum(side, side, weights)
    patch = np.arange(side * side).reshape(1, side, side).astype(np.complex64)
    assert summed.add(patch, np.zeros((1, 2))).tolist() == [True]
    assert summed.add(patch, np.full((1, 2), 0.25)).tolist() == [False]
    np.testing.assert_allclose(summed.weight, weights)
    np.testing.assert_allclose(summed.total, weights * patch[0])


@pytest.mark.parametrize("kind", ["uniform", "central"])
def test_a_crowd_lies_where_each_of_it_lies(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scatter_sum, "_CROWD", 1)  # Added in several parts.
    rng = np.random.default_rng(3)
    side, height, width = 6, 40, 30
    patches = rng.standard_normal((900, side, side)) + 1j * rng.standard_normal((900, side, side))
    corners = rng.uniform(0, [height - side - 1, width - side - 1], (900, 2))
    corners[0], corners[1], corners[2] = (height - side, width - side), (0, width - side), (4.25, 7)
    weights = stitch_weights(kind, side)
    summed = ScatterSum(height, width, weights)
    summed.add(patches.astype(np.complex64), corners)
    expected = np.zeros((height, width), np.complex128)
    for patch, corner in zip(patches * weights, corners, strict=True):
        rows, columns = (shares(at, side, size) for at, size in zip(corner, (height, width), strict=True))
        expected += rows.T @ patch @ columns
    np.testing.assert_allclose(summed.total, expected, atol=2e-4)


def shares(at: float, side: int, size: int) -> NDArray[np.float64]:
    """Return (side, size) what each of ``size`` pixels sees of each pixel of a patch that begins at ``at``."""
    apart: NDArray[np.float64] = np.abs(np.arange(size) - (at + np.arange(side)[:, None]))
    return np.clip(1 - apart, 0, None)


def test_what_is_not_a_number_in_a_crowd_stays_in_its_place() -> None:
    patches = np.ones((80, 4, 4), np.complex64)
    patches[0] = np.nan
    corners = np.tile([4.0, 5.0], (80, 1))
    corners[0] = 4.0, 12.0
    summed = ScatterSum(12, 16, np.ones((4, 4), np.float32))
    summed.add(patches, corners)
    there = np.zeros((12, 16), bool)
    there[4:8, 12:16] = True
    np.testing.assert_array_equal(np.isnan(summed.total), there)
    np.testing.assert_array_equal(summed.total[4:8, 5:9], 79)
