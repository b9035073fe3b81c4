"""How the cost grows with the size: 1x, 10x, 100x, and the exponent of CPU time and of memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ptycho_engine.arrays import IndexArray
from ptycho_engine.benchmarks.grouping import own_groups, raster_like
from ptycho_engine.benchmarks.inference import engine_job
from ptycho_engine.benchmarks.measuring import Work, in_turns, peak_bytes
from ptycho_engine.benchmarks.row import Row, at_most
from ptycho_engine.benchmarks.samples import N, simulated_scan, untrained_bundle
from ptycho_engine.benchmarks.settings import BenchSettings
from ptycho_engine.benchmarks.stitching import random_patches
from ptycho_engine.documents import Dataset
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.canvas import CanvasStitcher

SCALES = (1, 10, 100)
_MOST = 1.15
"""In proportion, but for what sorting takes and caches no longer hold."""
_PATCHES, _POSITIONS, _PATTERNS = 100, 1_000, 16
_BLOCK = 100


def growth(settings: BenchSettings, folder: Path) -> Iterator[Row]:
    """Measure stitching, inference and grouping."""
    rounds = min(settings.rounds, 3)
    yield growth_row("stitching", _PATCHES, "patches of 64 px", _stitching, rounds)
    dataset = simulated_scan(folder, 64)
    what = "patterns of 64 px, a network of half the filters"
    yield growth_row("inference", _PATTERNS, what, lambda count: _inference(dataset, count), rounds)
    yield growth_row("grouping", _POSITIONS, "positions", lambda count: _grouping(count), rounds)


def growth_row(name: str, first: int, what: str, work_of: Callable[[int], Work], rounds: int) -> Row:
    """Measure a piece of work at three sizes.

    Parameters
    ----------
    name
        Of the row.
    first
        The smallest size.
    what
        What the size counts.
    work_of
        Makes the work of a size; its own cost is not measured.
    rounds
        Samples of each.
    """
    sizes = [first * scale for scale in SCALES]
    works = {f"{size:,}": work_of(size) for size in sizes}
    timings = in_turns(works, rounds)
    seconds = [one.median for one in timings.values()]
    memory = [peak_bytes(work) for work in works.values()]
    exponent = slope(sizes, seconds)
    return Row(
        "growth",
        f"{name}: {', '.join(works)} {what}",
        timings,
        (at_most(f"exponent of CPU time <= {_MOST}", _MOST, exponent),),
        values={"exponent_of_cpu_time": exponent, "exponent_of_memory": slope(sizes, memory)}
        | {f"memory_MB_at_{size}": one / 1e6 for size, one in zip(sizes, memory, strict=True)},
    )


def slope(sizes: list[int], costs: list[float] | list[int]) -> float:
    """Return the exponent p of costs that grow as size**p, by least squares in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-9)), 1)[0])


def _stitching(count: int) -> Work:
    """Stitch patches that lie as close together at every size, a block at a time as they come from a network."""
    block, _ = random_patches(_BLOCK, N, 4 * N)
    extent = 20 * np.sqrt(count) + N
    positions = np.random.default_rng(3).uniform(0, extent, (count, 2))

    def work() -> None:
        stitcher = CanvasStitcher(positions, N, N)
        for start in range(0, count, _BLOCK):
            stitcher.add(block, positions[start : start + _BLOCK])
        # Summed up when it is asked for.
        assert stitcher.weight.any()

    return work


class _Repeated(ArrayFrames):
    """The patterns of a scan over and over, so that a long scan takes no memory."""

    def __init__(self, frames: ArrayFrames, count: int) -> None:
        super().__init__(frames.read(slice(None)))
        self._count = count

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(n_scan, N, N)``."""
        return self._count, *super().shape[1:]

    def read(self, indices: IndexArray | slice) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        """Return the named patterns."""
        numbers = np.arange(self._count)[indices] if isinstance(indices, slice) else np.asarray(indices)
        return super().read(numbers % super().shape[0])


def repeated_scan(dataset: Dataset, count: int) -> Dataset:
    """Return a scan of ``count`` patterns, those of another one over and over, at positions of their own."""
    stack = _Repeated(ArrayFrames(dataset.frames.read(slice(None))), count)
    return replace(dataset, frames=stack, scan_positions=raster_like(count) / 5, object_=None)


def _inference(dataset: Dataset, count: int) -> Work:
    # The smallest of these networks: how the cost grows is a matter of all that is around it.
    job = engine_job(untrained_bundle("full_patch_cnn", n_filters_scale=1), repeated_scan(dataset, count), count)

    def work() -> None:
        with torch.inference_mode():
            for _ in job.predictions():
                pass

    return work


def _grouping(count: int) -> Work:
    positions = raster_like(count)
    return lambda: own_groups(positions)
