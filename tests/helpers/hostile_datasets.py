"""Scans, arrays and reconstructions that would run something, ask for too much, or contradict themselves."""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.hostile_bundles import OPENS, RUN, Kind, named_call, packed

N = 8


def arrays(**changes: Any) -> dict[str, Any]:
    """Return the arrays of a small sound scan, with changes."""
    random = np.random.default_rng(1)
    return {
        "diff3d": random.random((5, N, N), dtype=np.float32),
        "xcoords": np.linspace(10, 20, 5),
        "ycoords": np.linspace(30, 50, 5),
        "probeGuess": random.random((N, N)) + 1j * random.random((N, N)),
        "objectGuess": (random.random((64, 70)) + 0.5j).astype(np.complex64),
    } | changes


def scan(*left_out: str, packed_small: bool = False, **changes: Any) -> Callable[[Path], Path]:
    """Return the maker of a scan with changed arrays."""

    def make(folder: Path) -> Path:
        kept = {key: value for key, value in arrays(**changes).items() if key not in left_out}
        (np.savez_compressed if packed_small else np.savez)(folder / "scan.npz", **kept)
        return folder / "scan.npz"

    return make


def npy(description: str, shape: str = "(5, 8, 8)", data: bytes = b"", order: str = "False") -> bytes:
    """Return an array whose header says whatever is wanted."""
    header = f"{{'descr': {description}, 'fortran_order': {order}, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def with_array(key: str, content: bytes) -> Callable[[Path], Path]:
    """Return the maker of a scan one of whose arrays is ``content``."""

    def make(folder: Path) -> Path:
        path = scan(key)(folder)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{key}.npy", content)
        return path

    return make


def bomb(make: Callable[[Path], Path], key: str) -> Callable[[Path], Path]:
    """Return the maker of an archive with another array: 141 MB of zeros, packed a thousandfold.

    The packed zeros are written as they are, and the two headers then say that they are packed.
    """
    n_blocks = 135
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    head = npy("'<c8'", f"({n_blocks}, {2**17})")
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    content = start + block * n_blocks + packer.flush()

    def write(folder: Path) -> Path:
        path = make(folder)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
            archive.writestr(f"{key}.npy", content)
            local = archive.getinfo(f"{key}.npy").header_offset
        data = bytearray(path.read_bytes())
        central = data.rindex(b"PK\x01\x02")
        for at, method, size in ((local, 8, 22), (central, 10, 24)):
            struct.pack_into("<H", data, at + method, zipfile.ZIP_DEFLATED)
            struct.pack_into("<I", data, at + size, len(head) + n_blocks * 2**20)
        path.write_bytes(data)
        return path

    return write


