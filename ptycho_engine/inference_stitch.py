"""Patches onto a canvas: as they come, or as an older release would have shown them."""

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.diagnostics.registration import ramp_factors
from ptycho_engine.documents import Canvas, Rectangle
from ptycho_engine.geometry.canvas import CanvasStitcher, stitch_weights
from ptycho_engine.inference_compatibility import CompatibilityMode
from ptycho_engine.inference_job import InferenceJob

_ROWS = 64
"""Of a canvas that are turned at once."""


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

    def rescale(self, s1: float, s2: float) -> None:
        """Multiply the real part of all patches by s1 and the imaginary part by s2."""
        ...

    def gather(self) -> None:
        """Add up what all processes have stitched, where there are several."""
        ...

    def turn(self, slope: NDArray[np.float64]) -> None:
        """Let the phase of the canvas rise more by a slope ``(y, x)`` [rad/px]."""
        ...


class LiveStitch:
    """Stitches each batch when it comes, in time proportional to its patches.

    Several processes stitch their shares, each on a canvas with room for all, and add them up at the end.
    """

    def __init__(self, job: InferenceJob) -> None:
        weights = stitch_weights(job.config.weights, job.crop, job.dataset.probe)
        scan = job.dataset.scan_positions[np.unique(job.batches.grouping.group_indices)]
        self._stitcher = CanvasStitcher(scan, job.bundle.model.n, job.crop, weights)
        self._network_per_physical = job.network_per_physical
        self._damage = Rectangle(0, 0, 0, 0)
        self._ranks = job.ranks
        self._factors = (1.0, 1.0)
        self._slope = np.zeros(2)

    def add(self, patches: ComplexArray, positions: PositionArray) -> None:
        """Take in patches."""
        self._damage = union(self._damage, self._stitcher.add(patches, positions))

    def gather(self) -> None:
        """Add up what all processes have stitched."""
        self._stitcher.add_up(self._ranks)

    def rescale(self, s1: float, s2: float) -> None:
        """Scale the two parts of what is stitched, which a weighted mean keeps apart."""
        self._factors = (s1, s2)

    def turn(self, slope: NDArray[np.float64]) -> None:
        """Let the phase of the canvas rise more by a slope."""
        self._slope = slope

    def canvas(self) -> Canvas:
        """Return the canvas of the patches so far."""
        canvas = self._stitcher.canvas("network", self._network_per_physical)
        object_ = canvas.object_
        if self._factors != (1.0, 1.0):
            object_ = scaled_parts(object_, *self._factors)
        if self._slope.any():
            object_ = turned(object_, (float(self._slope[0]), float(self._slope[1])))
        if object_ is canvas.object_:
            return canvas
        # Made for this picture alone, as the first one was.
        object_.setflags(write=False)
        return replace(canvas, object_=object_)

    def damage(self) -> Rectangle:
        """Return the part that changed since the last call."""
        damage, self._damage = self._damage, Rectangle(0, 0, 0, 0)
        return damage


def scaled_parts(values: ComplexArray, s1: float, s2: float) -> ComplexArray:
    """Return ``s1 Re + i s2 Im``, complex64."""
    return np.asarray(s1 * values.real + 1j * (s2 * values.imag), np.complex64)


def turned(values: ComplexArray, slope: tuple[float, float]) -> ComplexArray:
    """Return (H, W) complex64 values with a phase that rises more by a slope ``(y, x)`` [rad/px].

    Some rows at a time: a whole ramp in 64 bits would be the greatest thing in memory beside a large canvas.
    """
    down, right = ramp_factors(values.shape, slope)
    result = np.empty_like(values)
    for first in range(0, len(values), _ROWS):
        rows = slice(first, first + _ROWS)
        result[rows] = values[rows] * (down[rows] * right)
    return result


class CompatibleStitch:
    """Stitches as an older release does, with its faults."""

    def __init__(self, job: InferenceJob, mode: CompatibilityMode) -> None:
        positions = job.dataset.scan_positions[job.batches.grouping.group_indices].reshape(-1, 2)
        self._stitcher = mode.stitcher(job.dataset, job.bundle, positions, job.config)
        self._network_per_physical = job.network_per_physical
        self._damage = Rectangle(0, 0, 0, 0)

    def add(self, patches: ComplexArray, positions: PositionArray) -> None:
        """Take in patches."""
        self._damage = union(self._damage, self._stitcher.add(patches, positions))

    def canvas(self) -> Canvas:
        """Return the canvas of the patches so far."""
        return self._stitcher.canvas("network", self._network_per_physical)

    def rescale(self, s1: float, s2: float) -> None:
        """Refuse: older releases had no such factors in this canvas."""
        raise ValueError("an older release's canvas cannot be rescaled")

    def gather(self) -> None:
        """Do nothing: one process alone follows an older release."""

    def turn(self, slope: NDArray[np.float64]) -> None:
        """Refuse: older releases left the phase as it was drawn."""
        raise ValueError("an older release's canvas is not turned")

    def damage(self) -> Rectangle:
        """Return the part that changed since the last call."""
        damage, self._damage = self._damage, Rectangle(0, 0, 0, 0)
        return damage


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
