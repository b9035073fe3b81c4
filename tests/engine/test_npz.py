"""Reading and writing scans as NumPy archives: every layout of the contract, and every way to be wrong."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_engine.errors import DatasetError, OutputError
from ptycho_engine.formats import read_dataset, read_experiment, write_dataset
from ptycho_engine.formats.npz_writer import NpzWriter
from ptycho_engine.formats.zip_members import NotAnArray, parse_npy_header

N = 8


def scan(n_scan: int = 5, **changes: Any) -> dict[str, Any]:
    """Return the arrays of a small valid file, with changes; a value of None leaves the array out."""
    random = np.random.default_rng(1)
    arrays: dict[str, Any] = {
        "diff3d": random.random((n_scan, N, N), dtype=np.float32),
        "xcoords": np.linspace(10, 20, n_scan),
        "ycoords": np.linspace(30, 50, n_scan),
        "probeGuess": random.random((N, N)) + 1j * random.random((N, N)),
        "objectGuess": (random.random((64, 70)) + 0.5j).astype(np.complex64),
    }
    arrays.update(changes)
    return {key: value for key, value in arrays.items() if value is not None}


def saved(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path, **arrays)
    return path


def test_the_real_scan(run1084_dir: Path) -> None:
    dataset = read_dataset(run1084_dir / "run1084_train.npz")
    raw = np.load(run1084_dir / "run1084_train.npz")
    assert (dataset.name, dataset.n_scan, dataset.n) == ("run1084_train", 816, 64)
    assert dataset.measurement == "amplitude"
    assert dataset.n_photons is None
    np.testing.assert_array_equal(dataset.scan_positions, np.stack([raw["ycoords"], raw["xcoords"]], axis=1))
    np.testing.assert_array_equal(dataset.diffraction(np.array([700, 3])), raw["diff3d"][[700, 3]])
    np.testing.assert_array_equal(dataset.probe[0], raw["probeGuess"])
    assert dataset.object_ is not None
    assert dataset.object_.shape == (227, 226)
    assert not dataset.probe.flags.writeable
    assert {info.key: info.role for info in dataset.arrays}["diff3d"] == "diffraction"
    ranges = {info.key: info.value_range for info in dataset.arrays}
    assert ranges["diff3d"] is None  # 13 MB: told when its patterns are read
    assert ranges["xcoords"] == (raw["xcoords"].min(), raw["xcoords"].max())
    assert ranges["probeGuess"] == pytest.approx((np.abs(raw["probeGuess"]).min(), np.abs(raw["probeGuess"]).max()))


def test_an_experiment_without_patterns_is_no_scan_but_can_be_simulated_from(run1084_dir: Path) -> None:
    path = run1084_dir / "run1084_experiment.npz"
    with pytest.raises(DatasetError, match="simulate"):
        read_dataset(path)
    experiment = read_experiment(path)
    assert experiment.probe.shape == (1, 64, 64)
    assert experiment.object_.shape == (227, 226)
    assert experiment.scan_positions.shape == (1087, 2)
    assert read_experiment(run1084_dir / "run1084_val.npz").scan_positions.shape == (64, 2)


FRAMES = scan()["diff3d"]
LAYOUTS = [
    pytest.param(FRAMES, id="as it should be"),
    pytest.param(FRAMES.transpose(1, 2, 0), id="patterns last"),
    pytest.param(np.ascontiguousarray(FRAMES.transpose(1, 2, 0)), id="patterns last, C order"),
    pytest.param(np.asfortranarray(FRAMES), id="first index fastest"),
    pytest.param(FRAMES[..., None], id="trailing axis"),
    pytest.param(FRAMES.astype(np.float64), id="float64"),
    pytest.param(FRAMES.astype(">f4"), id="big endian"),
]


@pytest.mark.parametrize("stored", LAYOUTS)
@pytest.mark.parametrize("key", ["diff3d", "diffraction"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_layout_reads_the_same(stored: NDArray[Any], key: str, compressed: bool, tmp_path: Path) -> None:
    arrays = scan(diff3d=None) | {key: stored}
    (np.savez_compressed if compressed else np.savez)(tmp_path / "s.npz", **arrays)
    dataset = read_dataset(tmp_path / "s.npz")
    assert dataset.frames.read(slice(None)).dtype == np.float32
    np.testing.assert_array_equal(dataset.frames.read(slice(None)), FRAMES)


def test_as_many_patterns_as_pixels_are_taken_in_the_modern_order(tmp_path: Path) -> None:
    arrays = scan(N)
    dataset = read_dataset(saved(tmp_path / "s.npz", arrays))
    np.testing.assert_array_equal(dataset.frames.read(slice(None)), arrays["diff3d"])


@pytest.mark.parametrize(("shape", "n_modes"), [((N, N), 1), ((N, N, 1), 1), ((3, N, N), 3), ((1, N, N), 1)])
def test_probe_shapes(shape: tuple[int, ...], n_modes: int, tmp_path: Path) -> None:
    probe = np.random.default_rng(0).random(shape) * np.exp(1j)
    dataset = read_dataset(saved(tmp_path / "s.npz", scan(probeGuess=probe)))
    assert dataset.probe.dtype == np.complex64
    np.testing.assert_allclose(dataset.probe, probe.reshape(n_modes, N, N), rtol=1e-6)


def test_counts_are_recognised_and_read_as_amplitude(tmp_path: Path) -> None:
    counts = (7 * np.arange(5 * N * N)).reshape(5, N, N).astype(np.uint16)
    dataset = read_dataset(saved(tmp_path / "s.npz", scan(diff3d=counts)))
    assert dataset.measurement == "intensity"
    assert any("counts" in note for note in dataset.notes)
    np.testing.assert_allclose(dataset.diffraction(np.array([4])), np.sqrt(counts[[4]]), rtol=1e-6)


@pytest.mark.parametrize("as_text", [False, True])
def test_metadata_give_photons_and_the_kind_of_measurement(as_text: bool, tmp_path: Path) -> None:
    text = '{"physics_parameters": {"nphotons": 1e5, "measurement_domain": "count_intensity"}}'
    metadata = np.array(text) if as_text else np.array(text, dtype=object)
    dataset = read_dataset(saved(tmp_path / "s.npz", scan(_metadata=metadata)))
    assert dataset.n_photons == 1e5
    assert dataset.measurement == "intensity"
    assert dataset.notes == ()


def test_odd_arrays_and_members_are_listed_never_fatal(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "s.npz",
        scan(
            objects=np.array([{"a": 1}, None], dtype=object),
            table=np.zeros(3, dtype=[("a", "f4"), ("b", "i2")]),
            words=np.array(["a", "bc"]),
            _metadata=np.array({"not": "a text"}, dtype=object),
        ),
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "hello")
        archive.writestr("broken.npy", b"\x93NUMPY\x01\x00")
    dataset = read_dataset(path)
    kinds = {info.key: info.dtype for info in dataset.arrays}
    assert kinds["notes.txt"] == "not an array"
    assert kinds["table.npy"] == "structured array"
    assert kinds["objects"] == "object"
    assert any("_metadata" in note for note in dataset.notes)


def test_an_object_of_ones_or_of_a_strange_shape_is_no_object(tmp_path: Path) -> None:
    for number, object_ in enumerate((np.ones((20, 20), complex), np.zeros((3, 20, 20)), np.full((9, 9), np.nan))):
        dataset = read_dataset(saved(tmp_path / f"{number}.npz", scan(objectGuess=object_)))
        assert dataset.object_ is None
        assert any("objectGuess" in note for note in dataset.notes)


def test_the_fingerprint_tells_files_apart(tmp_path: Path) -> None:
    first = read_dataset(saved(tmp_path / "a.npz", scan()))
    assert first.fingerprint == read_dataset(tmp_path / "a.npz").fingerprint
    saved(tmp_path / "a.npz", scan(scan_index=np.arange(5)))
    assert first.fingerprint != read_dataset(tmp_path / "a.npz").fingerprint


WRONG = [
    ({"diff3d": None, "objectGuess": None}, "diff3d"),
    ({"diff3d": None}, "no diffraction patterns"),
    ({"xcoords": None}, "xcoords"),
    ({"probeGuess": None}, "probeGuess"),
    ({"xcoords": np.zeros(4), "ycoords": np.zeros(4)}, "5 patterns but 4 positions"),
    ({"xcoords": np.zeros(4)}, "4 xcoords but 5 ycoords"),
    ({"ycoords": np.array([1, np.nan, 2, np.inf, 3])}, "2 of 5 positions"),
    ({"xcoords": np.zeros((5, 2))}, r"\(5, 2\)"),
    ({"xcoords": np.array(list("abcde"))}, "no numbers"),
    ({"diff3d": np.zeros((5, N, N + 1))}, "not square"),
    ({"diff3d": np.zeros((5, N))}, r"\(5, 8\)"),
    ({"diff3d": np.zeros((0, N, N))}, "empty"),
    ({"diff3d": np.zeros((5, N, N), complex)}, "complex128"),
    ({"probeGuess": np.ones((N + 2, N + 2), complex)}, "10 px wide but the patterns are 8"),
    ({"probeGuess": np.ones(N, complex)}, r"\(8,\)"),
    ({"probeGuess": np.full((N, N), np.nan)}, "not finite"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_a_scan_that_contradicts_itself_is_explained(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "bad scan.npz", scan(**changes))
    with pytest.raises(DatasetError, match=words) as caught:
        read_dataset(path)
    assert caught.value.file == str(path)
    assert caught.value.hint


def files_that_are_no_scan(folder: Path) -> dict[str, bytes]:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    whole = saved(folder / "whole.npz", scan()).read_bytes()
    return {
        "empty.npz": b"",
        "array.npy": buffer.getvalue(),
        "data.h5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "text.npz": b"hello, world\n" * 20,
        "cut.npz": whole[: len(whole) // 2],
        "head.npz": whole[:3],
        "nothing.npz": b"PK\x05\x06" + bytes(18),
        "\u202eodd.npz": bytes(range(256)),
    }


def test_files_of_other_kinds_are_refused_by_name(tmp_path: Path) -> None:
    for name, data in files_that_are_no_scan(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DatasetError) as caught:
            read_dataset(path)
        assert caught.value.file == str(path)
        assert caught.value.hint
    for path in (tmp_path, tmp_path / "missing.npz"):
        with pytest.raises(DatasetError):
            read_dataset(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_archives_are_refused(tmp_path: Path) -> None:
    def archive(name: str, *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w", method) as target:
            for member, data in members:
                target.writestr(member, data)
        return tmp_path / name

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (2**20, 2**10, 2**10)}
    )
    cases = {
        "announces": archive("huge.npz", ("diff3d.npy", header.getvalue())),
        "twice": archive("twice.npz", ("a.npy", b""), ("a.npy", b"")),
        "unknown method": archive("bzip2.npz", ("a.npy", bytes(100)), method=zipfile.ZIP_BZIP2),
    }
    encrypted = archive("locked.npz", ("a.npy", bytes(10)))
    data = bytearray(encrypted.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    encrypted.write_bytes(data)
    cases["encrypted"] = encrypted
    for words, path in cases.items():
        with pytest.raises(DatasetError, match=words):
            read_dataset(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_with_flipped_bytes_opens_or_is_explained(save: Any, tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    save(path, **scan(_metadata=np.array('{"a": 1}', dtype=object)))
    whole = path.read_bytes()
    random = np.random.default_rng(8)
    directory = whole.index(b"PK\x01\x02")
    refused = 0
    for number in range(150):
        data = bytearray(whole)
        for place in random.integers(directory if number % 2 else 0, len(data), 3):
            data[place] = random.integers(0, 256)
        path.write_bytes(data)
        try:
            read_dataset(path).diffraction(slice(None))
        except DatasetError:
            refused += 1
    assert refused > 50


def test_a_member_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    arrays = scan()
    path = saved(tmp_path / "s.npz", arrays)
    data = bytearray(path.read_bytes())
    place = data.index(arrays["ycoords"].tobytes())
    data[place + 3] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="checksum"):
        read_dataset(path)


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}",
        "{'descr': '<V4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f16', 'fortran_order': False, 'shape': (3,)}",
        "__import__('os').system('true')",
        "(" * 3000,
        "[",
    ],
)
def test_odd_headers_are_no_arrays(text: str) -> None:
    body = text.encode()
    with pytest.raises(NotAnArray):
        parse_npy_header(b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body)


@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_written_is_read_again_and_by_numpy(compressed: bool, tmp_path: Path) -> None:
    arrays = scan()
    positions = np.stack([arrays["ycoords"], arrays["xcoords"]], axis=1)
    write_dataset(
        tmp_path / "s.npz",
        diffraction=arrays["diff3d"],
        scan_positions=positions,
        probe=arrays["probeGuess"].astype(np.complex64),
        object_=arrays["objectGuess"],
        n_photons=1e6,
        metadata={"made by": "a test"},
        compressed=compressed,
    )
    dataset = read_dataset(tmp_path / "s.npz")
    np.testing.assert_array_equal(dataset.scan_positions, positions)
    np.testing.assert_array_equal(dataset.diffraction(slice(None)), arrays["diff3d"])
    assert dataset.n_photons == 1e6
    assert dataset.metadata["made by"] == "a test"
    raw = np.load(tmp_path / "s.npz")
    assert raw["probeGuess"].shape == (N, N)
    np.testing.assert_array_equal(raw["xcoords"], arrays["xcoords"])
    np.testing.assert_array_equal(raw["scan_index"], np.zeros(5))


def write_a_part(path: Path) -> None:
    with NpzWriter(path) as writer:
        stack = writer.open_stack("diff3d", (5, N, N), np.float32)
        stack.write(np.zeros((2, N, N)))
        raise RuntimeError("stop")


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    path.write_bytes(b"precious")
    with pytest.raises(RuntimeError, match="stop"):
        write_a_part(path)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError), NpzWriter(tmp_path / "no" / "folder.npz"):
        pass
