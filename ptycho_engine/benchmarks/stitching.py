"""Stitching: patches onto a canvas, against the same sum done plainly, and against a loop in C."""

from collections.abc import Iterator

import numpy as np
import torch

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.benchmarks.c_stitch import CStitch
from ptycho_engine.benchmarks.machine import Machine
from ptycho_engine.benchmarks.measuring import Work, in_turns, peak_bytes
from ptycho_engine.benchmarks.row import OWN, Figure, Limit, Row, at_most, faster, within
from ptycho_engine.benchmarks.settings import BenchSettings
from ptycho_engine.geometry.canvas import CanvasStitcher, stitch_weights
from ptycho_engine.geometry.scatter_sum import ScatterSum

SIDE = 64
CASES = ((128, 252), (1024, 608), (8192, 2008))
"""Patches and the side of the canvas that they cover [px]."""
_SCATTER_BATCH = 1000
_SCATTER = "four corners of every pixel (torch)"
_WHOLE_CANVAS = "whole canvas for each patch (torch)"
_IN_C = "loop in C (-O3)"
_SMALL_CROP, _SMALL_EXTENT, _SMALL_PATCHES = 20, 92, 1087
"""As many, as large and as close together as those of a real scan [px]."""


def stitching(settings: BenchSettings, machine: Machine) -> Iterator[Row]:
    """Measure canvases of three sizes, and many small squares that lie close together."""
    kernel = CStitch.build()
    for n_patches, extent in CASES:
        yield _full_patches(n_patches, extent, settings, machine, kernel)
    yield _small_squares(settings, kernel)


def random_patches(n_patches: int, side: int, extent: int) -> tuple[ComplexArray, PositionArray]:
    """Return noise (n, side, side) complex64 and positions (n, 2) [px] on a canvas of side ``extent``."""
    rng = np.random.default_rng(1)
    patches = np.empty((n_patches, side, side), np.complex64)
    patches.real = rng.standard_normal(patches.shape, np.float32)
    patches.imag = rng.standard_normal(patches.shape, np.float32)
    return patches, rng.uniform(side / 2, extent - side / 2 - 2, (n_patches, 2))


def stitch(patches: ComplexArray, positions: PositionArray, crop: int) -> CanvasStitcher:
    """Stitch with uniform weights, as the inference does."""
    stitcher = CanvasStitcher(positions, patches.shape[-1], crop, stitch_weights("uniform", crop))
    stitcher.add(patches, positions)
    # What the canvas would be divided by: it is summed up when it is asked for.
    assert stitcher.weight.any()
    return stitcher


def scatter_corners(patches: ComplexArray, corners: PositionArray, height: int, width: int) -> torch.Tensor:
    """Add every pixel of every patch to the four canvas pixels around it, all patches of a batch at once.

    The plain vectorised way, which is also that of PtychoPINN's barycentric route.

    Parameters
    ----------
    patches
        (k, c, c) complex64.
    corners
        (k, 2) [px] canvas coordinates of pixel ``[0, 0]`` of each.
    height, width
        Of the canvas [px].

    Returns
    -------
    torch.Tensor
        (3, height * width) float32: real part, imaginary part and weight.
    """
    side = patches.shape[-1]
    steps = torch.arange(side, dtype=torch.float32)
    sums = torch.zeros(3, height * width)
    for first in range(0, len(patches), _SCATTER_BATCH):
        part = torch.from_numpy(patches[first : first + _SCATTER_BATCH])
        corner = torch.from_numpy(corners[first : first + _SCATTER_BATCH].astype(np.float32))
        rows = (corner[:, 0, None, None] + steps[:, None]).expand(-1, side, side)
        columns = (corner[:, 1, None, None] + steps).expand(-1, side, side)
        row, column = rows.floor(), columns.floor()
        down, right = rows - row, columns - column
        index = row.long() * width + column.long()
        for step, share in (
            (0, (1 - down) * (1 - right)),
            (1, (1 - down) * right),
            (width, down * (1 - right)),
            (width + 1, down * right),
        ):
            where = (index + step).reshape(-1)
            sums[0].index_add_(0, where, (part.real * share).reshape(-1))
            sums[1].index_add_(0, where, (part.imag * share).reshape(-1))
            sums[2].index_add_(0, where, share.reshape(-1))
    return sums


