"""The factors between what a detector counts, what the network reads and what it draws.

``k`` (``input_scale``) brings measured amplitudes to a mean total of (N/2)² in a pattern; the network then draws the
object ``probe_scale * k`` times too bright; ``intensity_scale`` brings the network's amplitudes to photons.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray
from ptycho_engine.documents import Dataset

_CACHED = 1 << 16
"""Numbers in 64 bits that stay in the cache until they are summed."""
_BLOCK = 256


def intensity_scale(n_photons: float, n: int) -> float:
    """Return the factor from normalised amplitude to the square root of photons: sqrt(n_photons)/(N/2).

    Parameters
    ----------
    n_photons
        Photons in an average pattern.
    n
        Side N of a pattern [px].
    """
    return math.sqrt(n_photons) / (n / 2)


def input_scale(mean_total: float, n: int) -> float:
    """Return the factor k that brings patterns to a mean total of (N/2)²; 1 for patterns that are all zero.

    Parameters
    ----------
    mean_total
        Mean over patterns of the sum of squared amplitudes.
    n
        Side N of a pattern [px].
    """
    return (n / 2) / math.sqrt(mean_total) if mean_total > 0 else 1.0


def probe_energy(probe: ComplexArray) -> float:
    """Return the energy of the light that meets the object: the sum over pixels of |sum of modes|², in float64.

    Parameters
    ----------
    probe
        (n_modes, N, N); the forward model adds the modes before they diffract.
    """
    return float(np.sum(np.abs(probe.astype(np.complex128).sum(axis=0)) ** 2))


def light_factor(probe: ComplexArray, reference_energy: float) -> float:
    """Return what patches of a network that learned with a probe of another energy must be multiplied by.

    Normalised patterns of the same object under a brighter probe are the same patterns, and so is what a network draws
    from them; but at network scale, ``probe_scale * k`` times the transmission, the object is darker, because k is
    smaller by the root of the energies.

    Parameters
    ----------
    probe
        (n_modes, N, N) the probe of the scan.
    reference_energy
        :func:`probe_energy` of the probe that the network learned with.

    Returns
    -------
    float
        sqrt(reference_energy / energy), 1 for a dark probe.
    """
    energy = probe_energy(probe)
    return math.sqrt(reference_energy / energy) if energy > 0 and reference_energy > 0 else 1.0


def mean_total(amplitudes: Iterable[FloatArray]) -> float:
    """Return the mean over patterns of the sum of squared amplitudes, in float64.

    Parameters
    ----------
    amplitudes
        Blocks of patterns, each (k, N, N); none is kept.
    """
    total, count = 0.0, 0
    for block in amplitudes:
        total += float(totals(block).sum())
        count += len(block)
    return total / count if count else 0.0


def totals(amplitudes: FloatArray) -> NDArray[np.float64]:
    """Return (k,) the sum of squared amplitudes of each pattern, in float64."""
    flat = amplitudes.reshape(len(amplitudes), -1)
    # A few patterns at a time in the same memory: as a whole, a block in 64 bits no longer fits any cache.
    step = max(1, _CACHED // max(1, flat.shape[1]))
    wide, sums = np.empty((step, flat.shape[1])), np.empty(len(flat))
    for first in range(0, len(flat), step):
        some = wide[: len(flat) - first]
        np.copyto(some, flat[first : first + step])
        np.einsum("ij,ij->i", some, some, out=sums[first : first + step])
    return sums


def dataset_input_scale(dataset: Dataset, indices: IndexArray | None = None) -> float:
    """Return k of a dataset, its patterns read in blocks.

    Parameters
    ----------
    dataset
        The scan.
    indices
        The patterns to average over, of any shape; one that is named twice counts twice. All by default.
    """
    every = np.arange(dataset.n_scan) if indices is None else np.asarray(indices).reshape(-1)
    unique, counts = np.unique(every, return_counts=True)
    if not unique.size:
        return 1.0
    sums = np.concatenate([totals(block) for block in amplitude_blocks(dataset, unique)])
    return input_scale(float(np.average(sums, weights=counts)), dataset.n)


def amplitude_blocks(dataset: Dataset, indices: IndexArray, block: int = _BLOCK) -> Iterator[FloatArray]:
    """Yield the named patterns as amplitudes, at most ``block`` at a time."""
    for start in range(0, len(indices), block):
        yield dataset.diffraction(indices[start : start + block])
