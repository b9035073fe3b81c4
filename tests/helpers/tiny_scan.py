"""A scan so small that a network can be trained on it in a test."""

from functools import cache

import numpy as np

from ptycho_engine.documents import Dataset
from ptycho_engine.formats.frames import ArrayFrames

N = 64


@cache
def tiny_scan(n_scan: int = 12, seed: int = 0, n_photons: float = 1e5) -> Dataset:
    """Return a noisy scan of a smooth object with a round probe, patches in fact 2's places."""
    rng = np.random.default_rng(seed)
    side = N + 24
    y, x = np.mgrid[:side, :side] / side
    object_ = (0.8 + 0.2 * np.sin(9 * x) * np.cos(7 * y)) * np.exp(0.5j * np.sin(11 * y + 3 * x))
    v, u = np.mgrid[:N, :N] - N / 2
    probe = np.exp(-(u**2 + v**2) / (2 * 9.0**2)) * np.exp(0.004j * (u**2 + v**2))
    positions = rng.integers(N // 2, side - N // 2, size=(n_scan, 2))
    amplitudes = np.empty((n_scan, N, N), np.float32)
    for index, (row, column) in enumerate(positions):
        patch = object_[row - N // 2 : row + N // 2, column - N // 2 : column + N // 2]
        intensity = np.abs(np.fft.fftshift(np.fft.fft2(patch * probe, norm="ortho"))) ** 2
        photons_per_unit = n_photons / np.sum(np.abs(probe) ** 2)
        amplitudes[index] = np.sqrt(rng.poisson(intensity * photons_per_unit) / photons_per_unit)
    return Dataset(
        name=f"tiny-{seed}",
        path=None,
        frames=ArrayFrames(amplitudes),
        scan_positions=positions.astype(np.float64),
        probe=probe[None].astype(np.complex64),
        object_=object_.astype(np.complex64),
        n_photons=n_photons,
        fingerprint=f"tiny-{n_scan}-{seed}-{n_photons:g}",
    )
