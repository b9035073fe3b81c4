"""Previews in a run folder: what is written comes back, and what cannot be a preview is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.errors import InputError
from ptycho_engine.events import PatchPreview
from ptycho_engine.runs.stored_previews import read_preview, write_preview

RNG = np.random.default_rng(0)
PREVIEW = PatchPreview(
    phase="train",
    step=7,
    patches=RNG.normal(size=(3, 8, 8)).astype(np.complex64),
    measured=RNG.random((3, 8, 8)).astype(np.float32),
    predicted=RNG.random((3, 8, 8)).astype(np.float32),
    frame_indices=np.array([4, 0, 2]),
    scan_positions=RNG.random((3, 2)),
    network_per_physical=2.5,
    intensity_scale=9.5,
)


@pytest.mark.parametrize("preview", [PREVIEW, replace(PREVIEW, predicted=None)])
def test_a_preview_comes_back_with_its_patterns(preview: PatchPreview, tmp_path: Path) -> None:
    write_preview(preview, tmp_path / "a.npz")
    again = read_preview(tmp_path / "a.npz")
    assert (again.step, again.network_per_physical, again.intensity_scale) == (7, 2.5, 9.5)
    for name in ("patches", "measured", "predicted", "frame_indices", "scan_positions"):
        np.testing.assert_array_equal(getattr(again, name), getattr(preview, name))


def test_of_an_older_version_there_are_no_patterns(tmp_path: Path) -> None:
    names = ("patches", "frame_indices", "scan_positions", "step", "network_per_physical", "intensity_scale")
    np.savez(tmp_path / "a.npz", **{name: getattr(PREVIEW, name) for name in names})
    again = read_preview(tmp_path / "a.npz")
    assert (again.measured.shape, again.predicted) == ((0, 8, 8), None)


def test_patterns_of_another_shape_are_refused(tmp_path: Path) -> None:
    write_preview(replace(PREVIEW, measured=PREVIEW.measured[:2]), tmp_path / "a.npz")
    with pytest.raises(InputError, match="different shape"):
        read_preview(tmp_path / "a.npz")
