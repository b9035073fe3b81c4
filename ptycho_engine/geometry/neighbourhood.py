"""An order of scan positions in which those that follow each other lie near each other."""

import numpy as np

from ptycho_engine.arrays import IndexArray, PositionArray


def order_by_neighbourhood(
    centers: PositionArray, batch_size: int, cell_side: float, rng: np.random.Generator
) -> IndexArray:
    """Return an order whose batches each lie in one square of the scan, as far as there are enough positions in it.

    The squares are laid anew at random each time, so that every pair of neighbours meets sooner or later, and their
    batches come in random order. What is left over in each square, less than a batch, is gathered square by square
    into further batches; only the last batch may be smaller than the others.

    Parameters
    ----------
    centers
        (n, 2) [px] ``(y, x)``.
    batch_size
        Positions in a batch.
    cell_side
        Side of the squares [px].
    rng
        Decides everything that is random.

    Returns
    -------
    numpy.ndarray
        (n,) int64, each number once.
    """
    cells = np.floor((centers - centers.min(axis=0)) / cell_side + rng.random(2)).astype(np.int64)
    _, numbers = np.unique(cells, axis=0, return_inverse=True)
    shuffled = rng.permutation(len(centers))
    # Stable, so that the shuffle decides the order within a square.
    members = shuffled[np.argsort(numbers.reshape(-1)[shuffled], kind="stable")]
    ends = np.cumsum(np.bincount(numbers.reshape(-1)))
    whole, rest = [], []
    for cell in np.split(members, ends[:-1]):
        kept = len(cell) - len(cell) % batch_size
        whole.append(cell[:kept])
        rest.append(cell[kept:])
    remainder = np.concatenate(rest)
    kept = len(remainder) - len(remainder) % batch_size
    batches = np.concatenate([*whole, remainder[:kept]]).reshape(-1, batch_size)
    return np.concatenate([batches[rng.permutation(len(batches))].reshape(-1), remainder[kept:]]).astype(np.int64)
