"""The canvases of older releases, against what those releases made of given patches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_engine.documents import Canvas, Rectangle
from ptycho_engine.errors import InputError
from ptycho_engine.geometry.compatibility import (
    BarycentricStitcher,
    CompatibleStitcher,
    FirstPatchStitcher,
    MirroredStitcher,
)

PATCHES = np.ones((1, 64, 64), np.complex64)
POSITION = np.array([[100.0, 50.0]])


def _stitched(stitcher: CompatibleStitcher, patches: NDArray[np.complex64], positions: NDArray[np.float64]) -> Canvas:
    """Add patches two at a time, as they come in an inference."""
    for first in range(0, len(patches), 2):
        stitcher.add(patches[first : first + 2], positions[first : first + 2])
    return stitcher.canvas()


@pytest.fixture
def six(golden_dir: Path) -> dict[str, NDArray[np.generic]]:
    with np.load(golden_dir / "vectors" / "reassembly_6patches.npz") as golden:
        return dict(golden)


@pytest.mark.parametrize("crop", [8, 16])
def test_july_2026_on_six_patches(crop: int, six: dict[str, NDArray[np.complex64]]) -> None:
    positions = six["coords_xy"][:, ::-1].astype(np.float64)
    canvas = _stitched(MirroredStitcher(positions, 16, crop), six["patches"], positions)
    assert canvas.object_.shape == (int(six[f"infer_crop{crop}_M"].real),) * 2
    np.testing.assert_allclose(canvas.object_, six[f"infer_crop{crop}_canvas"], atol=1e-5)
    assert canvas.mode == "2026-07"


@pytest.mark.parametrize("weights", ["uniform", "probe"])
def test_the_barycentric_route_on_six_patches(weights: str, six: dict[str, NDArray[np.complex64]]) -> None:
    positions = six["coords_xy"][:, ::-1].astype(np.float64)
    probe = six["probe"][None] if weights == "probe" else None
    crop = int(six["bary_middle_trim"].real)
    canvas = _stitched(BarycentricStitcher(positions, 16, probe, crop), six["patches"], positions)
    np.testing.assert_allclose(canvas.object_, six[f"bary_{weights}_canvas"], atol=1e-5)
    recorded = np.abs(six[f"bary_{weights}_weights"])
    np.testing.assert_allclose(canvas.weight / canvas.weight.max(), recorded / recorded.max(), atol=1e-5)
    # The mean position, (42.9, 33.4), lies on the pixel in the middle.
    assert canvas.origin_px == (43 - 12, 33 - 12)
    assert canvas.mode == "2026-07-barycentric"


def test_november_2025_on_six_patches(golden_dir: Path, six: dict[str, NDArray[np.complex64]]) -> None:
    golden = np.load(golden_dir / "vectors" / "nov2025_reassembly_forward.npz")
    positions = six["coords_xy"][:, ::-1].astype(np.float64)
    shown = _stitched(FirstPatchStitcher(positions, 16), six["patches"], positions)
    np.testing.assert_allclose(shown.object_, golden["canvas_batchform_index0"], atol=1e-5)
    assert (shown.dropped, len(shown.scan_positions)) == (5, 1)
    meant = _stitched(FirstPatchStitcher(positions, 16, first_only=False), six["patches"], positions)
    np.testing.assert_allclose(meant.object_, golden["canvas_all6"], atol=1e-5)
    np.testing.assert_array_equal(meant.weight > 1e-6, golden["mask_all6"])


@pytest.mark.parametrize(
    ("stitcher", "side", "origin"),
    [
        (MirroredStitcher(POSITION, 64), 20, (90, 40)),
        (FirstPatchStitcher(POSITION, 64), 64, (68, 18)),
        (BarycentricStitcher(POSITION, 64), 64, (68, 18)),
    ],
)
def test_a_single_position_makes_a_small_canvas(
    stitcher: CompatibleStitcher, side: int, origin: tuple[int, int]
) -> None:
    damage = stitcher.add(PATCHES, POSITION)
    canvas = stitcher.canvas()
    assert canvas.object_.shape == (side, side)
    assert canvas.origin_px == origin
    changed = np.argwhere(canvas.weight > 0)
    inside = (changed >= (damage.row, damage.column)).all() and (
        changed < (damage.row + damage.height, damage.column + damage.width)
    ).all()
    assert inside
    assert stitcher.add(PATCHES[:0], POSITION[:0]) == Rectangle(0, 0, 0, 0)


@pytest.mark.parametrize("kind", [MirroredStitcher, FirstPatchStitcher, BarycentricStitcher])
def test_positions_that_are_not_in_pixels_are_refused(
    kind: Callable[[NDArray[np.float64], int], CompatibleStitcher],
) -> None:
    with pytest.raises(InputError, match="too much for one canvas"):
        kind(np.array([[0.0, 0.0], [1e7, 1e7]]), 64)
    with pytest.raises(InputError, match="not finite"):
        kind(np.array([[0.0, 0.0], [np.nan, 0.0]]), 64)


@pytest.mark.parametrize("kind", [MirroredStitcher, FirstPatchStitcher, BarycentricStitcher])
def test_whatever_changes_on_the_canvas_is_told(
    kind: Callable[[NDArray[np.float64], int], CompatibleStitcher],
) -> None:
    rng = np.random.default_rng(0)
    positions = rng.uniform(50, 110, (9, 2))
    patches = rng.normal(size=(9, 64, 64)).astype(np.complex64)
    stitcher = kind(positions, 64)
    seen = np.zeros_like(stitcher.canvas().object_)
    for first in range(0, 9, 3):
        damage = stitcher.add(patches[first : first + 3], positions[first : first + 3])
        part = (slice(damage.row, damage.row + damage.height), slice(damage.column, damage.column + damage.width))
        seen[part] = stitcher.canvas().object_[part]
    assert np.abs(seen).max() > 0
    np.testing.assert_array_equal(seen, stitcher.canvas().object_)
