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
_QUERIED_AT_ONCE = 1 << 16
"""Positions whose neighbours are looked up at once."""
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
    read: Callable[[IndexArray], ComplexArray], positions: PositionArray, weights: FloatArray, pairs: IndexArray
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

    Returns
    -------
    tuple
        (m,) the phase of the first patch of each pair minus that of the second [rad], and how far to trust it.
    """
    differences, trust, roots = np.empty(len(pairs)), np.empty(len(pairs)), np.sqrt(weights)
    step = max(1, _BLOCK_BYTES // (8 * weights.size))
    for first in range(0, len(pairs), step):
        block = slice(first, first + step)
        named, places = np.unique(pairs[block], return_inverse=True)
        found = _compare(read(named), positions[named], roots, places.reshape(-1, 2))
        differences[block], trust[block] = found
    return differences, trust


def solve_phases(
    pairs: IndexArray, differences: NDArray[np.float64], trust: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Return the phases of ``n`` patches that fit the differences of all pairs best, (n,) [rad], their mean zero.

    Of few patches the equations are solved at once. Of many that would take memory that grows faster than they do:
    they are solved by conjugate gradients, which keep a few numbers for each patch.
    """
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator, cg, spsolve

    if not len(pairs):
        return np.zeros(n)
    first, second = pairs.T
    weighted = trust * differences
    right = np.bincount(first, weighted, n) - np.bincount(second, weighted, n)
    one_way = sparse.coo_array((trust, (first.astype(np.int32), second.astype(np.int32))), shape=(n, n)).tocsr()
    trusts = one_way + one_way.T
    degree = trusts.sum(axis=1) + _PIN
    if n <= _SOLVED_AT_ONCE:
        phases = np.asarray(spsolve((sparse.diags_array(degree) - trusts).tocsc(), right), np.float64)
    else:
        laplacian = LinearOperator((n, n), lambda values: degree * values.ravel() - trusts @ values.ravel())
        scaling = LinearOperator((n, n), lambda values: values.ravel() / degree)
        found, _ = cg(laplacian, right, rtol=_TOLERANCE, maxiter=_MOST_ITERATIONS, M=scaling)
        phases = np.asarray(found, np.float64)
    centred: NDArray[np.float64] = phases - phases.mean()
    return centred


def neighbour_pairs(positions: PositionArray, side: int) -> IndexArray:
    """Return (m, 2) each pair of near neighbours once, the lower number first, in ascending order."""
    from scipy.spatial import cKDTree

    n = len(positions)
    tree, count = cKDTree(positions), min(NEIGHBOURS + 1, n)
    found = []
    # Block by block, and each pair as one number: so little is held at once, and sorted fast.
    for start in range(0, n, _QUERIED_AT_ONCE):
        block = positions[start : start + _QUERIED_AT_ONCE]
        distances, indices = (np.reshape(one, (len(block), count)) for one in tree.query(block, count, p=np.inf))
        rows, places = np.nonzero(distances < _REACH * side)
        one, other = rows + start, indices[rows, places]
        numbers = np.minimum(one, other) * n + np.maximum(one, other)
        found.append(np.unique(numbers[one != other]))
    return np.stack(np.divmod(np.unique(np.concatenate([np.zeros(0, np.int64), *found])), max(n, 1)), axis=1)


def _compare(
    patches: ComplexArray, positions: PositionArray, roots: FloatArray, pairs: IndexArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compare pairs of the given patches; ``roots`` are those of the weights."""
    apart = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    whole = np.floor(apart)
    parts = (apart - whole).astype(np.float32)
    products, energies, shared = np.empty(len(pairs), np.complex128), np.empty(len(pairs)), np.empty(len(pairs))
    # Pair by pair on what both have in common: that stays in the cache, and nothing is gathered number by number.
    for place, ((one, other), (down, right), offset) in enumerate(
        zip(pairs.tolist(), parts, whole.astype(np.int64).tolist(), strict=True)
    ):
        first, second, root = _common(patches[one], patches[other], roots, offset, down, right)
        products[place] = np.vdot(second, first)
        energies[place] = np.vdot(first, first).real * np.vdot(second, second).real
        shared[place] = np.vdot(root, root)
    agreement = np.abs(products) / np.sqrt(np.maximum(energies, np.finfo(np.float32).tiny))
    # Patches that differ by more than a constant say little about it.
    trust = shared * np.minimum(agreement, 1.0) ** 4
    # Of a patch that is not finite nothing is known; it must not spoil the others.
    return np.nan_to_num(np.angle(products)), np.nan_to_num(trust)


def _common(
    first: ComplexArray,
    second: ComplexArray,
    roots: FloatArray,
    offset: list[int],
    down: np.float32,
    right: np.float32,
) -> tuple[ComplexArray, ComplexArray, FloatArray]:
    """Return what two patches show of the same place, times the roots of both weights, and these.

    Pixel u of the first patch lies at u + offset + (down, right) of the second: its value there is read off bilinearly.
    """
    side = len(roots)
    # The last row and column of the second patch have no next one to be read off between.
    (top, low), (left, end) = ((max(0, -step), min(side, side - 1 - step)) for step in offset)
    if top >= low or left >= end:
        return np.zeros(0, np.complex64), np.zeros(0, np.complex64), np.zeros(0, np.float32)
    rows, columns = slice(top + offset[0], low + offset[0]), slice(left + offset[1], end + offset[1])
    wide = second[rows.start : rows.stop + 1, columns.start : columns.stop + 1]
    tall = wide[:-1] * (1 - down)
    tall += wide[1:] * down
    read = tall[:, :-1] * (1 - right)
    read += tall[:, 1:] * right
    root = roots[top:low, left:end] * roots[rows, columns]
    read *= root
    return first[top:low, left:end] * root, read, root
