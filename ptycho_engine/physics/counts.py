"""Scans as counts: by what amplitudes are multiplied for the square root of photons, and statistics of counts.

A file may hold counts, square roots of counts, or amplitudes that were normalised once more. With the count scale c the
counts are ``(c A)²`` and the probe that made them is ``c P``; the object stays what it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ptycho_engine.arrays import FloatArray, IndexArray, frozen_array
from ptycho_engine.documents import CountStatistics, Dataset, FrameStack
from ptycho_engine.errors import DatasetError
from ptycho_engine.physics.scaling import amplitude_blocks, mean_total

_BLOCK = 256
_SAMPLED = 8
"""Patterns that are looked at to see whether they hold whole counts."""


@dataclass(frozen=True, slots=True)
class CountScan:
    """A scan whose patterns and probe are in the scale of the counts."""

    dataset: Dataset
    """``measurement`` is ``"intensity"``."""
    count_scale: float
    """c, by which the stored amplitudes were multiplied."""
    origin: str
    """In words, where c comes from."""


@dataclass(frozen=True)
class CountFrames:
    """The patterns of another stack as counts, converted when they are read."""

    stored: FrameStack
    factor: float
    """By which intensities are multiplied: c²."""
    of_amplitudes: bool
    """Whether the other stack holds amplitudes, which are squared."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(n_scan, N, N)``."""
        return self.stored.shape

    @property
    def stored_dtype(self) -> str:
        """The dtype of the other stack."""
        return self.stored.stored_dtype

    def read(self, indices: IndexArray | slice) -> FloatArray:
        """Return counts, ``(k, N, N)`` float32, in the order asked for."""
        values = np.asarray(self.stored.read(indices), np.float32)
        intensities = np.square(values) if self.of_amplitudes else values
        return intensities if self.factor == 1.0 else intensities * np.float32(self.factor)


def as_counts(dataset: Dataset, n_photons: float | None = None, count_scale: float | None = None) -> CountScan:
    """Return a scan as counts, with its probe in the scale of the counts; nothing is read but what decides the scale.

    The scale is taken from the first of these that there is: the photons given, the scale given, counts in the file,
    the file's own ``count_scale``, squares of the amplitudes that are whole numbers, the file's number of photons.

    Parameters
    ----------
    dataset
        The scan, amplitudes or counts.
    n_photons
        Photons in an average pattern, if a person says so.
    count_scale
        c, if it is known from a scan in the same units.

    Raises
    ------
    DatasetError
        If the patterns are amplitudes that nobody can turn into counts.
    """
    scale, origin = _count_scale(dataset, n_photons, count_scale)
    if dataset.measurement == "intensity" and scale == 1.0:
        return CountScan(dataset, scale, origin)
    frames = CountFrames(dataset.frames, scale**2, of_amplitudes=dataset.measurement == "amplitude")
    probe = frozen_array(dataset.probe * np.float32(scale), np.complex64)
    return CountScan(replace(dataset, frames=frames, probe=probe, measurement="intensity"), scale, origin)


def holds_whole_counts(dataset: Dataset) -> bool:
    """Whether amplitudes are square roots of counts: whether intensities are whole numbers, told from some patterns."""
    some = np.unique(np.linspace(0, dataset.n_scan - 1, min(dataset.n_scan, _SAMPLED)).astype(np.int64))
    counts = np.square(dataset.diffraction(some).astype(np.float64))
    # Square roots kept in float32 give whole counts back to about this much.
    whole = bool(np.all(np.abs(counts - np.round(counts)) <= 1e-5 * counts + 1e-9))
    return whole and bool(counts.max() > 1)


def count_statistics(dataset: Dataset, indices: IndexArray) -> CountStatistics:
    """Measure the counts that a training reads.

    Parameters
    ----------
    dataset
        A scan of counts.
    indices
        The patterns of the training, of any shape; one that is named twice counts twice.

    Raises
    ------
    DatasetError
        If the patterns are no counts: negative, not finite, or all zero.
    """
    unique, times = np.unique(np.asarray(indices).reshape(-1), return_counts=True)
    sums, squares = [], []
    for first in range(0, len(unique), _BLOCK):
        block = dataset.counts(unique[first : first + _BLOCK])
        _require_counts(dataset, block, unique[first : first + _BLOCK])
        flat = block.reshape(len(block), -1).astype(np.float64)
        sums.append(flat.sum(axis=1))
        squares.append(np.einsum("ij,ij->i", flat, flat))
    mean = float(np.average(np.concatenate(sums), weights=times)) / dataset.n**2
    square = float(np.average(np.concatenate(squares), weights=times))
    if not (0 < mean < math.inf and 0 < square < math.inf):
        raise DatasetError("its patterns hold no photons", "Choose a scan with data.", file=dataset.path)
    return CountStatistics(rms_input_scale=(dataset.n / 2) / math.sqrt(square), mean_measured_intensity=mean)


def _require_counts(dataset: Dataset, block: FloatArray, indices: IndexArray) -> None:
    good = np.isfinite(block) & (block >= 0)
    if good.all():
        return
    first = int(np.flatnonzero(~good.all(axis=(1, 2)))[0])
    worst = float(block[first][~good[first]][0])
    raise DatasetError(
        f"its patterns are no counts: pattern {int(indices[first])} holds {worst:g}",
        "Clip values below zero and correct broken pixels, or train with the profile amplitude.",
        file=dataset.path,
    )


def _count_scale(dataset: Dataset, n_photons: float | None, count_scale: float | None) -> tuple[float, str]:
    if n_photons is not None:
        return _scale_of(dataset, n_photons), f"from n_photons = {n_photons:g}, as set"
    if count_scale is not None:
        return count_scale, "as in the training"
    if dataset.measurement == "intensity":
        return 1.0, "the file holds counts"
    said = _said_scale(dataset.metadata)
    if said is not None:
        return said, "as the file says"
    if holds_whole_counts(dataset):
        return 1.0, "the squares of the file's amplitudes are whole numbers"
    if dataset.n_photons is not None:
        return _scale_of(dataset, dataset.n_photons), f"from n_photons = {dataset.n_photons:g} in the file"
    raise DatasetError(
        "its patterns are amplitudes without a count scale, not counts",
        "Say how many photons an average pattern holds (n_photons), or use the profile amplitude.",
        file=dataset.path,
    )


def _scale_of(dataset: Dataset, n_photons: float) -> float:
    total = mean_total(amplitude_blocks(dataset, np.arange(dataset.n_scan)))
    if not 0 < total < math.inf:
        raise DatasetError(
            "its patterns hold no photons, or values that are not finite", "Choose a scan with data.", file=dataset.path
        )
    return math.sqrt(n_photons / total)


def _said_scale(metadata: Mapping[str, object]) -> float | None:
    physics = metadata.get("physics_parameters")
    value = physics.get("count_scale") if isinstance(physics, Mapping) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    return None