def _changed(change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = scan()(folder)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def _flag_encrypted(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def _twice(folder: Path) -> Path:
    path = folder / "scan.npz"
    content = io.BytesIO()
    np.save(content, arrays()["diff3d"])
    path.write_bytes(packed([("diff3d.npy", content.getvalue()), ("diff3d.npy", content.getvalue())]))
    return path


def _bzip2(folder: Path) -> Path:
    path = folder / "scan.npz"
    path.write_bytes(packed({"diff3d.npy": npy("'<f4'", data=bytes(1280))}, zipfile.ZIP_BZIP2))
    return path


def reconstruction(**changes: Any) -> Callable[[Path], Path]:
    """Return the maker of a reconstruction with changed arrays."""

    def make(folder: Path) -> Path:
        values: dict[str, Any] = {
            "canvas": np.zeros((4, 4), np.complex64), "weight": np.zeros((4, 4), np.float32),
            "origin_px": np.array([0, 0]), "scan_positions": np.zeros((1, 2)), "patch_side": 4, "crop": 2,
            "scale": "network", "network_per_physical": 1.0,
        } | changes  # fmt: skip
        np.savez_compressed(folder / "reconstruction.npz", **values)
        return folder / "reconstruction.npz"

    return make


def _objects(content: bytes) -> bytes:
    return npy("'|O'", "()", content)


def would_run() -> dict[str, Kind]:
    """Return scans that ``numpy.load(allow_pickle=True)`` would run, by kind."""
    call = named_call("os", "system", RUN)
    return {
        "patterns that are a call": ("not real numbers", with_array("diff3d", npy("'|O'", "(5,)", call))),
        "positions that are a call": ("holds no numbers", with_array("xcoords", npy("'|O'", "(5,)", call))),
        "a probe that is a call": ("holds no numbers", with_array("probeGuess", _objects(call))),
        "an object that is a call": (OPENS, with_array("objectGuess", _objects(call))),
        "metadata that are a call": (OPENS, with_array("_metadata", _objects(call))),
        "metadata in an array with a call": (
            OPENS,
            with_array("_metadata", _objects(b"\x80\x02cnumpy._core.multiarray\n_reconstruct\ncos\nsystem\n\x85R.")),
        ),
        "a header that is code": (
            "diff3d cannot be used",
            with_array("diff3d", npy("__import__('os').system('touch CANARY')", data=bytes(1280))),
        ),
        "a reconstruction that is a call": (
            "no numbers|objects",
            reconstruction(canvas=np.array([{"a": 1}, None], dtype=object)),
        ),
    }


def asks_too_much() -> dict[str, Kind]:
    """Return scans that ask for memory without end, by kind."""
    return {
        "a header that claims 32 GiB": ("announces", with_array("diff3d", npy("'<f8'", "(65536, 256, 256)"))),
        "an object of 141 MB in 140 kB": ("would inflate", bomb(scan("objectGuess"), "objectGuess")),
        "positions of 141 MB in 140 kB": ("would inflate", bomb(scan("xcoords"), "xcoords")),
        "one pattern of 9000 px": (
            "9000 px wide",
            scan(packed_small=True, diff3d=np.zeros((1, 9000, 9000), np.uint8)),
        ),
        "a header of 60 kB": ("diff3d cannot be used", with_array("diff3d", npy("'<f4'" + " " * 60_000))),
        "a header of brackets": ("diff3d cannot be used", with_array("diff3d", npy("(" * 3000))),
        "metadata nested without end": (OPENS, scan(_metadata=np.array("[" * 100_000))),
        "metadata with a number without end": (
            OPENS,
            scan(_metadata=np.array('{"physics_parameters": {"nphotons": 1' + "0" * 400 + "}}")),
        ),
        "metadata that are a bomb": (OPENS, with_array("_metadata", _objects(pickle.dumps([[0] * 9] * 9, 4) * 9000))),
        "a reconstruction of 141 MB in 140 kB": ("would inflate", bomb(reconstruction(), "refined_probe")),
    }


def contradicts_itself() -> dict[str, Kind]:
    """Return scans that are damaged, incomplete or tampered with, by kind."""
    nan = np.array([1, 2, np.nan, 4, 5])
    return {
        "a negative length": ("diff3d cannot be used", with_array("diff3d", npy("'<f4'", "(-5, 8, 8)"))),
        "a table as patterns": ("diff3d cannot be used", with_array("diff3d", npy("[('a', '<f4')]", data=bytes(1280)))),
        "raw bytes as patterns": ("diff3d cannot be used", with_array("diff3d", npy("'|V4'", data=bytes(1280)))),
        "texts as patterns": ("not real numbers", scan(diff3d=np.array(["a"] * 5))),
        "dates as patterns": ("diff3d cannot be used", scan(diff3d=np.zeros((5, 8, 8), "datetime64[s]"))),
        "complex patterns": ("not real numbers", scan(diff3d=np.zeros((5, 8, 8), complex))),
        "no pattern": ("empty", scan(diff3d=np.zeros((0, 8, 8)), xcoords=np.zeros(0), ycoords=np.zeros(0))),
        "patterns that are not square": ("not square", scan(diff3d=np.zeros((5, 8, 9)))),
        "one position too few": ("5 patterns but 4", scan(xcoords=np.zeros(4), ycoords=np.zeros(4))),
        "positions that are not finite": ("not finite", scan(xcoords=nan)),
        "a probe of another side": ("px wide", scan(probeGuess=np.ones((9, 9), complex))),
        "a probe that is not finite": ("not finite", scan(probeGuess=np.full((N, N), np.nan + 0j))),
        "no probe": ("no probeGuess", scan("probeGuess")),
        "no positions": ("no ycoords", scan("ycoords")),
        "data shorter than the header says": ("announces", with_array("diff3d", npy("'<f4'", data=bytes(99)))),
        "an array twice": ("twice", _twice),
        "an array in bzip2": ("unknown method", _bzip2),
        "an encrypted array": ("encrypted", _changed(_flag_encrypted)),
        "a scan cut off": ("cut off|damaged", _changed(lambda data: data[: len(data) // 2])),
        "a scan with zeros at its end": ("damaged|cut off|not a scan", _changed(lambda data: data[:-40] + bytes(40))),
        "a reconstruction of an unknown scale": ("scale is 'none of them'", reconstruction(scale="none of them")),
        "a reconstruction of two shapes": ("must have shape", reconstruction(weight=np.zeros((3, 3), np.float32))),
    }
