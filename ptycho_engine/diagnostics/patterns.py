"""What the patterns of a scan look like: figures of a sample, gathered block by block."""

import hashlib
import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray, IndexArray
from ptycho_engine.documents import Dataset
from ptycho_engine.physics.scaling import totals

WHOLE_BYTES = 64 << 20
"""Scans up to this size are looked at as a whole, in a second or two."""
LARGEST_SAMPLE = 400
"""Patterns of longer ones that are looked at: enough to find neighbours among a few hundred positions."""
LARGEST_INFLATED_BYTES = 256 << 20
"""Compressed stacks above this are read from their beginning only: to reach a pattern, all before it are inflated."""
BLOCK = 32
_LEVEL_FRAMES = 64
_LOW_LEVELS = 24
_LEVEL_REACH = 7.0
"""Levels are compared up to this multiple of the lowest, 49 counts in amplitude: later ones lie too close together."""
_LEVEL_TOLERANCE = 2e-3
_ROUNDING = 1e-4
_FIRST_STEP = 1.3
"""The second level is at least sqrt(2) times the first; where it is less, a correction has blurred the steps."""
LevelKind = Literal["amplitude", "intensity", "unknown"]


@dataclass(frozen=True, slots=True)
class PatternFigures:
    """Figures of the patterns that were looked at; intensities are squared amplitudes in the units of the file."""

    indices: IndexArray
    """(k,) the patterns, in order."""
    totals: NDArray[np.float64]
    """(k,) sum of squared amplitudes; NaN where one is not finite."""
    centres: NDArray[np.float64]
    """(k, 2) [px] centre of mass of the intensity, from the middle of the pattern, ``(y, x)``; NaN without light."""
    mean_intensity: NDArray[np.float64]
    """(N, N)."""
    lit_share: NDArray[np.float64]
    """(N, N) part of the patterns in which a pixel is above zero."""
    n_not_finite: int
    """Patterns with values that are not finite; they count in nothing else."""
    n_negative: int
    """Patterns with values below zero, as stored."""
    greatest: float
    """As stored, as all below."""
    n_greatest: int
    """Pixels that hold exactly the greatest value, in all patterns."""
    n_nearly: int
    """Pixels within a tenth below it."""
    n_levels: int
    """Different values in the first patterns of the sample."""
    lowest: float
    """The lowest value above zero there; 0 where there is none."""
    level_kind: LevelKind
    """What the lowest levels follow: ``n`` times the lowest (counts), or ``sqrt(n)`` times it (their roots)."""
    duplicates: IndexArray
    """Patterns that equal an earlier one to the bit, dark ones not counted."""

    @property
    def good(self) -> NDArray[np.bool_]:
        """(k,) whether a pattern is finite and holds light."""
        return np.asarray(self.totals > 0)

    @property
    def mean_total(self) -> float:
        """Mean over the patterns with light of the sum of squared amplitudes."""
        return float(self.totals[self.good].mean()) if self.good.any() else 0.0


