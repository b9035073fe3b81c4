"""Arrays inside a zip archive (``.npz``), found and checked without trusting what the file says about itself.

The central directory is read once; every array header is parsed here, by a closed reader, before a byte of its data is
allocated. Nothing is extracted to disk and nothing that is pickled is run.
"""

import ast
import math
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.errors import DatasetError
from ptycho_engine.zip_directory import open_zip

NPY_MAGIC = b"\x93NUMPY"
MAX_MEMBERS = 4096
MAX_HEADER_BYTES = 4096
MAX_MEMORY_BYTES = 4 * 1024**3
"""Greatest array that is read into memory as a whole (probe, object, positions)."""
MAX_RATIO = 200
RATIO_FREE_BYTES = 128 * 1024**2
"""An array up to this size may be packed to any ratio: an object that is one everywhere packs a thousandfold."""

_KINDS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}
_LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
_CHUNK = 1 << 18
_DAMAGED = "Copy or download the file again, or write it again from its source."


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Size and modification time, by which a changed file is noticed."""

    n_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One member of an archive: where its (possibly deflated) bytes lie."""

    name: str
    offset: int
    """Of the first data byte in the file."""
    n_stored: int
    n_bytes: int
    """After inflating."""
    deflated: bool
    crc: int


@dataclass(frozen=True, slots=True)
class ArrayMember:
    """An array in an archive whose header was read and agrees with the size of its member."""

    key: str
    member: ZipMember
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """``object`` for what numpy pickled; such data is never unpickled."""
    fortran_order: bool
    header_bytes: int

    @property
    def n_bytes(self) -> int:
        """Size of the data after inflating, without the header."""
        return self.member.n_bytes - self.header_bytes


class NotAnArray(ValueError):
    """A member that is no array of a known kind; the text says why."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The members of an archive, in the order of its directory."""

    path: Path
    identity: FileIdentity
    arrays: tuple[ArrayMember, ...]
    others: tuple[tuple[ZipMember, str], ...]
    """Members that are no usable array, each with the reason."""

    def array(self, key: str) -> ArrayMember | None:
        """Return the array called ``key``, or ``None``."""
        return next((array for array in self.arrays if array.key == key), None)


def read_archive(path: Path) -> Archive:
    """Read the directory of an archive and the headers of its arrays.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DatasetError
        If it is no archive, is cut off, encrypted, uses an unknown compression, or names a member twice.
    """
    with open_checked(path, None) as stream:
        identity = identity_of(stream)
        members = _directory(path, stream)
        arrays: list[ArrayMember] = []
        others: list[tuple[ZipMember, str]] = []
        for member in members:
            try:
                arrays.append(_array_member(path, stream, member))
            except NotAnArray as reason:
                others.append((member, str(reason)))
    return Archive(path, identity, tuple(arrays), tuple(others))


def open_checked(path: Path, identity: FileIdentity | None) -> BinaryIO:
    """Open a file for reading, and make sure that it is still the one that was opened before.

    Raises
    ------
    DatasetError
        If it is gone, may not be read, or its size or time of change differ from ``identity``.
    """
    try:
        stream = path.open("rb", buffering=0)
    except FileNotFoundError:
        gone = "the file is gone" if identity is not None else "there is no such file"
        raise DatasetError(gone, "Check the path, or mount the disk again.", file=path) from None
    except OSError as error:
        raise DatasetError(f"the file cannot be read ({error.strerror})", "Check its permissions.", file=path) from None
    if identity is not None and identity_of(stream) != identity:
        stream.close()
        raise DatasetError("the file has changed since it was opened", "Open it again.", file=path)
    return stream


def identity_of(stream: BinaryIO) -> FileIdentity:
    """Return size and modification time of an open file."""
    status = os.fstat(stream.fileno())
    return FileIdentity(status.st_size, status.st_mtime_ns)


