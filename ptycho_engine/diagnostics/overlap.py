"""Whether neighbouring patches show the same object where they overlap."""

import numpy as np

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.geometry.canvas import extract_patches

_LEAST_DISTANCE_PX = 0.5
"""Nearer positions see the same pattern: agreement of their patches tells nothing."""
_NEGLIGIBLE = 1e-9
"""Variance, in parts of the mean square, below which patches are constant up to rounding."""


def overlap_consistency(
    patches: ComplexArray, positions: PositionArray, light: FloatArray, pairs: IndexArray | None = None
) -> float:
    """Return how far neighbouring patches agree where the probe lit both, beyond chance.

    Each patch b is placed on its neighbour a at **plus** the difference of their positions, bilinear. Over the common
    area, with the weight ``w = light_a light_b`` (both on the frame of a), means are removed for each pair, and the
    sums run over all pairs: ``c = Re sum w (a - <a>) conj(b - <b>) / sqrt(sum w |a - <a>|² sum w |b - <b>|²)``.
    This is Pearson's correlation for complex values; with the real part, a phase that jumps between patches counts as
    disagreement, as it does on the canvas. A network that draws the same picture for every pattern has a high c as
    well, so it is taken again with strangers in the places of the neighbours, the patches that lie farthest away, and
    chance is taken out as in Cohen's kappa (1960): ``(c - c_strangers) / (1 - c_strangers)``.

    Parameters
    ----------
    patches
        (k, N, N) complex.
    positions
        (k, 2) [px] ``(y, x)``.
    light
        (N, N) intensity of the probe, on any scale.
    pairs
        (m, 2) which patches to compare; by default each with its nearest neighbour.

    Returns
    -------
    float
        1 where neighbours show the same, 0 where they have no more in common than any two patches; NaN without
        neighbours, or where all patches are constant.
    """
    chosen = nearest_pairs(positions) if pairs is None else pairs
    if not len(chosen):
        return float("nan")
    shifts = positions[chosen[:, 0]] - positions[chosen[:, 1]]
    distances = np.linalg.norm(positions[chosen[:, 0], None] - positions[None], axis=2)
    strangers = np.stack([chosen[:, 0], distances.argmax(axis=1)], axis=1)
    near, far = (agreement_at(patches, one, shifts, light) for one in (chosen, strangers))
    return (near - far) / (1.0 - far) if far < 1.0 - _NEGLIGIBLE else float("nan")


def agreement_at(patches: ComplexArray, pairs: IndexArray, shifts: PositionArray, light: FloatArray) -> float:
    """Return c of :func:`overlap_consistency`, the second of each pair placed at minus its shift on the first.

    Parameters
    ----------
    patches
        (k, N, N) complex.
    pairs
        (m, 2) which patches to compare.
    shifts
        (m, 2) [px] position of the first minus that of the second, ``(y, x)``, under the placement to be judged.
    light
        (N, N) intensity of the probe, on any scale.
    """
    n = patches.shape[-1]
    inner, of_first, of_second, scale = 0.0, 0.0, 0.0, 0.0
    for (one, other), shift in zip(pairs.tolist(), shifts, strict=True):
        here = np.asarray(shift + n // 2)[None]
        moved = extract_patches(patches[other], here, n)[0]
        lit = light * extract_patches(light.astype(np.complex64), here, n)[0].real
        total = float(lit.sum(dtype=np.float64))
        if total <= 0:
            continue
        # Each pair counts the same, whatever the light that its two patches share.
        weight, first = lit / total, patches[one]
        a, b = first - (weight * first).sum(), moved - (weight * moved).sum()
        inner += float((weight * (a * b.conj()).real).sum())
        of_first += float((weight * np.square(np.abs(a))).sum())
        of_second += float((weight * np.square(np.abs(b))).sum())
        scale += float((weight * np.square(np.abs(first))).sum())
    norm = float(np.sqrt(of_first * of_second))
    return inner / norm if norm > _NEGLIGIBLE * scale else float("nan")


def nearest_pairs(positions: PositionArray) -> IndexArray:
    """Return (m, 2) each position with its nearest other one; the same two are named once."""
    from scipy.spatial import cKDTree

    count = min(len(positions), 8)
    if count < 2:
        return np.zeros((0, 2), np.int64)
    distances, neighbours = (np.asarray(one) for one in cKDTree(positions).query(positions, k=count))
    apart = distances > _LEAST_DISTANCE_PX
    found = np.flatnonzero(apart.any(axis=1))
    nearest = neighbours[found, apart[found].argmax(axis=1)]
    pairs = np.sort(np.stack([found, nearest], axis=1), axis=1)
    return np.unique(pairs, axis=0).astype(np.int64)
