"""Bring the constant phases of patches into line before they are stitched.

A diffraction pattern does not change when its patch is multiplied by a constant phase, so a network cannot know that
phase; it drifts from patch to patch, and patches stitched as they are blur and bend the phase of the canvas. Where
patches overlap their phases can be compared: the phase of each that fits all comparisons best in least squares is
synchronisation by a weighted graph (A. Singer, Appl. Comput. Harmon. Anal. 30, 2011), solved here for small
differences. Only constants are changed: no amplitude, and no detail within a patch.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.going_on import GoOn, always

NEIGHBOURS = 8
"""Overlaps that each patch is compared in: more hardly changed the canvas of a real scan."""
_REACH = 0.75
"""Greatest distance of compared patches, in sides: less than a quarter in common tells little."""
_BLOCK_BYTES = 1 << 23
"""Of the squares that are compared at once; some ten arrays of that size are held."""
_SOLVED_AT_ONCE = 20_000
"""Patches up to which the equations are factorised."""
_TOLERANCE = 1e-9
"""Of the conjugate gradients, relative: far below what the comparison of two patches can tell."""
_MOST_ITERATIONS = 20_000
_NEIGHBOURS_AT_ONCE = 1 << 15
"""Patches whose neighbours are looked up in one piece: some tenths of a second."""
_PIN = 1e-9
"""Weight that holds each patch where it is: decides the constant of every island of patches."""


def phases_of_patches(patches: ComplexArray, positions: PositionArray, weights: FloatArray) -> NDArray[np.float64]:
    """Return the constant phase of each patch relative to its neighbours.

    Parameters
    ----------
    patches
        (n, c, c) complex64, the squares that are stitched.
    positions
        (n, 2) [px] ``(y, x)``.
    weights
        (c, c) weight of each pixel.

    Returns
    -------
    numpy.ndarray
        (n,) [rad], their mean zero; to be taken off.
    """
    pairs = neighbour_pairs(positions, patches.shape[-1])
    differences, trust = compare_pairs(lambda chosen: patches[chosen], positions, weights, pairs)
    return solve_phases(pairs, differences, trust, len(patches))


def compare_pairs(
    read: Callable[[IndexArray], ComplexArray],
    positions: PositionArray,
    weights: FloatArray,
    pairs: IndexArray,
    go_on: GoOn = always,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare the phases of overlapping patches; memory does not depend on how many there are.

    Parameters
    ----------
    read
        Returns the squares of some patches by their ascending numbers, (k, c, c) complex64.
    positions
        (n, 2) [px] ``(y, x)``.
    weights
        (c, c) weight of each pixel.
    pairs
        (m, 2) numbers of patches.
    go_on
        Called between the blocks of the work.

    Returns
    -------
    tuple
        (m,) the phase of the first patch of each pair minus that of the second [rad], and how far to trust it.
    """
    differences, trust = np.empty(len(pairs)), np.empty(len(pairs))
    step = max(1, _BLOCK_BYTES // (8 * weights.size))
    for first in range(0, len(pairs), step):
        go_on()
        block = slice(first, first + step)
        named, places = np.unique(pairs[block], return_inverse=True)
        found = _compare(read(named), positions[named], weights, places.reshape(-1, 2))
        differences[block], trust[block] = found
    return differences, trust


def solve_phases(
    pairs: IndexArray, differences: NDArray[np.float64], trust: NDArray[np.float64], n: int, go_on: GoOn = always
) -> NDArray[np.float64]:
    """Return the phases of ``n`` patches that fit the differences of all pairs best, (n,) [rad], their mean zero.

    Of few patches the equations are solved at once. Of many that would take memory that grows faster than they do:
    they are solved by conjugate gradients, which keep a few numbers for each patch, and ``go_on`` is called before
    each of their steps.
    """
    from scipy import sparse
    from scipy.sparse.linalg import cg, spsolve

    if not len(pairs):
        return np.zeros(n)
    rows = np.arange(len(pairs))
    signs = np.concatenate([np.ones(len(pairs)), -np.ones(len(pairs))])
    edges = sparse.csr_array((signs, (np.concatenate([rows, rows]), pairs.T.ravel())), shape=(len(pairs), n))
    go_on()
    weighted = edges.T @ sparse.diags_array(trust)
    go_on()
    laplacian = (weighted @ edges + _PIN * sparse.eye_array(n)).tocsc()
    right = weighted @ differences
    go_on()
    if n <= _SOLVED_AT_ONCE:
        phases = np.asarray(spsolve(laplacian, right), np.float64)
    else:
        scaling = sparse.diags_array(1.0 / laplacian.diagonal())
        found, _ = cg(
            laplacian, right, rtol=_TOLERANCE, maxiter=_MOST_ITERATIONS, M=scaling, callback=lambda _: go_on()
        )
        phases = np.asarray(found, np.float64)
    centred: NDArray[np.float64] = phases - phases.mean()
    return centred


def neighbour_pairs(positions: PositionArray, side: int, go_on: GoOn = always) -> IndexArray:
    """Return (m, 2) each pair of near neighbours once, the lower number first, in ascending order."""
    from scipy.spatial import cKDTree

    n = len(positions)
    count = min(NEIGHBOURS + 1, n)
    tree = cKDTree(positions)
    found = []
    for start in range(0, n, _NEIGHBOURS_AT_ONCE):
        go_on()
        stop = min(start + _NEIGHBOURS_AT_ONCE, n)
        distances, indices = tree.query(positions[start:stop], count, p=np.inf)
        first, second = np.repeat(np.arange(start, stop), count), np.reshape(indices, -1)
        near = (np.reshape(distances, -1) < _REACH * side) & (second != first)
        low, high = np.minimum(first, second)[near], np.maximum(first, second)[near]
        # One number for each pair: these are sorted many times as fast as rows of two.
        found.append(np.unique(low * n + high))
    go_on()
    return np.stack(np.divmod(np.unique(np.concatenate([np.zeros(0, np.int64), *found])), n), axis=1)


def _compare(
    patches: ComplexArray, positions: PositionArray, weights: FloatArray, pairs: IndexArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the phase of the first patch of each pair minus that of the second [rad], and how far to trust it."""
    side = patches.shape[-1]
    apart = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    whole = np.floor(apart).astype(np.int64)
    down, right = np.moveaxis((apart - whole).astype(np.float32), 1, 0)[:, :, None, None]
    # Pixel u of the first patch lies at u + apart of the second: its value there is read off bilinearly.
    steps = np.arange(side)
    rows, columns = (whole[:, axis, None] + steps for axis in (0, 1))
    common = ((rows >= 0) & (rows < side - 1))[:, :, None] & ((columns >= 0) & (columns < side - 1))[:, None, :]
    rows, columns = np.clip(rows, 0, side - 2)[:, :, None], np.clip(columns, 0, side - 2)[:, None, :]
    other = pairs[:, 1, None, None]
    upper = patches[other, rows, columns] * (1 - right) + patches[other, rows, columns + 1] * right
    lower = patches[other, rows + 1, columns] * (1 - right) + patches[other, rows + 1, columns + 1] * right
    second, first = upper * (1 - down) + lower * down, patches[pairs[:, 0]]
    shared = common * weights * weights[rows, columns]
    product = np.einsum("kij,kij,kij->k", shared, first, second.conj())
    energy = np.einsum("kij,kij->k", shared, np.abs(first) ** 2) * np.einsum("kij,kij->k", shared, np.abs(second) ** 2)
    agreement = np.abs(product) / np.sqrt(np.maximum(energy, np.finfo(np.float32).tiny))
    # Patches that differ by more than a constant say little about it.
    trust = shared.sum(axis=(1, 2)) * np.minimum(agreement, 1.0) ** 4
    # Of a patch that is not finite nothing is known; it must not spoil the others.
    difference = np.nan_to_num(np.angle(product)).astype(np.float64)
    return difference, np.nan_to_num(trust).astype(np.float64)
