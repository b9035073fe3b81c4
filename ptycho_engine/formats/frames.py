"""Stacks of diffraction patterns: in memory, or read from a file when they are asked for.

A file is opened for each reading and closed again, never mapped: a mapped file that is cut short while it is in use
kills the process, a read gives an error. So a stack holds no handle, can be read from several threads and be pickled.
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray, IndexArray
from ptycho_engine.errors import DatasetError
from ptycho_engine.formats.zip_members import ArrayMember, FileIdentity, open_checked, read_exactly

_CHUNK = 1 << 14
_PART = 1 << 20
_MIN_SPACING = 4 << 20
_MAX_MARKS = 1000
"""Each mark keeps some 50 KiB: the window of the inflater, and what it has not used yet."""


def _positions(indices: IndexArray | slice, n_scan: int) -> NDArray[np.intp]:
    """Return the indices asked for as non-negative numbers, checked against the length of the stack."""
    if isinstance(indices, slice):
        return np.arange(*indices.indices(n_scan), dtype=np.intp)
    asked = np.asarray(indices, dtype=np.intp).reshape(-1)
    if asked.size and (int(asked.min()) < -n_scan or int(asked.max()) >= n_scan):
        raise IndexError(f"pattern {int(asked.max())} asked for, but there are {n_scan}")
    return np.where(asked < 0, asked + n_scan, asked)


def _runs(ascending: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return (first, count) of the runs of neighbouring numbers in an ascending list without repeats."""
    if ascending.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(ascending) != 1) + 1
    starts = np.concatenate(([0], breaks))
    stops = np.concatenate((breaks, [ascending.size]))
    return [(int(ascending[start]), int(stop - start)) for start, stop in zip(starts, stops, strict=True)]


class ArrayFrames:
    """Patterns held in memory.

    Parameters
    ----------
    array
        (n_scan, N, N) the patterns, any real dtype; kept as they are and converted when read.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        if array.ndim != 3 or array.shape[1] != array.shape[2]:
            raise ValueError(f"patterns must have shape (n_scan, N, N), not {array.shape}")
        self._array = array

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(n_scan, N, N)``."""
        n_scan, n, _ = self._array.shape
        return n_scan, n, n

    @property
    def stored_dtype(self) -> str:
        """The dtype of the array, e.g. ``"uint16"``."""
        return str(self._array.dtype.name)

    def read(self, indices: IndexArray | slice) -> FloatArray:
        """Return the named patterns, ``(k, N, N)`` float32, in the order asked for."""
        # A copy even for a slice, so that nobody can change the stack through what it gave away.
        with np.errstate(over="ignore"):
            return np.array(self._array[_positions(indices, len(self._array))], dtype=np.float32, order="C")


