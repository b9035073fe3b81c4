"""Figures of every pattern of a scan, and pictures of all of them together, gathered block by block.

A sample spread over the scan comes first and gives a first answer in a second, however long the scan; the rest follows
where it is wanted. Nothing but one block of patterns is held.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray, IndexArray, frozen_array
from ptycho_engine.diagnostics.patterns import reads_from_the_beginning, sample_size
from ptycho_engine.diagnostics.pixel_mask import PixelMask, dead_mask, is_at_limit
from ptycho_engine.documents import Dataset, Rectangle

BLOCK_BYTES = 2 << 20
"""About as much is read at once: some milliseconds between two chances to stop."""
SNAPSHOTS = 50
"""As often, in the course of a scan, the pictures are made anew; in between only the number of patterns grows."""
_LEVEL_FRAMES = 64

FrameFigure = Literal["total", "maximum", "centre_y", "centre_x", "width", "zeros", "correlation"]
FRAME_FIGURES: tuple[FrameFigure, ...] = get_args(FrameFigure)


@dataclass(frozen=True, slots=True, eq=False)
class ScanFigures:
    """What is known of the patterns read so far; read-only."""

    n_done: int
    """Patterns read."""
    n_total: int
    """Of how many: of the sample, or of the whole scan."""
    mean: FloatArray
    """(N, N) float32 mean amplitude of each pixel, where it is finite."""
    maximum: FloatArray
    """(N, N) float32 greatest amplitude of each pixel."""
    mask: PixelMask
    """Pixels that cannot be trusted."""
    frames: Mapping[FrameFigure, NDArray[np.float64]]
    """(n_scan,) each figure of each pattern, NaN where it was not read yet:

    - ``total``: sum of amplitude², in counts where amplitudes are roots of counts;
    - ``maximum``: greatest amplitude;
    - ``centre_y``, ``centre_x`` [px]: centre of mass of amplitude² from the pixel ``N // 2``;
    - ``width`` [px]: root of the mean square distance from that centre, weighted by amplitude²;
    - ``zeros``: number of pixels without light;
    - ``correlation``: Pearson correlation of the amplitude with the mean amplitude of the sample.
    """

    @property
    def is_whole(self) -> bool:
        """Whether every pattern of the scan was read."""
        return self.n_done == len(self.frames["total"])


@dataclass(frozen=True, slots=True, eq=False)
class RegionSums:
    """The light in a rectangle of the detector, for each pattern read so far."""

    rectangle: Rectangle
    n_done: int
    n_total: int
    sums: NDArray[np.float64]
    """(n_scan,) sum of amplitude² in the rectangle, NaN where it was not read yet."""

    @property
    def is_whole(self) -> bool:
        """Whether every pattern of the scan was read."""
        return self.n_done == len(self.sums)


def spread_sample(dataset: Dataset) -> IndexArray:
    """Return patterns spread evenly over the scan; all of a short scan, the first of one that inflates slowly."""
    n_sample = sample_size(dataset)
    if n_sample >= dataset.n_scan or reads_from_the_beginning(dataset):
        return np.arange(min(n_sample, dataset.n_scan))
    return np.linspace(0, dataset.n_scan - 1, n_sample).astype(np.int64)


def gather_figures(dataset: Dataset, *, whole: bool) -> Iterator[ScanFigures]:
    """Yield what is known of a scan after each block of its patterns.

    Parameters
    ----------
    dataset
        The scan.
    whole
        Read all patterns after the sample.

    Raises
    ------
    DatasetError
        If the patterns cannot be read any more.
    """
    sample = spread_sample(dataset)
    n_total = dataset.n_scan if whole else len(sample)
    gathered = _Gathered(dataset)
    for indices in _blocks(dataset, sample, whole=False):
        gathered.add_to_reference(_amplitude(dataset, dataset.frames.read(indices)))
        yield gathered.snapshot(0, n_total)
    n_done = n_told = 0
    told = gathered.snapshot(0, n_total)
    for indices in _blocks(dataset, sample, whole=whole):
        gathered.add(indices, dataset.frames.read(indices))
        n_done += len(indices)
        if n_done in (len(sample), n_total) or (n_done - n_told) * SNAPSHOTS >= n_total:
            n_told, told = n_done, gathered.snapshot(n_done, n_total)
        yield replace(told, n_done=n_done)


def sum_region(dataset: Dataset, rectangle: Rectangle, *, whole: bool) -> Iterator[RegionSums]:
    """Yield the light in a rectangle after each block of patterns.

    Parameters
    ----------
    dataset
        The scan.
    rectangle
        Rows and columns of the detector; what lies outside of it is left away.
    whole
        Read all patterns after the sample.

    Raises
    ------
    DatasetError
        If the patterns cannot be read any more.
    """
    rows = slice(max(0, rectangle.row), max(0, rectangle.row + rectangle.height))
    columns = slice(max(0, rectangle.column), max(0, rectangle.column + rectangle.width))
    sample = spread_sample(dataset)
    n_total = dataset.n_scan if whole else len(sample)
    sums = np.full(dataset.n_scan, np.nan)
    n_done = n_told = 0
    told = RegionSums(rectangle, 0, n_total, frozen_array(sums))
    for indices in _blocks(dataset, sample, whole=whole):
        part = _amplitude(dataset, dataset.frames.read(indices))[:, rows, columns]
        sums[indices] = np.nansum(np.square(part, dtype=np.float64), axis=(1, 2))
        n_done += len(indices)
        if n_done in (len(sample), n_total) or (n_done - n_told) * SNAPSHOTS >= n_total:
            n_told, told = n_done, replace(told, sums=frozen_array(sums))
        yield replace(told, n_done=n_done)


def _blocks(dataset: Dataset, sample: IndexArray, *, whole: bool) -> Iterator[IndexArray]:
    """Yield the sample, then all others in the order of the file."""
    size = max(1, BLOCK_BYTES // (4 * dataset.n**2))
    for first in range(0, len(sample), size):
        yield sample[first : first + size]
    if not whole:
        return
    left = np.setdiff1d(np.arange(dataset.n_scan), sample, assume_unique=True)
    for first in range(0, len(left), size):
        yield left[first : first + size]


def _amplitude(dataset: Dataset, stored: FloatArray) -> FloatArray:
    """Return amplitudes, NaN where the file holds nothing finite."""
    amplitude = np.sqrt(np.maximum(stored, 0.0)) if dataset.measurement == "intensity" else stored
    return amplitude if np.isfinite(stored).all() else np.where(np.isfinite(stored), amplitude, np.float32(np.nan))


class _Gathered:
    """The sums over the blocks so far."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        n = dataset.n
        self._axis = (np.arange(n) - n // 2).astype(np.float64)
        self._reference_sum, self._n_reference = np.zeros((n, n)), 0
        self._sum = np.zeros((n, n))
        self._n_finite = np.zeros((n, n), np.int64)
        self._n_lit = np.zeros((n, n), np.int64)
        self._n_seen = 0
        self._maximum = np.zeros((n, n), np.float32)
        self._top, self._at_top, self._n_nearly = -math.inf, np.zeros((n, n), np.int64), 0
        self._levels = np.zeros(0, np.float32)
        self._frames = np.full((len(FRAME_FIGURES), dataset.n_scan), np.nan)

    def add_to_reference(self, amplitude: FloatArray) -> None:
        """Add to the mean pattern with which all are compared."""
        self._reference_sum += np.nan_to_num(amplitude).sum(axis=0, dtype=np.float64)
        self._n_reference += len(amplitude)

    def add(self, indices: IndexArray, stored: FloatArray) -> None:
        amplitude = _amplitude(self._dataset, stored)
        finite = np.isfinite(amplitude)
        filled = amplitude if finite.all() else np.where(finite, amplitude, np.float32(0))
        self._sum += filled.sum(axis=0, dtype=np.float64)
        self._n_finite += finite.sum(axis=0)
        self._n_lit += (filled > 0).sum(axis=0)
        np.maximum(self._maximum, filled.max(axis=0), out=self._maximum)
        if self._n_seen < _LEVEL_FRAMES:
            first = stored[: _LEVEL_FRAMES - self._n_seen]
            self._levels = np.union1d(self._levels, first[np.isfinite(first)])
        self._n_seen += len(stored)
        self._count_top(np.where(finite, stored, -np.inf) if filled is not amplitude else stored)
        self._frames[:, indices] = self._figures_of(filled, finite if filled is not amplitude else None)

    def _figures_of(self, amplitude: FloatArray, finite: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        intensity = np.square(amplitude, dtype=np.float64)
        rows, columns = intensity.sum(axis=2), intensity.sum(axis=1)
        total = rows.sum(axis=1)
        lit = np.where(total > 0, total, np.nan)
        y, x = rows @ self._axis / lit, columns @ self._axis / lit
        spread = (rows + columns) @ self._axis**2 / lit - y**2 - x**2
        dark = amplitude <= 0 if finite is None else (amplitude <= 0) & finite
        reference = self._reference_sum / max(1, self._n_reference)
        reference -= reference.mean()
        n_pixels = reference.size
        variance = total / n_pixels - np.square(amplitude.mean(axis=(1, 2), dtype=np.float64))
        norm = np.sqrt(np.maximum(variance, 0.0) * np.square(reference).mean())
        shared = amplitude.reshape(len(amplitude), -1) @ reference.astype(np.float32).ravel() / n_pixels
        correlation = np.divide(shared, norm, out=np.full(len(norm), np.nan), where=norm > 0)
        return np.stack(
            [
                total,
                amplitude.max(axis=(1, 2)),
                y,
                x,
                np.sqrt(np.maximum(spread, 0.0)),
                np.count_nonzero(dark, axis=(1, 2)),
                correlation,
            ]
        )

    def _count_top(self, stored: FloatArray) -> None:
        top = float(stored.max(initial=-math.inf))
        if top > self._top:
            # Of the blocks before, only those values may still lie near the new top that were the old top.
            nearly = int(self._at_top.sum()) + self._n_nearly if self._top >= 0.9 * top else 0
            self._top, self._n_nearly = top, nearly
            self._at_top[:] = 0
        self._at_top += (stored == self._top).sum(axis=0)
        self._n_nearly += int(np.count_nonzero((stored >= 0.9 * self._top) & (stored < self._top)))

    def snapshot(self, n_done: int, n_total: int) -> ScanFigures:
        """Return what is known now; before the first pattern counts, the mean of those to compare with."""
        if self._n_seen:
            mean = np.divide(self._sum, self._n_finite, out=np.full_like(self._sum, np.nan), where=self._n_finite > 0)
        else:
            mean = self._reference_sum / max(1, self._n_reference)
        figures = {name: frozen_array(row) for name, row in zip(FRAME_FIGURES, self._frames, strict=True)}
        return ScanFigures(
            n_done,
            n_total,
            frozen_array(mean, np.float32),
            frozen_array(self._maximum),
            self._mask(),
            MappingProxyType(figures),
        )

    def _mask(self) -> PixelMask:
        shape = self._sum.shape
        if not self._n_seen:
            return PixelMask(*(frozen_array(np.zeros(shape, bool)) for _ in range(3)))
        at_limit = is_at_limit(int(self._at_top.sum()), self._n_nearly, len(self._levels))
        dead = dead_mask(self._n_lit / self._n_seen, self._n_seen) & (self._n_finite == self._n_seen)
        return PixelMask(
            frozen_array(dead),
            frozen_array(self._at_top > 0 if at_limit else np.zeros(shape, bool)),
            frozen_array(self._n_finite < self._n_seen),
        )
