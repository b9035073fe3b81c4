"""The squares of all patches, kept until their phases are aligned: in memory, or on disk where they are many."""

import os
import tempfile
from typing import IO

import numpy as np

from ptycho_engine.arrays import ComplexArray, IndexArray

MEMORY_BYTES = 1 << 30
"""What is kept in memory at most."""
_RESERVE_BLOCK = 1 << 20


class KeptSquares:
    """Room for ``count`` squares of side ``crop``, written one after another and read by their numbers.

    On disk they are read and written, not mapped: mapped pages would count as memory of the program.

    Parameters
    ----------
    count, crop
        How many, and their side [px].

    Raises
    ------
    OSError
        If the disk has no room for them.
    """

    def __init__(self, count: int, crop: int) -> None:
        self.shape = (count, crop, crop)
        self.n_bytes = 8 * count * crop**2
        self.n_kept = 0
        self._square_bytes = 8 * crop**2
        self._memory: ComplexArray | None = None
        self._file: IO[bytes] | None = None
        if self.n_bytes <= MEMORY_BYTES:
            self._memory = np.empty(self.shape, np.complex64)
            return
        # The file has no name any more once it is open: whatever happens, nothing is left behind.
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed when the squares are given up
        try:
            _reserve(self._file, self.n_bytes)
        except OSError:
            self._file.close()
            raise

    def add(self, squares: ComplexArray) -> None:
        """Keep (k, crop, crop) more."""
        self.put(self.n_kept, squares)
        self.n_kept += len(squares)

    def put(self, first: int, squares: ComplexArray) -> None:
        """Put squares in the place of those from number ``first`` on."""
        if self._memory is not None:
            self._memory[first : first + len(squares)] = squares
            return
        assert self._file is not None
        self._file.seek(first * self._square_bytes)
        left = np.ascontiguousarray(squares, np.complex64).data.cast("B")
        while len(left):
            left = left[self._file.write(left) :]

    def block(self, first: int, count: int) -> ComplexArray:
        """Return up to ``count`` squares from number ``first`` on; nothing that is changed in them is kept."""
        count = max(0, min(count, self.n_kept - first))
        if self._memory is not None:
            return self._memory[first : first + count].copy()
        assert self._file is not None
        squares = np.empty((count, *self.shape[1:]), np.complex64)
        self._file.seek(first * self._square_bytes)
        left = squares.data.cast("B")
        while len(left):
            n_read = self._file.readinto(left)  # type: ignore[attr-defined]
            if not n_read:
                raise OSError("the temporary file has become shorter")
            left = left[n_read:]
        return squares

    def read(self, numbers: IndexArray) -> ComplexArray:
        """Return the squares with these numbers, in ascending order, (k, crop, crop)."""
        if self._memory is not None:
            return self._memory[numbers]
        squares = np.empty((len(numbers), *self.shape[1:]), np.complex64)
        # Neighbours lie in a few runs: each run is one reading.
        for run in np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers) != 1) + 1):
            if len(run):
                squares[run[0] : run[-1] + 1] = self.block(int(numbers[run[0]]), len(run))
        return squares

    def close(self) -> None:
        """Give memory and disk back."""
        self._memory = None
        if self._file is not None:
            self._file.close()


def _reserve(file: IO[bytes], n_bytes: int) -> None:
    """Take the disk's blocks now, so that a full disk is known at the start and not after hours."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
        return
    nothing = bytes(_RESERVE_BLOCK)
    for first in range(0, n_bytes, _RESERVE_BLOCK):
        file.write(nothing[: n_bytes - first])
    file.flush()
