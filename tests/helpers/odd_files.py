"""Everything else that a person may open by mistake: other formats, empty ones, pipes, sockets, broken links."""

import gzip
import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from tests.helpers.hostile_bundles import RUN, Kind, named_call


def _file(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _sparse(folder: Path) -> Path:
    path = folder / "sparse.npz"
    with path.open("wb") as stream:
        stream.truncate(5 * 2**30)
    return path


def _sparse_behind_a_header(folder: Path) -> Path:
    path = folder / "sparse.zip"
    with path.open("wb") as stream:
        stream.write(b"PK\x03\x04")
        stream.truncate(5 * 2**30)
    return path


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.npz")
    return folder / "pipe.npz"


def _socket(folder: Path) -> Path:
    # Bound from within the folder: the name of a socket may be no longer than about a hundred bytes.
    before = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket.npz")
    finally:
        os.chdir(before)
    return folder / "socket.npz"


def _link(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "link.npz").symlink_to(target)
        return folder / "link.npz"

    return make


def _folder(**files: bytes | None) -> Callable[[Path], Path]:
    """Return the maker of a folder with files; ``None`` stands for a pipe."""

    def make(folder: Path) -> Path:
        made = folder / "folder"
        made.mkdir()
        for name, content in files.items():
            path = made / name.replace("__", ".")
            if content is None:
                os.mkfifo(path)
            else:
                path.write_bytes(content)
        return made

    return make


def _unreadable(folder: Path) -> Path:
    path = _file("locked.npz", b"PK\x03\x04")(folder)
    path.chmod(0)
    return path


def odd_files() -> dict[str, Kind]:
    """Return files that are no scan and no bundle, by kind."""
    tensors = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    bomb = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    size = struct.pack("<Q", len(tensors))
    endless = b'[{"phase": "train", "batch_idx": 1, "batch_size": 1, "global_mean": 1%s}]' % (b"0" * 400)
    run = b'{"format": "ptychoscope-run-1", "state": "running"}'
    return {
        "an empty file": ("empty", _file("empty.npz", b"")),
        "a text": ("not a scan", _file("notes.txt", b"hello\n" * 100)),
        "a picture": ("a picture", _file("a.png", b"\x89PNG\r\n\x1a\n" + bytes(99))),
        "HDF5": ("HDF5", _file("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(99))),
        "a PDF": ("PDF", _file("a.pdf", b"%PDF-1.7")),
        "gzip": ("gzip", _file("a.gz", gzip.compress(bytes(99)))),
        "one array": ("single array", _file("a.npy", b"\x93NUMPY\x01\x00")),
        "a bare pickle": ("not a scan|pickle", _file("a.pkl", named_call("os", "system", RUN))),
        "random bytes": ("not a scan", _file("a.npz", bytes(range(7, 256)) * 99)),
        "a zip header alone": ("cut off|damaged|not a readable", _file("a.zip", b"PK\x03\x04")),
        "5 GB of nothing": ("not a scan", _sparse),
        "5 GB behind a zip header": ("cut off|damaged", _sparse_behind_a_header),
        "a checkpoint of others": ("not a checkpoint", _file("a.ckpt", size + tensors + bytes(4))),
        "a checkpoint cut off": ("damaged", _file("a.ckpt", size + tensors)),
        "a checkpoint of 4 TiB": ("damaged", _file("a.ckpt", struct.pack("<Q", len(bomb)) + bomb + bytes(4))),
        "a checkpoint of brackets": ("damaged", _file("a.ckpt", struct.pack("<Q", 90_000) + b"{" + b"[" * 90_000)),
        "JSON without end": ("not a list of patch", _file("a.json", b"[" * 100_000)),
        "JSON of something else": ("not a list of patch", _file("a.json", b'{"a": 1}')),
        "statistics with a number without end": ("not a list of patch", _file("a.json", endless)),
        "statistics of texts": ("not a list of patch", _file("a.json", b'["a", "b"]')),
        "an empty folder": ("neither a run", _folder()),
        "a folder of texts": ("neither a run", _folder(notes__txt=b"x")),
        "a run.json cut off": ("not a run folder", _folder(run__json=run[:20])),
        "a run.json of brackets": ("not a run folder", _folder(run__json=b"[" * 100_000)),
        "a run.json that is a pipe": ("not a run folder|is a pipe", _folder(run__json=None)),
        "a stats.json that is a pipe": ("neither a run", _folder(stats__json=None)),
        "a dump of brackets": ("cannot be read", _folder(stats__json=b"[" * 100_000)),
        "a dump that is a list": ("holds no table", _folder(canvas__json=b"[1]")),
        "a run whose lock is a pipe": ("opens", _folder(run__json=run, __lock=None)),
        "a run whose metrics are a pipe": ("opens", _folder(run__json=run, metrics__csv=None, metrics__json=None)),
        "a run whose bundle runs something": (
            "opens", _folder(run__json=run, wts__h5__zip=named_call("os", "system", RUN)),
        ),
        "a pipe": ("is a pipe", _pipe),
        "a socket": ("is a socket", _socket),
        "a device without end": ("is a device", lambda folder: Path("/dev/zero")),
        "a terminal": ("is a device|cannot be read", lambda folder: Path("/dev/tty")),
        "a link to nothing": ("link to a file that is gone", _link("nowhere")),
        "a link to itself": ("cannot be read", _link("link.npz")),
        "a link to a pipe": ("is a pipe", lambda folder: _link(str(_pipe(folder)))(folder)),
        "a name that moves the cursor": ("empty", _file("\x1b[2J\u202ename.npz", b"")),
        "a name that is no text": ("empty", _file(os.fsdecode(b"\xff\xfe.npz"), b"")),
        "a name that is too long": ("cannot be read", lambda folder: folder / ("x" * 300)),
        "a name with a zero byte": ("cannot be read|no such", lambda folder: folder / "a\0b"),
        "a file without permission": ("Permission denied|cut off|damaged|not a readable", _unreadable),
        "no such file": ("no such file", lambda folder: folder / "missing.npz"),
    }  # fmt: skip
