"""Groups of neighbouring scan positions, which the network solves together.

Two draws: that of training repeats PtychoPINN's number for number, that of inference covers every position.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import IndexArray, PositionArray, frozen_array, require_shape
from ptycho_engine.config import GroupingConfig
from ptycho_engine.errors import GroupingError
from ptycho_engine.going_on import GoOn, always

_ASKED_AT_ONCE = 1 << 18
"""Neighbours that are looked up in one piece: some tenths of a second."""
_ROWS = 1 << 14
"""Positions whose members are drawn in one piece: as long."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which patterns belong together, and where their patches lie."""

    group_indices: IndexArray
    """(n_groups, C) int64 indices of the members."""
    group_centers: PositionArray
    """(n_groups, 2) float64 [px] mean position of the members, ``(y, x)``."""
    local_offsets: PositionArray
    """(n_groups, C, 2) float64 [px] position of each member minus the centre of its group, ``(dy, dx)``."""

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.group_indices)

    @property
    def channels(self) -> int:
        """Number C of members of a group."""
        return int(self.group_indices.shape[1])


def group_positions(scan_positions: PositionArray, config: GroupingConfig, go_on: GoOn = always) -> Grouping:
    """Draw groups as PtychoPINN does, number for number for the same seed.

    The members of a group are C = gridsize² of the ``neighbor_count`` nearest neighbours of a drawn position, without
    that position itself. More groups than positions are drawn from all combinations of neighbours (C > 1); for C = 1
    there are never more groups than positions.

    Parameters
    ----------
    scan_positions
        (n_scan, 2) [px] ``(y, x)``.
    config
        How many groups, of how many members, and the seed.
    go_on
        Called between the blocks of the work.

    Raises
    ------
    GroupingError
        If there are too few positions or neighbours for a group.
    """
    require_shape("scan_positions", scan_positions, (None, 2))
    n_scan, channels = len(scan_positions), config.channels
    _require_enough(n_scan, channels)
    if channels > 1 and config.neighbor_count < channels:
        raise GroupingError(
            f"neighbor_count {config.neighbor_count} is smaller than the {channels} members of a group",
            f"Raise neighbor_count to at least {channels}, or lower gridsize.",
        )
    n_groups = n_scan if config.n_groups is None else config.n_groups
    random = np.random.RandomState(0 if config.sequential else config.seed)  # PtychoPINN's generator
    if channels > 1 and n_groups > n_scan:
        return _grouping(scan_positions, _oversampled(scan_positions, config, n_groups, random, go_on))
    seeds = np.arange(n_scan)
    if config.sequential:
        seeds = seeds[:n_groups]
    elif n_groups < n_scan:
        seeds = random.choice(seeds, n_groups, replace=False)
    if channels == 1:
        return _grouping(scan_positions, seeds[:, None])
    neighbors = _neighbors(scan_positions, seeds, config.neighbor_count, go_on)
    drawn = np.empty((len(seeds), channels), np.int64)
    for row in range(len(seeds)):
        if row % _ROWS == 0:
            go_on()
        drawn[row] = random.permutation(neighbors.shape[1])[:channels]
    return _grouping(scan_positions, np.take_along_axis(neighbors, drawn, axis=1))


def cover_positions(
    scan_positions: PositionArray, gridsize: int, neighbor_count: int, seed: int, go_on: GoOn = always
) -> Grouping:
    """Make one group for each position, with that position as its first member.

    The other members are drawn from the ``neighbor_count`` nearest positions (from as many as it takes, if that is too
    few for a group).

    Parameters
    ----------
    scan_positions
        (n_scan, 2) [px] ``(y, x)``.
    gridsize
        Side of the square of members; C = gridsize².
    neighbor_count
        Neighbours from which the other members are drawn.
    seed
        Of the draw.
    go_on
        Called between the blocks of the work.

    Raises
    ------
    GroupingError
        If there are fewer positions than members of a group.
    """
    require_shape("scan_positions", scan_positions, (None, 2))
    n_scan, channels = len(scan_positions), gridsize**2
    _require_enough(n_scan, channels)
    first = np.arange(n_scan)[:, None]
    if channels == 1:
        return _grouping(scan_positions, first)
    count = min(max(neighbor_count, channels - 1), n_scan - 1)
    nearest = _nearest(scan_positions, None, count + 1, go_on)
    # A position that lies exactly on others need not come first in its own list, or at all.
    itself = nearest == first
    itself[~itself.any(axis=1), -1] = True
    neighbors = nearest[~itself].reshape(n_scan, count)
    if count > channels - 1:
        lots = np.random.default_rng(seed).random((n_scan, count), dtype=np.float32)
        drawn = np.argpartition(lots, channels - 2, axis=1)[:, : channels - 1]
        neighbors = np.take_along_axis(neighbors, drawn, axis=1)
    return _grouping(scan_positions, np.concatenate((first, neighbors), axis=1))


