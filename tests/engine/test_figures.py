from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_engine.artefacts.figures import (
    shared_range,
    symmetric_range,
    write_canvas_pictures,
    write_normalized_patch_grid,
    write_patch_grid,
    z_score,
)
from ptycho_engine.artefacts.reconstruction import Reconstruction, read_reconstruction, write_reconstruction
from ptycho_engine.documents import Canvas
from ptycho_engine.errors import InputError


def _canvas() -> Canvas:
    rng = np.random.default_rng(0)
    object_ = (rng.random((20, 24)) * np.exp(1j * rng.random((20, 24)))).astype(np.complex64)
    weight = np.ones((20, 24), np.float32)
    weight[:3] = 0
    return Canvas(object_, weight, (-5, 7), rng.random((6, 2)), 16, 8, network_per_physical=3.5, mode="2025-11")


def _pixels(path: Path) -> NDArray[np.float32]:
    from matplotlib.image import imread

    return np.asarray(imread(path))


def test_one_bright_patch_does_not_rescale_the_others() -> None:
    patches = np.ones((300, 4, 4))
    patches[0] = 1000.0
    low, high = shared_range(patches)
    assert (low, high) == pytest.approx((0.999, 1.001))
    assert shared_range(np.full((2, 3, 3), np.nan)) == (0.0, 1.0)


def test_z_score_of_a_constant_patch_is_zero() -> None:
    patches = np.stack([np.full((8, 8), 0.1, np.float32), np.arange(64, dtype=np.float32).reshape(8, 8)])
    normalised = z_score(patches)
    assert not normalised[0].any()
    assert normalised[1].mean() == pytest.approx(0.0, abs=1e-12)
    assert normalised[1].std() == pytest.approx(1.0)
    low, high = symmetric_range(normalised)
    assert low == -high < 0


def test_the_two_grids_differ_where_one_patch_is_dim(tmp_path: Path) -> None:
    texture = np.random.default_rng(0).random((8, 8))
    patches = np.stack([texture, 1e-3 * texture])
    write_patch_grid(patches, tmp_path / "plain.png")
    write_normalized_patch_grid(patches, tmp_path / "normalized.png")
    plain, normalised = _pixels(tmp_path / "plain.png"), _pixels(tmp_path / "normalized.png")
    assert plain.shape == normalised.shape
    assert np.abs(plain - normalised).max() > 0.1


def test_canvas_pictures_are_written(tmp_path: Path) -> None:
    files = write_canvas_pictures(_canvas(), tmp_path)
    assert [path.name for path in files] == ["reconstructed_amplitude.png", "reconstructed_phase.png"]
    assert all(_pixels(path).std() > 0.01 for path in files)
    # Nothing but the name of the compatibility mode sets the next ones apart.
    plain = write_canvas_pictures(replace(_canvas(), mode="none"), tmp_path / "plain")
    assert all(not np.array_equal(_pixels(one), _pixels(other)) for one, other in zip(files, plain, strict=True))


def test_reconstruction_reads_back(tmp_path: Path) -> None:
    canvas = _canvas()
    written = Reconstruction(canvas, canvas, 9.88, "scan", "wts")
    write_reconstruction(written, tmp_path / "reconstruction.npz")
    read = read_reconstruction(tmp_path / "reconstruction.npz")
    np.testing.assert_array_equal(read.canvas.object_, canvas.object_)
    np.testing.assert_array_equal(read.canvas.weight, canvas.weight)
    np.testing.assert_array_equal(read.canvas.scan_positions, canvas.scan_positions)
    assert read.network_canvas is not None
    assert (read.canvas.origin_px, read.canvas.mode, read.canvas.network_per_physical) == ((-5, 7), "2025-11", 3.5)
    assert (read.intensity_scale, read.dataset, read.bundle) == (9.88, "scan", "wts")


def test_a_file_that_is_no_reconstruction_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.savez(tmp_path / "objects.npz", canvas=np.array([{}], object))
    for name in ("text.npz", "other.npz", "objects.npz", "missing.npz"):
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            read_reconstruction(tmp_path / name)
