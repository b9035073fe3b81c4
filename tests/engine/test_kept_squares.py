"""Squares kept in memory and on disk read alike."""

import errno

import numpy as np
import pytest

from ptycho_engine import kept_squares
from ptycho_engine.arrays import ComplexArray
from ptycho_engine.kept_squares import KeptSquares


def _squares(count: int) -> ComplexArray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(count, 3, 3)) + 1j * rng.normal(size=(count, 3, 3))).astype(np.complex64)


@pytest.mark.parametrize("memory", [1 << 20, 0])
def test_squares_come_back_by_number_and_in_blocks(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(kept_squares, "MEMORY_BYTES", memory)
    squares = _squares(10)
    kept = KeptSquares(12, 3)
    kept.add(squares[:4])
    kept.add(squares[4:])
    assert kept.n_kept == 10
    for numbers in ([0, 1, 2], [1, 4, 5, 9], [7], []):
        assert np.array_equal(kept.read(np.array(numbers, np.int64)), squares[numbers])
    assert np.array_equal(kept.block(8, 256), squares[8:])
    kept.put(3, 2 * kept.block(3, 2))
    assert np.array_equal(kept.read(np.arange(10)), np.concatenate([squares[:3], 2 * squares[3:5], squares[5:]]))
    kept.close()


def test_a_disk_without_room_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_squares, "MEMORY_BYTES", 0)
    monkeypatch.setattr(kept_squares, "_reserve", full)
    with pytest.raises(OSError, match="No space"):
        KeptSquares(12, 3)
