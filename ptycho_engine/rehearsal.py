"""Patterns of made-up objects at the positions of a scan, under its own probe: what a network can rehearse on.

A network of small kernels that reads patterns as they are must first learn the way from detector to specimen. Where
nearly all that patterns differ by is noise it does not find it: simulated ``cells`` of 1e3 photons were not learned at
all, not even from their true patches. That way depends on the probe alone, not on the specimen. So it can be learned
from objects that are made up, with as many photons as one likes, and then with ever fewer, down to those of the scan.

The objects are Gaussian random fields without any structure that a specimen might have: amplitude and phase vary
together, in each batch as one or the other sign has it, so that neither tells the other.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, IndexArray
from ptycho_engine.batches import Batch, GroupBatches
from ptycho_engine.physics.noise import noise_share
from ptycho_engine.physics.scaling import probe_energy
from ptycho_engine.training_scans import TrainingScan
from ptycho_engine.transfers import pinned

NOISY = 0.5
"""Part of what patterns differ by from which on noise hides the object: simulated scans of 1e3 photons have 0.80 to
0.93, of 1e5 photons 0.14 to 0.31."""
_PHOTONS = 1e6
"""Of a pattern at first: next to no noise."""
_CLEAR, _REACHED = 0.6, 0.95
"""Parts of the rehearsal up to which patterns have these photons, and from which on those of the scan."""
_CUTOFF = 0.15
"""Spatial frequency at which the fields have fallen to 1/e [1/px]: features of a few pixels."""
_AMPLITUDE_SPREAD, _PHASE_SPREAD = 0.15, 0.3
"""Standard deviations of amplitude, and of phase [rad]."""
_MOST_SIDES = 4
"""Greatest side of a made-up object, in sides of a pattern."""
_GROUPS = 1024


def share_of_noise(scans: Sequence[TrainingScan]) -> float:
    """Return which part of what patterns differ by is noise, in the scan where it is most; of up to 1024 groups.

    0 where a probe sends no light, or is not finite: nothing can be made up under it.
    """
    energies = [probe_energy(scan.dataset.probe) for scan in scans]
    if not all(math.isfinite(one) and one > 0 for one in energies):
        return 0.0
    return max(_share_of_noise(scan.batches, scan.n_photons) for scan in scans)


def _share_of_noise(batches: GroupBatches, n_photons: float) -> float:
    n = batches.dataset.n
    total, squares, count = np.zeros((n, n)), np.zeros((n, n)), 0
    for groups in batches.slices(batches.spread(_GROUPS)):
        images = batches.batch(groups).images.flatten(0, 1)
        count += len(images)
        total += images.sum(0).cpu().numpy()
        squares += images.square().sum(0).cpu().numpy()
    return noise_share(total / count, squares / count, n_photons)


def rehearsed(batch: Batch, scan: TrainingScan, seed: Sequence[int], done: float) -> Batch:
    """Return a batch as it would be if a made-up object stood at its positions, rounded to whole pixels.

    Parameters
    ----------
    batch
        Groups of ``scan``, with normalised amplitudes.
    scan
        Gives the probe and the photons.
    seed
        Decides object and noise, whatever the device and however many processes there are.
    done
        Part of the rehearsal that lies behind, 0 to 1: decides the photons.
    """
    n = batch.images.shape[-1]
    random = np.random.default_rng(list(seed))
    places = np.rint(batch.positions).astype(np.int64)
    corners = places.reshape(-1, 2) - places.reshape(-1, 2).min(axis=0)
    # The field repeats itself at its ends, so the object of a batch from places far apart need not reach over them all.
    height, width = np.minimum(corners.max(axis=0) + n, _MOST_SIDES * n)
    patches = _cut(made_up_object((int(height), int(width)), random), corners, n)
    amplitudes = _measured(patches, scan.dataset.probe, photons_at(done, scan.n_photons), random)
    images = torch.from_numpy(amplitudes.reshape(batch.images.shape))
    on_device = pinned(images, batch.images.device).to(batch.images.device, non_blocking=True)
    # What the shared object is merged at is the position alone; offsets within a group are not read then.
    return Batch(
        batch.groups,
        on_device.contiguous(memory_format=torch.channels_last),
        batch.local_offsets,
        places.astype(np.float64),
    )


def photons_at(done: float, n_photons: float) -> float:
    """Return the photons of a pattern where the part ``done`` of the rehearsal lies behind."""
    fallen = min(1.0, max(0.0, (done - _CLEAR) / (_REACHED - _CLEAR)))
    most = max(_PHOTONS, n_photons)
    return float(most ** (1 - fallen) * n_photons**fallen)


def made_up_object(shape: tuple[int, int], random: np.random.Generator) -> ComplexArray:
    """Return an (H, W) complex64 object about transmission 1 whose amplitude and phase follow one random field."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :])
    spectrum = np.fft.rfft2(random.standard_normal(shape)) * np.exp(-np.square(frequency / _CUTOFF))
    field = np.fft.irfft2(spectrum, s=shape)
    field /= field.std()
    sign = 1.0 if random.random() < 0.5 else -1.0
    amplitude = np.clip(1 + sign * _AMPLITUDE_SPREAD * field, 0.2, 1.8)
    return np.asarray(amplitude * np.exp(1j * _PHASE_SPREAD * field), np.complex64)


def _cut(object_: ComplexArray, corners: IndexArray, n: int) -> ComplexArray:
    whole = np.pad(object_, ((0, n), (0, n)), mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(whole, (n, n))
    return np.asarray(windows[corners[:, 0] % object_.shape[0], corners[:, 1] % object_.shape[1]])


def _measured(
    patches: ComplexArray, probe: ComplexArray, photons: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Return (k, N, N) the normalised amplitudes of patterns that have ``photons`` photons on average."""
    n = patches.shape[-1]
    intensity = np.zeros(patches.shape, np.float64)
    for mode in probe:
        field = np.fft.fftshift(np.fft.fft2(patches * mode, norm="ortho"), axes=(1, 2))
        intensity += np.square(field.real.astype(np.float64)) + np.square(field.imag)
    per_photon = intensity.sum() / (len(patches) * photons)
    counts = random.poisson(intensity / per_photon)
    return np.asarray(np.sqrt(counts / photons) * (n / 2), np.float32)