def subsets_of_neighbors(
    scan_positions: PositionArray,
    chosen: IndexArray,
    *,
    channels: int,
    neighbor_count: int,
    n_subsets: int,
    seed: int,
    go_on: GoOn = always,
) -> Grouping:
    """Draw several groups around each chosen position, from it and its nearest chosen neighbours.

    PtychoPINN's barycentric route of July 2026 draws so, without a seed: its groups cannot be repeated, only its rule.

    Parameters
    ----------
    scan_positions
        (n_scan, 2) [px] ``(y, x)``.
    chosen
        (n,) the positions that take part.
    channels
        Members C of a group; a single member is the position itself.
    neighbor_count
        Neighbours from which members are drawn, beside the position itself.
    n_subsets
        Groups for each position.
    seed
        Of the draw.
    go_on
        Called between the blocks of the work.

    Returns
    -------
    Grouping
        (n * n_subsets, C) groups, those of a position one after the other, members in the order of the draw.

    Raises
    ------
    GroupingError
        If there are fewer chosen positions, or neighbours, than members of a group.
    """
    require_shape("scan_positions", scan_positions, (None, 2))
    _require_enough(len(chosen), channels)
    if channels == 1:
        return _grouping(scan_positions, np.repeat(chosen, n_subsets)[:, None])
    pool = scan_positions[chosen]
    count = min(neighbor_count + 1, len(chosen))
    _require_enough(count, channels)
    nearest = _nearest(pool, None, count, go_on)
    lots = np.random.default_rng(seed).random((len(chosen), n_subsets, count))
    drawn = np.argsort(lots, axis=2)[:, :, :channels]
    members = np.take_along_axis(np.broadcast_to(nearest[:, None], lots.shape), drawn, axis=2)
    return _grouping(scan_positions, chosen[members.reshape(-1, channels)])


def _require_enough(n_scan: int, channels: int) -> None:
    if n_scan < channels:
        raise GroupingError(
            f"a group needs {channels} positions but the scan has only {n_scan}",
            "Lower gridsize, or open a longer scan.",
        )


def _grouping(scan_positions: PositionArray, indices: NDArray[np.integer]) -> Grouping:
    # A position as one complex number: along an axis of two numbers numpy needs several times as long.
    members = np.ascontiguousarray(scan_positions, np.float64).view(np.complex128)[:, 0].take(indices)
    centers = members[:, 0].copy()
    for member in range(1, members.shape[1]):
        centers += members[:, member]
    centers /= members.shape[1]
    members -= centers[:, None]
    # Nobody else holds them: to freeze copies of them would take as long as all before.
    centers.setflags(write=False)
    members.setflags(write=False)
    return Grouping(
        frozen_array(indices, np.int64),
        centers.view(np.float64).reshape(-1, 2),
        members.view(np.float64).reshape(*members.shape, 2),
    )


def _nearest(scan_positions: PositionArray, asked: IndexArray | None, count: int, go_on: GoOn) -> IndexArray:
    """Return (n, count) the positions nearest to each of those that are asked for, or to each one, nearest first."""
    from scipy.spatial import cKDTree

    go_on()
    # (x, y), as PtychoPINN has it: neighbours at the same distance then come in the same order.
    points = np.ascontiguousarray(scan_positions[:, ::-1])
    tree = cKDTree(points)
    # Asked in the order of the tree, so that one query finds in the cache what the one before it has read.
    order = np.asarray(tree.indices, np.int64)
    turns = order if asked is None else np.argsort(_inverse(order)[asked])
    queries = points.take(turns if asked is None else asked[turns], axis=0)
    found = np.empty((len(queries), count), np.int64)
    step = max(1, _ASKED_AT_ONCE // count)
    for first in range(0, len(queries), step):
        go_on()
        block = slice(first, first + step)
        found[block] = np.reshape(tree.query(queries[block], k=count)[1], (-1, count))
    return found.take(_inverse(turns), axis=0)


def _inverse(order: IndexArray) -> IndexArray:
    """Return (n,) the place of each number in an order of all of them."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place


def _neighbors(scan_positions: PositionArray, seeds: IndexArray, neighbor_count: int, go_on: GoOn) -> IndexArray:
    """Return (n_seeds, K) the nearest neighbours, nearest first, without the seed where there are enough others."""
    n_scan = len(scan_positions)
    nearest = _nearest(scan_positions, seeds, min(neighbor_count + 1, n_scan), go_on)
    return nearest if neighbor_count + 1 > n_scan else nearest[:, 1:]


def _oversampled(
    scan_positions: PositionArray,
    config: GroupingConfig,
    n_groups: int,
    random: "np.random.RandomState",
    go_on: GoOn,
) -> IndexArray:
    """Draw more groups than there are positions, from all combinations of neighbours of some positions."""
    n_scan, channels = len(scan_positions), config.channels
    per_seed = math.comb(config.neighbor_count, channels)
    n_seeds = min(2 * math.ceil(n_groups / per_seed), n_scan)
    seeds = random.choice(n_scan, n_seeds, replace=False)
    neighbors = _neighbors(scan_positions, seeds, config.neighbor_count, go_on)
    drawn_from = itertools.islice(_combinations(neighbors, channels, go_on), 2 * n_groups)
    pool = np.fromiter(drawn_from, np.dtype((np.int64, channels)))
    drawn = random.choice(len(pool), n_groups, replace=len(pool) < n_groups)
    return np.asarray(pool[drawn])


def _combinations(neighbors: IndexArray, channels: int, go_on: GoOn) -> Iterator[tuple[int, ...]]:
    for number, row in enumerate(neighbors):
        if number % _ROWS == 0:
            go_on()
        yield from itertools.combinations(row.tolist(), channels)
