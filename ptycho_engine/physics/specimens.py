"""Procedural specimens and probes: what a simulated experiment looks at, and with what."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray

Thickness = NDArray[np.float64]

OBJECT_KINDS = ("lines", "shapes", "cells")
PROBE_KINDS = ("defocused", "focused", "gaussian")

_ABSORBED = 0.4
_TURNED = 1.0


def make_object(kind: str, shape: tuple[int, int], seed: int) -> ComplexArray:
    """Draw a specimen with features from two pixels to a few tens.

    Parameters
    ----------
    kind
        ``"lines"`` (conductors of a circuit), ``"shapes"`` (overlapping particles), ``"cells"`` (tissue).
    shape
        (H, W) [px].
    seed
        Of the drawing.

    Returns
    -------
    numpy.ndarray
        (H, W) complex64 transmission, amplitude from 0.6 to 1, phase up to 1 rad.
    """
    if kind not in _DRAW:
        raise ValueError(f"there is no specimen {kind!r}; there are {', '.join(OBJECT_KINDS)}")
    random = np.random.default_rng(seed)
    thickness, composition = _DRAW[kind](shape, random)
    amplitude = 1 - _ABSORBED * np.clip(0.7 * thickness + 0.3 * composition, 0, 1)
    phase = _TURNED * np.clip(thickness - 0.5 * composition * thickness, 0, 1)
    return np.asarray(amplitude * np.exp(1j * phase), dtype=np.complex64)


def make_probe(n: int, kind: str = "defocused") -> ComplexArray:
    """Make a probe whose light lies in the middle of its square, about pixel ``[N/2, N/2]``.

    Its total is (2N)², so that with the usual ``probe_scale`` of 4 network amplitude is close to transmission.

    Parameters
    ----------
    n
        Side N [px].
    kind
        ``"defocused"``: a round aperture seen out of focus, with fringes and a curved phase; ``"focused"``: the same in
        focus, an Airy pattern; ``"gaussian"``: a Gaussian with a curved phase.

    Returns
    -------
    numpy.ndarray
        (1, N, N) complex64.
    """
    axis = np.arange(n) - n // 2
    squared = axis[:, None] ** 2 + axis[None, :] ** 2
    if kind == "gaussian":
        width = n / 7
        probe = np.exp(-squared / (2 * width**2)) * np.exp(1j * squared / (1.6 * width**2))
    elif kind in ("focused", "defocused"):
        # Drawn on a larger square first, so that light that leaves it does not come in at the other side.
        frequency = np.fft.fftfreq(4 * n)
        radius = np.hypot(frequency[:, None], frequency[None, :])
        cutoff, defocus = (4.2 / n, 0.0) if kind == "focused" else (8 / n, 0.1 * n * n)
        aperture = np.clip((cutoff - radius) * 2 * n + 0.5, 0, 1)
        wave = np.fft.fftshift(np.fft.ifft2(aperture * np.exp(-1j * defocus * radius**2)))
        start = 2 * n - n // 2
        probe = wave[start : start + n, start : start + n] * np.exp(-((squared / (0.45 * n) ** 2) ** 4))
    else:
        raise ValueError(f"there is no probe {kind!r}; there are {', '.join(PROBE_KINDS)}")
    return np.asarray(probe * (2 * n / np.linalg.norm(probe)), dtype=np.complex64)[None]


def _lines(shape: tuple[int, int], random: np.random.Generator) -> tuple[Thickness, Thickness]:
    """Draw bars along rows and columns, wide ones first, with pads at some ends."""
    thickness, composition = np.zeros(shape), np.zeros(shape)
    area = shape[0] * shape[1] / 64**2
    for width, each in ((20, 0.5), (10, 1.5), (5, 4.0), (3, 6.0), (2, 6.0)):
        for _ in range(max(1, round(each * area))):
            length = int(width * random.uniform(3, 12))
            tall = random.random() < 0.5
            height, breadth = (length, width) if tall else (width, length)
            top = int(random.integers(-height // 2, shape[0]))
            left = int(random.integers(-breadth // 2, shape[1]))
            bar = (slice(max(0, top), max(0, top + height)), slice(max(0, left), max(0, left + breadth)))
            thickness[bar] = random.uniform(0.25, 1.0)
            composition[bar] = random.uniform(0, 1)
            if random.random() < 0.3:
                _disk(thickness, (top, left), width, random.uniform(0.4, 1.0))
    return _softened(thickness, 0.7), _softened(composition, 0.7)


def _shapes(shape: tuple[int, int], random: np.random.Generator) -> tuple[Thickness, Thickness]:
    """Draw round and angular particles of many sizes that lie on one another."""
    thickness, composition = np.zeros(shape), np.zeros(shape)
    for _ in range(round(14 * shape[0] * shape[1] / 64**2)):
        size = float(np.clip(random.lognormal(1.7, 0.7), 1.5, 22))
        y, x = random.uniform(0, shape[0]), random.uniform(0, shape[1])
        reach = int(np.ceil(1.5 * size))
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        box = (slice(top, int(y) + reach + 1), slice(left, int(x) + reach + 1))
        rows, columns = np.indices(thickness[box].shape).astype(np.float64)
        down, right = rows + (top - y), columns + (left - x)
        angle, flat = random.uniform(0, np.pi), random.uniform(0.5, 1)
        along = down * np.cos(angle) + right * np.sin(angle)
        across = (right * np.cos(angle) - down * np.sin(angle)) / flat
        norm = np.hypot(along, across)
        if random.random() > 0.6:
            norm = np.maximum(np.abs(along), np.abs(across))
        inside = np.less(norm, size)
        # Particles are thickest in the middle, and what lies below still shows.
        height = random.uniform(0.3, 0.9) * (0.6 + 0.4 * np.sqrt(np.clip(1 - (norm / size) ** 2, 0, 1)))
        thickness[box] = np.where(inside, 0.3 * thickness[box] + height, thickness[box])
        composition[box] = np.where(inside, random.uniform(0, 1), composition[box])
    return _softened(np.clip(thickness, 0, 1), 0.7), _softened(composition, 0.7)


def _cells(shape: tuple[int, int], random: np.random.Generator) -> tuple[Thickness, Thickness]:
    """Draw cells with membranes, nuclei and granules."""
    from scipy.spatial import cKDTree

    spacing = 24
    grid = np.mgrid[-spacing : shape[0] + 2 * spacing : spacing, -spacing : shape[1] + 2 * spacing : spacing]
    centers = grid.reshape(2, -1).T + random.uniform(-9, 9, (grid[0].size, 2))
    rows, columns = np.indices(shape)
    found = cKDTree(centers).query(np.stack([rows, columns], axis=-1), k=2)
    distance, cell = np.asarray(found[0]), np.asarray(found[1])[..., 0]
    membrane = np.exp(-(((distance[..., 1] - distance[..., 0]) / 2.5) ** 2))
    body = random.uniform(0.1, 0.4, len(centers))[cell]
    size = random.uniform(3, 7, len(centers))[cell]
    nucleus = 1 / (1 + np.exp((distance[..., 0] - size) / 0.6))
    granules = np.clip(_softened(random.standard_normal(shape), 1.2) * 3.5 - 0.9, 0, 1)
    texture = _softened(random.standard_normal(shape), 5) * 5
    thickness = body + 0.45 * membrane + 0.35 * nucleus + 0.25 * granules + 0.06 * texture
    composition = 0.8 * nucleus + 0.3 * membrane + 0.5 * granules * (1 - nucleus)
    return np.clip(thickness, 0, 1), np.clip(composition, 0, 1)


def _disk(image: Thickness, center: tuple[int, int], radius: int, value: float) -> None:
    top, left = max(0, center[0] - radius), max(0, center[1] - radius)
    part = image[top : center[0] + radius + 1, left : center[1] + radius + 1]
    rows, columns = np.indices(part.shape)
    part[np.hypot(rows + top - center[0], columns + left - center[1]) <= radius] = value


def _softened(image: Thickness, sigma: float) -> Thickness:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(image, sigma))


_DRAW: dict[str, Callable[[tuple[int, int], np.random.Generator], tuple[Thickness, Thickness]]] = {
    "lines": _lines,
    "shapes": _shapes,
    "cells": _cells,
}
