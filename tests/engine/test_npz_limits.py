"""What a scan may ask for is bounded, its metadata are one text, and numbers out of range are said."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.errors import DatasetError
from ptycho_engine.formats import read_dataset, zip_members
from ptycho_engine.inspection import inspect_file
from tests.engine.test_npz import N, saved, scan


def _as_metadata(path: Path, content: bytes) -> Path:
    """Write a scan whose ``_metadata`` is an array of objects with ``content`` as its pickle."""
    saved(path, scan())
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("_metadata.npy", header.getvalue() + content)
    return path


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", "would load os.system"),
        (pickle.dumps(np.array(["{}", "{}"], dtype=object), 4), "not as one text"),
        (pickle.dumps(np.array(["{}", 3], dtype=object), 4), "more than texts"),
        (pickle.dumps(np.array(3.0), 4), "the kind of an array that holds no text"),
        (pickle.dumps("{}", 4), "not as one text"),
        (pickle.dumps(np.array(["[" * 100_000], dtype=object), 4), "recursion"),
        (pickle.dumps(np.array(['{"physics_parameters": {"nphotons": ' + "9" * 400 + "}}"], dtype=object), 4), ""),
        (b"", "cut off"),
    ],
)
def test_pickled_metadata_are_one_text_or_not_used(content: bytes, reason: str, tmp_path: Path) -> None:
    dataset = read_dataset(_as_metadata(tmp_path / "s.npz", content))
    assert dataset.n_photons is None
    assert any("_metadata is not used" in note and reason in note for note in dataset.notes) == bool(reason)


def test_an_array_that_inflates_far_beyond_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_members, "RATIO_FREE_BYTES", 2**20)
    path = tmp_path / "s.npz"
    np.savez_compressed(path, **scan(objectGuess=np.zeros((700, 700), np.complex64)))
    with pytest.raises(DatasetError, match=r"objectGuess.npy would inflate \d+ bytes to 3920128"):
        read_dataset(path)
    np.savez_compressed(path, **scan(objectGuess=np.zeros((300, 300), np.complex64)))
    assert read_dataset(path).n_scan == 5


def test_patterns_wider_than_any_detector_are_refused_before_one_is_read(tmp_path: Path) -> None:
    side = 8200
    arrays = scan(1, probeGuess=np.ones((N, N), complex))
    path = tmp_path / "s.npz"
    np.savez_compressed(path, **(arrays | {"diff3d": np.zeros((1, side, side), np.int8)}))
    with pytest.raises(DatasetError, match="8200 px wide; at most 8192"):
        read_dataset(path)


def test_numbers_too_large_for_single_precision_are_not_finite(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not finite"):
        read_dataset(saved(tmp_path / "p.npz", scan(probeGuess=np.full((N, N), 1e300 + 0j))))
    dataset = read_dataset(saved(tmp_path / "o.npz", scan(objectGuess=np.full((64, 70), 1e300 + 0j))))
    assert dataset.object_ is None
    assert "not finite" in dataset.notes[-1]
    large = np.full((5, N, N), 1e300)
    for order in (large, np.asfortranarray(large)):
        assert np.isinf(read_dataset(saved(tmp_path / "d.npz", scan(diff3d=order))).diffraction(slice(0, 1))).all()


def test_patterns_that_are_not_finite_are_counted_not_averaged(tmp_path: Path) -> None:
    patterns = np.ones((5, N, N), np.float32)
    patterns[1, 0, 0], patterns[4] = np.nan, 0
    found = inspect_file(saved(tmp_path / "s.npz", scan(diff3d=patterns)), frames=True).summary["frames"]
    assert (found["n_not_finite"], found["n_empty"], found["total_max"]) == (1, 1, 64.0)
