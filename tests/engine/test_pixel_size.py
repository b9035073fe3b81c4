"""The side of a pixel of the object, as files say it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_engine.formats import read_dataset


def written(folder: Path, **more: Any) -> Path:
    path = folder / "scan.npz"
    np.savez(
        path,
        diff3d=np.random.default_rng(0).random((4, 16, 16)).astype(np.float32),
        xcoords=np.arange(4.0),
        ycoords=np.arange(4.0),
        probeGuess=np.ones((16, 16), np.complex64),
        **more,
    )
    return path


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({}, None),
        ({"object_pixel_size_m": 2.5e-8}, 2.5e-8),
        ({"object_pixel_width_m": 1e-8, "object_pixel_height_m": 1e-8}, 1e-8),
        ({"probe_pixel_width_m": np.array([3e-8])}, 3e-8),
        ({"_metadata": json.dumps({"physics_parameters": {"object_pixel_size_m": 4e-8}})}, 4e-8),
        ({"_metadata": json.dumps({"object_pixel_size_m": True})}, None),
    ],
)
def test_it_is_read_where_the_file_says_it(tmp_path: Path, arrays: dict[str, Any], expected: float | None) -> None:
    dataset = read_dataset(written(tmp_path, **arrays))
    assert dataset.pixel_size_m == expected
    assert not [note for note in dataset.notes if "pixel size" in note]


@pytest.mark.parametrize(
    "arrays",
    [
        {"object_pixel_size_m": -1e-8},
        {"object_pixel_size_m": np.nan},
        {"object_pixel_width_m": 1e-8, "object_pixel_height_m": 2e-8},
    ],
)
def test_a_side_that_cannot_be_is_not_used_and_noted(tmp_path: Path, arrays: dict[str, Any]) -> None:
    dataset = read_dataset(written(tmp_path, **arrays))
    assert dataset.pixel_size_m is None
    assert any(note.startswith("The pixel size is not used") for note in dataset.notes)