def sampled_patterns(dataset: Dataset) -> IndexArray:
    """Return the patterns to look at: all of a short scan; of a long one a compact part and an even spread.

    Parameters
    ----------
    dataset
        The scan; nothing is read of it.
    """
    n_scan, most = dataset.n_scan, sample_size(dataset)
    if most >= n_scan:
        return np.arange(n_scan)
    if reads_from_the_beginning(dataset):
        return np.arange(most)
    positions = dataset.scan_positions
    distance = np.square(positions - np.median(positions, axis=0)).sum(axis=1)
    nearest = np.argsort(distance, kind="stable")[: most // 2]
    spread = np.linspace(0, n_scan - 1, most - most // 2).astype(np.int64)
    return np.union1d(nearest, spread).astype(np.int64)


def sample_size(dataset: Dataset) -> int:
    """Return how many patterns a sample of a scan holds: all of a short one."""
    in_room = WHOLE_BYTES // (4 * dataset.n**2)
    most = max(16, min(LARGEST_SAMPLE, in_room))
    return dataset.n_scan if dataset.n_scan <= max(most, in_room) else most


def reads_from_the_beginning(dataset: Dataset) -> bool:
    """Return whether the patterns are packed and so large that to reach the last ones takes too long."""
    stored = next((array for array in dataset.arrays if array.role == "diffraction"), None)
    return stored is not None and stored.compressed and stored.n_bytes > LARGEST_INFLATED_BYTES


def survey(dataset: Dataset) -> Generator[tuple[int, int], None, PatternFigures]:
    """Look at a sample of the patterns, yielding after each block how many of how many are done.

    Raises
    ------
    DatasetError
        If the patterns cannot be read any more.
    """
    indices = sampled_patterns(dataset)
    gathered = _Gathered(dataset.n)
    for first in range(0, len(indices), BLOCK):
        stored = dataset.frames.read(indices[first : first + BLOCK])
        amplitude = np.sqrt(np.maximum(stored, 0.0)) if dataset.measurement == "intensity" else stored
        gathered.add(indices[first : first + BLOCK], stored, amplitude)
        yield min(first + BLOCK, len(indices)), len(indices)
    return gathered.figures(indices)


class _Gathered:
    """The sums over the blocks so far."""

    def __init__(self, n: int) -> None:
        self._axis = np.arange(n) - n // 2
        self._totals: list[NDArray[np.float64]] = []
        self._centres: list[NDArray[np.float64]] = []
        self._intensity = np.zeros((n, n))
        self._lit = np.zeros((n, n))
        self._n_finite = 0
        self._n_seen = 0
        self._n_negative = 0
        self._top, self._n_top, self._n_nearly = -math.inf, 0, 0
        self._levels: list[FloatArray] = []
        self._known: set[bytes] = set()
        self._duplicates: list[int] = []

    def add(self, indices: IndexArray, stored: FloatArray, amplitude: FloatArray) -> None:
        finite = np.asarray(np.isfinite(stored).all(axis=(1, 2)))
        total = np.full(len(stored), np.nan)
        total[finite] = totals(amplitude[finite])
        self._totals.append(total)
        intensity = np.square(amplitude[finite].astype(np.float64))
        self._centres.append(self._centre(intensity, finite, total))
        self._intensity += intensity.sum(axis=0)
        self._lit += (stored[finite] > 0).sum(axis=0)
        self._n_finite += int(finite.sum())
        self._n_negative += int((stored[finite] < 0).any(axis=(1, 2)).sum())
        if self._n_seen < _LEVEL_FRAMES:
            self._levels.append(np.unique(stored[finite][: _LEVEL_FRAMES - self._n_seen]))
        self._n_seen += len(stored)
        self._count_top(stored[finite])
        for index, pattern in zip(indices[finite & (total > 0)], stored[finite & (total > 0)], strict=True):
            digest = hashlib.blake2b(pattern.tobytes(), digest_size=16).digest()
            if digest in self._known:
                self._duplicates.append(int(index))
            self._known.add(digest)

    def _centre(
        self, intensity: NDArray[np.float64], finite: NDArray[np.bool_], total: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        centre = np.full((len(finite), 2), np.nan)
        moments = np.stack([intensity.sum(axis=2) @ self._axis, intensity.sum(axis=1) @ self._axis], axis=1)
        centre[finite] = moments / np.where(total[finite] > 0, total[finite], np.nan)[:, None]
        return centre

    def _count_top(self, stored: FloatArray) -> None:
        if not stored.size:
            return
        top = float(stored.max())
        if top > self._top:
            # Of the blocks before, only those values may still lie near the new top that were the old top.
            nearly = self._n_top + self._n_nearly if self._top >= 0.9 * top else 0
            self._top, self._n_top, self._n_nearly = top, 0, nearly
        self._n_top += int(np.count_nonzero(stored == self._top))
        self._n_nearly += int(np.count_nonzero((stored >= 0.9 * self._top) & (stored < self._top)))

    def figures(self, indices: IndexArray) -> PatternFigures:
        levels = np.unique(np.concatenate(self._levels)) if self._levels else np.zeros(0, np.float32)
        lit = levels[levels > 0].astype(np.float64)
        every = max(1, self._n_finite)
        return PatternFigures(
            indices=indices,
            totals=np.concatenate(self._totals) if self._totals else np.zeros(0),
            centres=np.concatenate(self._centres) if self._centres else np.zeros((0, 2)),
            mean_intensity=self._intensity / every,
            lit_share=self._lit / every,
            n_not_finite=len(indices) - self._n_finite,
            n_negative=self._n_negative,
            greatest=self._top if math.isfinite(self._top) else 0.0,
            n_greatest=self._n_top,
            n_nearly=self._n_nearly,
            n_levels=len(levels),
            lowest=float(lit[0]) if lit.size else 0.0,
            level_kind=level_kind(lit),
            duplicates=np.array(self._duplicates, np.int64),
        )


def level_kind(levels: NDArray[np.float64]) -> LevelKind:
    """Return whether values are whole multiples of the lowest, as counts are, or roots of whole multiples.

    Counting makes steps that survive any factor: counts are ``n q``, their roots ``sqrt(n q)``, and ``q`` is the lowest
    value wherever some pixel saw one photon. Where nothing was seen that little, or a background was subtracted,
    nothing can be told.

    Parameters
    ----------
    levels
        (k,) different values above zero, in order.
    """
    ratios = levels[1:] / levels[0] if len(levels) > 1 else np.zeros(0)
    ratios = ratios[(ratios < _LEVEL_REACH) & (ratios > 1.0 + _ROUNDING)][:_LOW_LEVELS]
    if len(ratios) < 3 or ratios[0] < _FIRST_STEP:
        return "unknown"
    if _whole(ratios) >= 0.95:
        return "intensity"
    # Of the roots of 2, 3, 4 … only those of squares are whole.
    return "amplitude" if _whole(np.square(ratios)) >= 0.95 and _whole(ratios) <= 0.6 else "unknown"


def _whole(values: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(values - np.rint(values)) <= _LEVEL_TOLERANCE * values))
