"""The constant phases of patches that one process, or several, have drawn and kept."""

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.geometry.phase_alignment import compare_pairs, neighbour_pairs, solve_phases
from ptycho_engine.going_on import GoOn, always
from ptycho_engine.kept_squares import KeptSquares
from ptycho_engine.ranks import Ranks

_EXCHANGED = 1024
"""Squares sent at once."""


def own_phases(
    kept: KeptSquares, positions: PositionArray, weights: FloatArray, ranks: Ranks, go_on: GoOn = always
) -> NDArray[np.float64]:
    """Return the phases of the squares that this process keeps, as they are among those of all processes.

    Each process compares the pairs whose first square it keeps, and is sent the few second ones that others keep; the
    first solves for the phases of all.

    Parameters
    ----------
    kept
        The squares of this process.
    positions
        (k, 2) [px] ``(y, x)`` of these.
    weights
        (c, c) weight of each pixel.
    ranks
        The processes.
    go_on
        Called between the blocks of the work.

    Returns
    -------
    numpy.ndarray
        (k,) [rad]; the mean over all processes is zero.
    """
    everyone = ranks.all(np.asarray(positions, np.float64))
    counts = [len(one) for one in everyone]
    stops = np.cumsum(counts)
    own = slice(int(stops[ranks.rank]) - counts[ranks.rank], int(stops[ranks.rank]))
    pairs = neighbour_pairs(np.concatenate(everyone), kept.shape[-1], go_on)
    mine = pairs[(pairs[:, 0] >= own.start) & (pairs[:, 0] < own.stop)]
    wanted = np.unique(mine[mine[:, 1] >= own.stop, 1])
    lent = _exchange(kept, own.start, wanted, stops, ranks)

    def read(numbers: IndexArray) -> ComplexArray:
        n_own = int(np.searchsorted(numbers, own.stop))
        if n_own == len(numbers):
            return kept.read(numbers - own.start)
        return np.concatenate([kept.read(numbers[:n_own] - own.start), lent[np.searchsorted(wanted, numbers[n_own:])]])

    compared = compare_pairs(read, np.concatenate(everyone), weights, mine, go_on)
    differences, trust = (np.concatenate(one) for one in zip(*ranks.all(compared), strict=True))
    phases = ranks.from_first(lambda: solve_phases(pairs, differences, trust, int(stops[-1]), go_on))
    return phases[own]


def _exchange(
    kept: KeptSquares, first: int, wanted: IndexArray, stops: NDArray[np.int64], ranks: Ranks
) -> ComplexArray:
    """Return the squares with the numbers that this process wants of others, in their order."""
    lent = np.empty((len(wanted), *kept.shape[1:]), np.complex64)
    if ranks.alone:
        return lent
    asked = np.unique(np.concatenate(ranks.all(wanted)))
    for keeper in range(ranks.size):
        low, high = (int(np.searchsorted(asked, edge)) for edge in (stops[keeper - 1] if keeper else 0, stops[keeper]))
        for start in range(low, high, _EXCHANGED):
            numbers = asked[start : min(start + _EXCHANGED, high)]
            sent = np.zeros((len(numbers), *kept.shape[1:]), np.complex64)
            if ranks.rank == keeper:
                sent = kept.read(numbers - first)
            ranks.send(torch.from_numpy(sent.view(np.float32)), keeper)
            _, places, found = np.intersect1d(wanted, numbers, assume_unique=True, return_indices=True)
            lent[places] = sent[found]
    return lent
