"""Patches onto a canvas: as they come, or as an older release would have shown them."""

from typing import Protocol

import numpy as np

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.documents import Canvas, Rectangle
from ptycho_engine.geometry.canvas import CanvasStitcher, stitch_weights
from ptycho_engine.geometry.compatibility import stitch_2025_11, stitch_2026_07
from ptycho_engine.inference_job import InferenceJob


class Stitch(Protocol):
    """Takes patches and shows a canvas."""

    def add(self, patches: ComplexArray, positions: PositionArray) -> None:
        """Take in (k, N, N) patches and their (k, 2) positions [px] ``(y, x)``."""
        ...

    def canvas(self) -> Canvas:
        """Return the canvas of the patches so far."""
        ...

    def damage(self) -> Rectangle:
        """Return the part that changed since the last call."""
        ...


class LiveStitch:
    """Stitches each batch when it comes, in time proportional to its patches."""

    def __init__(self, job: InferenceJob) -> None:
        weights = stitch_weights(job.config.weights, job.crop, job.dataset.probe)
        grouping = job.batches.grouping
        positions = job.dataset.scan_positions[np.unique(grouping.group_indices)]
        self._stitcher = CanvasStitcher(positions, job.bundle.model.n, job.crop, weights)
        self._network_per_physical = job.network_per_physical
        self._damage = Rectangle(0, 0, 0, 0)

    def add(self, patches: ComplexArray, positions: PositionArray) -> None:
        """Take in patches."""
        self._damage = union(self._damage, self._stitcher.add(patches, positions))

    def canvas(self) -> Canvas:
        """Return the canvas of the patches so far."""
        return self._stitcher.canvas("network", self._network_per_physical)

    def damage(self) -> Rectangle:
        """Return the part that changed since the last call."""
        damage, self._damage = self._damage, Rectangle(0, 0, 0, 0)
        return damage


class CompatibleStitch:
    """Keeps all patches and stitches them as an older release does, with its faults."""

    def __init__(self, job: InferenceJob) -> None:
        self._job = job
        self._patches: list[ComplexArray] = []
        self._positions: list[PositionArray] = []

    def add(self, patches: ComplexArray, positions: PositionArray) -> None:
        """Take in patches."""
        self._patches.append(patches)
        self._positions.append(positions)

    def canvas(self) -> Canvas:
        """Return the canvas of the patches so far."""
        patches, positions = np.concatenate(self._patches), np.concatenate(self._positions)
        scale = self._job.network_per_physical
        if self._job.config.compatibility == "2025-11":
            return stitch_2025_11(patches, positions, network_per_physical=scale)
        crop = self._job.config.crop
        return stitch_2026_07(patches, positions, crop=20 if crop is None else crop, network_per_physical=scale)

    def damage(self) -> Rectangle:
        """Return the whole canvas: every new patch moves the mean position."""
        height, width = self.canvas().object_.shape
        return Rectangle(0, 0, height, width)


def union(one: Rectangle, other: Rectangle) -> Rectangle:
    """Return the smallest rectangle around two; an empty one adds nothing."""
    if one.height * one.width == 0:
        return other
    if other.height * other.width == 0:
        return one
    row, column = min(one.row, other.row), min(one.column, other.column)
    last_row = max(one.row + one.height, other.row + other.height)
    last_column = max(one.column + one.width, other.column + other.width)
    return Rectangle(row, column, last_row - row, last_column - column)
