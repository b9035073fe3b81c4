"""Grouping: one group of four for each position, against the bare tree query and against a loop."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree

from ptycho_engine.arrays import IndexArray, PositionArray
from ptycho_engine.benchmarks.measuring import in_turns
from ptycho_engine.benchmarks.row import OWN, Row, faster, within
from ptycho_engine.benchmarks.settings import BenchSettings
from ptycho_engine.geometry.grouping import cover_positions

SIZES = (1_000, 10_000, 100_000)
_NEIGHBOURS, _GRIDSIZE = 6, 2
_QUERY = "the bare tree query (scipy)"
_LOOP = "a loop over the positions"


def grouping(settings: BenchSettings) -> Iterator[Row]:
    """Measure scans of three sizes."""
    for size in SIZES:
        yield _groups(size, settings)


def raster_like(count: int) -> PositionArray:
    """Return (count, 2) [px] random positions, 400 square pixels for each."""
    return np.random.default_rng(0).uniform(0, 20 * np.sqrt(count), (count, 2))


def own_groups(positions: PositionArray) -> IndexArray:
    """Return (n, 4) members as the inference groups them."""
    return cover_positions(positions, _GRIDSIZE, _NEIGHBOURS, 0).group_indices


def tree_query(positions: PositionArray) -> IndexArray:
    """Return (n, 7) each position and its six nearest neighbours: the least that any grouping has to find."""
    _, nearest = cKDTree(positions).query(positions, k=_NEIGHBOURS + 1)
    return np.asarray(nearest, np.int64)


def groups_by_loop(positions: PositionArray) -> IndexArray:
    """Return (n, 4) members, drawn position by position from the tree's neighbours, as PtychoPINN does."""
    nearest = tree_query(positions)
    rng = np.random.RandomState(0)
    return np.array([rng.choice(row, _GRIDSIZE**2, replace=False) for row in nearest])


def _groups(size: int, settings: BenchSettings) -> Row:
    positions = raster_like(size)
    ways = {
        OWN: lambda: own_groups(positions),
        _QUERY: lambda: tree_query(positions),
        _LOOP: lambda: groups_by_loop(positions),
    }
    timings = in_turns(ways, settings.rounds)
    largest = size == SIZES[-1]
    return Row(
        "grouping",
        f"{size:,} positions",
        timings,
        (
            within("<= 1.3x the bare tree query", 1.3, timings[OWN], timings[_QUERY], applies=largest),
            faster(">= 5x a loop over the positions", 5, timings[OWN], timings[_LOOP], applies=largest),
        ),
        values={"positions_per_s": size / timings[OWN].median},
    )