def move_whole_canvases(patches: ComplexArray, corners: PositionArray, height: int, width: int) -> torch.Tensor:
    """Place each patch on a canvas of its own, move all of these at once with bilinear reading, and add them up.

    The way of PtychoPINN's command line: time and memory grow with patches times canvas area. Arguments and result as
    for :func:`scatter_corners`.
    """
    side = patches.shape[-1]
    layers = torch.zeros(len(patches), 3, height, width)
    part = torch.from_numpy(patches)
    layers[:, 0, :side, :side], layers[:, 1, :side, :side], layers[:, 2, :side, :side] = part.real, part.imag, 1
    rows = (torch.arange(height, dtype=torch.float32) + 0.5) * 2 / height - 1
    columns = (torch.arange(width, dtype=torch.float32) + 0.5) * 2 / width - 1
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    steps = np.stack([2 * corners[:, 1] / width, 2 * corners[:, 0] / height], axis=1).astype(np.float32)
    moved = torch.nn.functional.grid_sample(layers, grid - torch.from_numpy(steps)[:, None, None], align_corners=False)
    return moved.sum(dim=0).reshape(3, -1)


def _full_patches(
    n_patches: int, extent: int, settings: BenchSettings, machine: Machine, kernel: CStitch | None
) -> Row:
    patches, positions = random_patches(n_patches, SIDE, extent)
    stitcher = stitch(patches, positions, SIDE)
    height, width = stitcher.canvas("network", 1.0).object_.shape
    corners = positions - SIDE // 2 - np.array(stitcher.origin_px)
    ways: dict[str, Work] = {
        OWN: lambda: stitch(patches, positions, SIDE),
        _SCATTER: lambda: scatter_corners(patches, corners, height, width),
    }
    if kernel is not None:
        ways[_IN_C] = lambda: kernel.stitch(patches, corners, height, width)
    timings = in_turns(ways, settings.rounds)
    largest = n_patches == CASES[-1][0]
    memory = peak_bytes(lambda: stitch(patches, positions, SIDE))
    canvases = memory / (height * width * 8)
    figures: list[Figure] = [
        faster(">= 8x faster than adding up four corners", 8, timings[OWN], timings[_SCATTER], applies=largest)
    ]
    if kernel is not None:
        figures.append(within("<= 3x a loop in C", 3, timings[OWN], timings[_IN_C], applies=largest))
    figures.append(at_most("memory beside the patches <= 5 canvases", 5, canvases, "canvases"))
    # Patches are read once; each pixel of theirs is read from and written to the canvas and the weights.
    moved = patches.nbytes + 2 * n_patches * (SIDE + 1) ** 2 * 12
    return Row(
        "stitching",
        f"{n_patches} patches of {SIDE} px on {width} px",
        timings,
        tuple(figures),
        Limit("memory", moved / machine.read_bytes_per_s),
        {"patches_per_s": n_patches / timings[OWN].median, "memory_MB": memory / 1e6},
        "" if kernel is not None else "There is no C compiler: the loop in C is left out.",
    )


def _small_squares(settings: BenchSettings, kernel: CStitch | None) -> Row:
    patches, _ = random_patches(_SMALL_PATCHES, _SMALL_CROP, 2 * _SMALL_CROP)
    positions = np.random.default_rng(2).uniform(0, _SMALL_EXTENT, (_SMALL_PATCHES, 2))
    side = _SMALL_EXTENT + _SMALL_CROP + 1

    def own() -> ScatterSum:
        summed = ScatterSum(side, side, stitch_weights("uniform", _SMALL_CROP))
        summed.add(patches, positions)
        assert summed.weight.any()
        return summed

    ways: dict[str, Work] = {
        OWN: own,
        _WHOLE_CANVAS: lambda: move_whole_canvases(patches, positions, side, side),
    }
    if kernel is not None:
        ways[_IN_C] = lambda: kernel.stitch(patches, positions, side, side)
    timings = in_turns(ways, settings.rounds)
    return Row(
        "stitching",
        f"{_SMALL_PATCHES} squares of {_SMALL_CROP} px within {_SMALL_EXTENT} px",
        timings,
        (faster(">= 100x faster than moving whole canvases", 100, timings[OWN], timings[_WHOLE_CANVAS]),),
        note="PtychoPINN's command line moves whole canvases in more passes than this reference: 843 ms where it was "
        "measured, on another machine.",
    )