def read_exactly(stream: BinaryIO, offset: int, n_bytes: int, path: Path) -> bytes:
    """Return ``n_bytes`` from ``offset``; a file that ends early is a :class:`DatasetError`."""
    stream.seek(offset)
    parts = []
    missing = n_bytes
    while missing:
        try:
            part = stream.read(missing)
        except OSError as error:
            raise DatasetError(f"the file cannot be read ({error.strerror})", "Check the disk.", file=path) from None
        if not part:
            raise DatasetError("the file is cut off", _DAMAGED, file=path)
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_array(archive: Archive, array: ArrayMember) -> NDArray[Any]:
    """Read one array as a whole, checksum verified.

    Raises
    ------
    DatasetError
        If it is too large for memory, pickled, cut off or damaged.
    """
    if array.dtype.hasobject:
        raise DatasetError(
            f"{array.key} holds pickled Python objects", "Store it as a plain numeric array.", file=archive.path
        )
    data = read_member(archive, array.member)
    values = np.frombuffer(data, array.dtype, offset=array.header_bytes)
    return values.reshape(array.shape, order="F" if array.fortran_order else "C")


def read_member(archive: Archive, member: ZipMember) -> bytes:
    """Return the bytes of one member, inflated and with its checksum verified."""
    if member.n_bytes > MAX_MEMORY_BYTES:
        size = f"{member.n_bytes / 1024**3:.1f} GiB"
        raise DatasetError(
            f"{member.name} takes {size} of memory", "Only diffraction patterns may be that large.", file=archive.path
        )
    if member.n_bytes > max(RATIO_FREE_BYTES, MAX_RATIO * member.n_stored):
        raise DatasetError(
            f"{member.name} would inflate {member.n_stored} bytes to {member.n_bytes}",
            "Only a damaged file or a trap does that; write it again from its source.",
            file=archive.path,
        )
    with open_checked(archive.path, archive.identity) as stream:
        try:
            data = _inflated(archive.path, stream, member)
        except MemoryError:
            raise DatasetError(
                f"there is not enough memory for {member.name}", "Close other programs.", file=archive.path
            ) from None
    if zlib.crc32(data) != member.crc:
        raise DatasetError(f"{member.name} is damaged: its checksum is wrong", _DAMAGED, file=archive.path)
    return data


def _inflated(path: Path, stream: BinaryIO, member: ZipMember, limit: int | None = None) -> bytes:
    """Return the first ``limit`` bytes of a member (all of them by default), never more than it declares."""
    wanted = member.n_bytes if limit is None else min(limit, member.n_bytes)
    if not member.deflated:
        return read_exactly(stream, member.offset, wanted, path)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    have, position, end = 0, member.offset, member.offset + member.n_stored
    try:
        while have < wanted:
            step = min(_CHUNK if limit is None else 4096, end - position)
            part = inflater.decompress(inflater.unconsumed_tail + _read_some(stream, position, step), wanted - have)
            position += step
            if not part and step == 0:
                break
            parts.append(part)
            have += len(part)
    except zlib.error:
        raise DatasetError(f"{member.name} is damaged", _DAMAGED, file=path) from None
    if have != wanted:
        raise DatasetError(f"{member.name} is shorter than the file says", _DAMAGED, file=path)
    return b"".join(parts)


def _read_some(stream: BinaryIO, offset: int, n_bytes: int) -> bytes:
    stream.seek(offset)
    return stream.read(n_bytes) if n_bytes else b""


def _directory(path: Path, stream: BinaryIO) -> list[ZipMember]:
    try:
        with open_zip(stream) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error):
        raise DatasetError("the archive is cut off or damaged", _DAMAGED, file=path) from None
    if len(infos) > MAX_MEMBERS:
        raise DatasetError(f"the archive has {len(infos)} members", f"At most {MAX_MEMBERS} are read.", file=path)
    names = [info.filename for info in infos]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DatasetError(
            f"{twice[0]} is in the archive twice", "Write the file again with one array of each name.", file=path
        )
    return [_member(path, stream, info) for info in infos if not info.filename.endswith("/")]


