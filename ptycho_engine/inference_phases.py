"""The constant phases of patches that one process, or several, draw and keep."""

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.geometry.phase_alignment import compare_pairs, neighbour_pairs, solve_phases
from ptycho_engine.kept_squares import KeptSquares
from ptycho_engine.ranks import Ranks

_EXCHANGED = 1024
"""Squares sent at once."""


class NeighbourPhases:
    """Compares the phases of neighbouring squares, most of them while they are drawn, and solves for that of each.

    Each process compares the pairs whose first square it keeps, and is sent the few second ones that others keep; the
    first solves for the phases of all.

    Parameters
    ----------
    positions
        (k, 2) [px] ``(y, x)`` of the squares of this process, in the order in which they will be kept.
    weights
        (c, c) weight of each pixel.
    ranks
        The processes.
    """

    def __init__(self, positions: PositionArray, weights: FloatArray, ranks: Ranks) -> None:
        self._weights, self._ranks = weights, ranks
        everyone = ranks.all(np.asarray(positions, np.float64))
        self._positions = np.concatenate(everyone)
        self._stops = np.cumsum([len(one) for one in everyone])
        stop = int(self._stops[ranks.rank])
        self._own = slice(stop - len(positions), stop)
        self._pairs = neighbour_pairs(self._positions, len(weights))
        # Pairs are in the order of their first squares, so those of a process follow each other.
        mine = slice(*np.searchsorted(self._pairs[:, 0], (self._own.start, self._own.stop)).tolist())
        self._mine = self._pairs[mine]
        self._differences, self._trust = np.empty(len(self._mine)), np.empty(len(self._mine))
        # A pair can be compared as soon as the second of its squares is there.
        self._order = np.argsort(self._mine[:, 1], kind="stable")
        self._n_compared = 0

    def take(self, kept: KeptSquares) -> None:
        """Compare the squares that were kept last with their neighbours that were kept before."""
        last = self._own.start + kept.n_kept
        stop = int(np.searchsorted(self._mine[:, 1], last, sorter=self._order))
        chosen = self._order[self._n_compared : stop]
        self._compare(chosen, kept, np.zeros(0, np.int64), np.zeros((0, *kept.shape[1:]), np.complex64))
        self._n_compared = stop

    def solve(self, kept: KeptSquares, slope: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compare what is left, and return the phases of the squares of this process among those of all.

        Parameters
        ----------
        kept
            The squares of this process, all of them.
        slope
            (2,) ``(y, x)`` of a phase ramp, about the middle of each, by which all squares are still to be turned
            [rad/px].

        Returns
        -------
        numpy.ndarray
            (k,) [rad]; the mean over all processes is zero.
        """
        self.take(kept)
        rest = np.sort(self._order[self._n_compared :])
        wanted = np.unique(self._mine[rest, 1])
        self._compare(rest, kept, wanted, self._exchange(kept, wanted))
        self._n_compared = len(self._order)
        differences, trust = (np.concatenate(one) for one in zip(*self._ranks.all(self._compared), strict=True))
        # Two squares turned by the same ramp, each about its own middle, differ by the ramp between their middles.
        apart = self._positions[self._pairs[:, 0]] - self._positions[self._pairs[:, 1]]
        turned = np.angle(np.exp(1j * (differences - apart @ slope)))
        n = len(self._positions)
        return self._ranks.from_first(lambda: solve_phases(self._pairs, turned, trust, n))[self._own]

    @property
    def _compared(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._differences, self._trust

    def _compare(self, chosen: IndexArray, kept: KeptSquares, borrowed: IndexArray, squares: ComplexArray) -> None:
        """Compare some of the own pairs, with squares that others have lent."""
        own = self._own

        def read(numbers: IndexArray) -> ComplexArray:
            n_own = int(np.searchsorted(numbers, own.stop))
            mine = kept.read(numbers[:n_own] - own.start)
            if n_own == len(numbers):
                return mine
            return np.concatenate([mine, squares[np.searchsorted(borrowed, numbers[n_own:])]])

        found = compare_pairs(read, self._positions, self._weights, self._mine[chosen])
        self._differences[chosen], self._trust[chosen] = found

    def _exchange(self, kept: KeptSquares, wanted: IndexArray) -> ComplexArray:
        """Return the squares with the numbers that this process wants of others, in their order."""
        lent = np.empty((len(wanted), *kept.shape[1:]), np.complex64)
        ranks, stops = self._ranks, self._stops
        if ranks.alone:
            return lent
        asked = np.unique(np.concatenate(ranks.all(wanted)))
        for keeper in range(ranks.size):
            edges = (stops[keeper - 1] if keeper else 0, stops[keeper])
            low, high = (int(np.searchsorted(asked, edge)) for edge in edges)
            for start in range(low, high, _EXCHANGED):
                numbers = asked[start : min(start + _EXCHANGED, high)]
                sent = np.zeros((len(numbers), *kept.shape[1:]), np.complex64)
                if ranks.rank == keeper:
                    sent = kept.read(numbers - self._own.start)
                ranks.send(torch.from_numpy(sent.view(np.float32)), keeper)
                _, places, found = np.intersect1d(wanted, numbers, assume_unique=True, return_indices=True)
                lent[places] = sent[found]
        return lent