class _FileFrames:
    """What both kinds of stacks in an archive share: order, repeats, conversion."""

    def __init__(self, path: Path, identity: FileIdentity, array: ArrayMember, shape: tuple[int, int, int]) -> None:
        self._path = path
        self._identity = identity
        self._array = array
        self._shape = shape

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(n_scan, N, N)``."""
        return self._shape

    @property
    def stored_dtype(self) -> str:
        """The dtype in the file, e.g. ``"uint16"``."""
        return str(self._array.dtype.name)

    def read(self, indices: IndexArray | slice) -> FloatArray:
        """Return the named patterns, ``(k, N, N)`` float32, in the order asked for.

        Raises
        ------
        DatasetError
            If the file is gone, was changed since it was opened, or is damaged.
        """
        asked = _positions(indices, self._shape[0])
        unique, back = np.unique(asked, return_inverse=True)
        n = self._shape[1]
        frame_bytes = n * n * self._array.dtype.itemsize
        result = np.empty((unique.size, n, n), dtype=np.float32)
        done = 0
        with open_checked(self._path, self._identity) as stream:
            for first, count in _split(_runs(unique), max(1, (8 << 20) // frame_bytes)):
                start = self._array.header_bytes + first * frame_bytes
                data = self._bytes(stream, start, count * frame_bytes)
                with np.errstate(over="ignore"):  # Too large a number becomes infinite, which is seen later.
                    result[done : done + count] = np.frombuffer(data, self._array.dtype).reshape(count, n, n)
                done += count
        in_order = unique.size == asked.size and bool(np.all(back == np.arange(asked.size)))
        return result if in_order else result[back]

    def _bytes(self, stream: Any, start: int, n_bytes: int) -> bytes:
        raise NotImplementedError


def _split(runs: list[tuple[int, int]], longest: int) -> list[tuple[int, int]]:
    return [(first + part, min(longest, count - part)) for first, count in runs for part in range(0, count, longest)]


class StoredFrames(_FileFrames):
    """Patterns in an uncompressed member of an archive, each read where it lies.

    Parameters
    ----------
    path, identity
        The file, and how it was when it was opened.
    array
        The member, of shape ``shape`` up to axes of length one, last index fastest.
    shape
        ``(n_scan, N, N)``.
    """

    def _bytes(self, stream: Any, start: int, n_bytes: int) -> bytes:
        return read_exactly(stream, self._array.member.offset + start, n_bytes, self._path)


class DeflatedFrames(_FileFrames):
    """Patterns in a deflated member, with marks from which inflating can go on.

    A mark is the state of the inflater at some place. Marks are set while reading, at most 1000 and at least 4 MiB
    apart, so the file opens at once, memory is bounded, and a pattern that lies behind a mark costs one spacing.

    Parameters
    ----------
    path, identity, array, shape
        As for :class:`StoredFrames`.
    """

    def __init__(self, path: Path, identity: FileIdentity, array: ArrayMember, shape: tuple[int, int, int]) -> None:
        super().__init__(path, identity, array, shape)
        self._spacing = max(_MIN_SPACING, array.member.n_bytes // _MAX_MARKS)
        self._forget()

    def _forget(self) -> None:
        start = (0, 0, zlib.decompressobj(-zlib.MAX_WBITS))
        # Marks are only ever added or replaced as a whole, and used through a copy: safe to share between threads.
        self._marks: dict[int, tuple[int, int, Any]] = {0: start}
        self._cursor: tuple[int, int, Any] = start

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_marks", "_cursor")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _nearest(self, start: int) -> tuple[int, int, Any]:
        """Return (bytes out, bytes in, inflater) of the last known state at or before ``start``."""
        marks = self._marks
        mark = next(marks[slot] for slot in range(start // self._spacing, -1, -1) if slot in marks)
        if mark[0] > start:
            mark = next(marks[slot] for slot in range(start // self._spacing - 1, -1, -1) if slot in marks)
        cursor = self._cursor
        best = cursor if mark[0] <= cursor[0] <= start else mark
        return best[0], best[1], best[2].copy()

    def _bytes(self, stream: Any, start: int, n_bytes: int) -> bytes:
        out, fed, inflater = self._nearest(start)
        member = self._array.member
        stop = start + n_bytes
        parts: list[bytes] = []
        try:
            while out < stop:
                data = inflater.unconsumed_tail
                if not data:
                    stream.seek(member.offset + fed)
                    data = stream.read(min(_CHUNK, member.n_stored - fed))
                    fed += len(data)
                # Stop at the wanted range's own ends, so that no part needs a cut.
                part = inflater.decompress(data, min(_PART, start - out) if out < start else stop - out)
                if not part and (not data or inflater.eof):
                    break
                if out >= start:
                    parts.append(part)
                out += len(part)
                slot = out // self._spacing
                if slot not in self._marks:
                    self._marks[slot] = (out, fed, inflater.copy())
        except (zlib.error, OSError):
            out = -1
        if out != stop:
            raise DatasetError(
                f"{member.name} is damaged", "Copy or download the file again.", file=self._path
            ) from None
        self._cursor = (out, fed, inflater)
        return b"".join(parts)