def _member(path: Path, stream: BinaryIO, info: zipfile.ZipInfo) -> ZipMember:
    name = info.filename
    if info.flag_bits & 0x41:
        raise DatasetError(f"{name} is encrypted", "Unpack it and write a plain .npz file.", file=path)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DatasetError(
            f"{name} is packed with an unknown method ({info.compress_type})",
            "Write it with numpy.savez or numpy.savez_compressed.",
            file=path,
        )
    if not 0 <= info.header_offset < identity_of(stream).n_bytes:
        raise DatasetError("the archive is cut off or damaged", _DAMAGED, file=path)
    header = read_exactly(stream, info.header_offset, _LOCAL_HEADER.size, path)
    fields = _LOCAL_HEADER.unpack(header)
    local_name = read_exactly(stream, info.header_offset + _LOCAL_HEADER.size, fields[9], path)
    stored_name = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace")
    if fields[0] != b"PK\x03\x04" or local_name != stored_name:
        raise DatasetError(f"the archive contradicts itself about {name}", _DAMAGED, file=path)
    offset = info.header_offset + _LOCAL_HEADER.size + fields[9] + fields[10]
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    if not deflated and info.compress_size != info.file_size:
        raise DatasetError(f"the archive contradicts itself about {name}", _DAMAGED, file=path)
    if offset + info.compress_size > identity_of(stream).n_bytes:
        raise DatasetError("the file is cut off", _DAMAGED, file=path)
    return ZipMember(name, offset, info.compress_size, info.file_size, deflated, info.CRC)


def _array_member(path: Path, stream: BinaryIO, member: ZipMember) -> ArrayMember:
    if not member.name.endswith(".npy"):
        raise NotAnArray("not an array")
    head = _inflated(path, stream, member, MAX_HEADER_BYTES + 12)
    shape, dtype, fortran_order, header_bytes = parse_npy_header(head)
    n_items = math.prod(shape)
    if not dtype.hasobject and header_bytes + n_items * dtype.itemsize != member.n_bytes:
        raise DatasetError(
            f"{member.name} announces {n_items * dtype.itemsize} bytes but holds {member.n_bytes - header_bytes}",
            _DAMAGED,
            file=path,
        )
    return ArrayMember(member.name[:-4], member, shape, dtype, fortran_order, header_bytes)


def parse_npy_header(head: bytes) -> tuple[tuple[int, ...], np.dtype[Any], bool, int]:
    """Parse the header of an ``.npy`` array.

    Parameters
    ----------
    head
        The first bytes of the array, the whole header among them.

    Returns
    -------
    tuple
        Shape, dtype (a plain number, text, or ``object``), whether the first index runs fastest, and the length of the
        header in bytes.

    Raises
    ------
    NotAnArray
        If it is no header, too long, or describes a kind of array that is not in the closed list.
    """
    if head[:6] != NPY_MAGIC or len(head) < 12 or head[6] not in (1, 2, 3):
        raise NotAnArray("not an array")
    start = 10 if head[6] == 1 else 12
    length = int.from_bytes(head[8:start], "little")
    if length > MAX_HEADER_BYTES:
        raise NotAnArray("array header too long")
    if start + length > len(head):
        raise NotAnArray("array header cut off")
    try:
        header = ast.literal_eval(head[start : start + length].decode("utf-8" if head[6] == 3 else "latin1").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise NotAnArray("array header unreadable") from None
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise NotAnArray("array header unreadable")
    shape, fortran_order = header["shape"], header["fortran_order"]
    if not isinstance(fortran_order, bool) or not isinstance(shape, tuple) or len(shape) > 8:
        raise NotAnArray("array header unreadable")
    if not all(type(length) is int and 0 <= length < 2**48 for length in shape):
        raise NotAnArray("array header unreadable")
    return shape, _plain_dtype(header["descr"]), fortran_order, start + length


def _plain_dtype(description: object) -> np.dtype[Any]:
    """Return the dtype of a description from the closed list: numbers, text, and ``object``."""
    if not isinstance(description, str) or not 2 <= len(description) <= 12 or description[0] not in "<>|=":
        raise NotAnArray("structured array")
    if description == "|O":
        return np.dtype(object)
    kind, digits = description[1], description[2:]
    if not digits.isascii() or not digits.isdigit():
        raise NotAnArray(f"array of unknown kind {description[:12]!r}")
    if int(digits) in _KINDS.get(kind, ()) or (kind in "US" and int(digits) < 2**24):
        return np.dtype(description)
    raise NotAnArray(f"array of unknown kind {description[:12]!r}")
