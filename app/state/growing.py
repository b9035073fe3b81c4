"""A table of numbers that grows at its end in amortised constant time, yet is frozen for whoever holds it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class _Buffer:
    """Room shared by the successive versions of one table; rows below ``used`` never change."""

    __slots__ = ("room", "used")

    def __init__(self, room: NDArray[np.float64], used: int) -> None:
        self.room = room
        self.used = used


@dataclass(frozen=True, slots=True, eq=False)
class GrowingTable:
    """Rows of numbers under named columns.

    ``append`` gives a new table and leaves this one as it was. The newest version of a table writes into the spare room
    behind its last row, so a hundred thousand appends copy each row only a few times.
    """

    columns: tuple[str, ...]
    _buffer: _Buffer
    _length: int

    @staticmethod
    def empty(*columns: str) -> "GrowingTable":
        """Return a table without rows."""
        return GrowingTable(columns, _Buffer(np.empty((64, len(columns))), 0), 0)

    def __len__(self) -> int:
        return self._length

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a read-only view of one column, ``(len(self),)`` float64."""
        view = self._buffer.room[: self._length, self.columns.index(name)]
        view.setflags(write=False)
        return view

    def last(self, name: str) -> float | None:
        """Return the newest value of a column, ``None`` without rows."""
        if self._length == 0:
            return None
        return float(self._buffer.room[self._length - 1, self.columns.index(name)])

    def append(self, *row: float) -> "GrowingTable":
        """Return a table with one row more."""
        buffer = self._buffer
        if buffer.used != self._length or self._length == len(buffer.room):
            # An older version, or no room left: a copy with twice the room.
            room = np.empty((max(64, 2 * self._length), len(self.columns)))
            room[: self._length] = buffer.room[: self._length]
            buffer = _Buffer(room, self._length)
        buffer.room[self._length] = row
        buffer.used = self._length + 1
        return GrowingTable(self.columns, buffer, self._length + 1)

    def before(self, name: str, limit: float) -> "GrowingTable":
        """Return the rows ahead of the first one whose ``name`` is at least ``limit`` (the column must not fall)."""
        keep = int(np.searchsorted(self.column(name), limit))
        return self if keep == self._length else GrowingTable(self.columns, self._buffer, keep)
