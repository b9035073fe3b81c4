"""Patches onto a canvas: as they come, or as an older release would have shown them."""

import math
import tempfile
from dataclasses import replace
from typing import Protocol

import numpy as np

from ptycho_engine.arrays import ComplexArray, PositionArray, frozen_array
from ptycho_engine.documents import Canvas, Rectangle
from ptycho_engine.events import MessageLogged
from ptycho_engine.geometry.canvas import CanvasStitcher, central_square, stitch_weights
from ptycho_engine.inference_compatibility import CompatibilityMode
from ptycho_engine.inference_job import InferenceJob
from ptycho_engine.inference_phases import own_phases
from ptycho_engine.kept_squares import KeptSquares

_BLOCK = 256


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

    def align(self) -> MessageLogged | None:
        """Bring the constant phases of all patches into line; return what to tell of it, if anything."""
        ...


class LiveStitch:
    """Stitches each batch when it comes, in time proportional to its patches.

    Where their phases are to be aligned, the squares that are stitched are kept until then: in memory, or many of them
    in a temporary file. Several processes stitch their shares, each on a canvas with room for all, until that moment.
    """

    def __init__(self, job: InferenceJob) -> None:
        self._n, self._crop = job.bundle.model.n, job.crop
        self._weights = stitch_weights(job.config.weights, job.crop, job.dataset.probe)
        grouping = job.batches.grouping
        self._scan = job.dataset.scan_positions[np.unique(grouping.group_indices)]
        self._stitcher = CanvasStitcher(self._scan, self._n, self._crop, self._weights)
        self._network_per_physical = job.network_per_physical
        self._damage = Rectangle(0, 0, 0, 0)
        self._ranks = job.ranks
        self._n_bytes = 8 * job.n_patches * self._crop**2
        self._asked_to_align = job.config.align_phases
        self._ramp = job.ramp
        self._go_on = job.go_on
        self._kept = _room(job.n_patches, self._crop) if self._asked_to_align else None
        self._positions: list[PositionArray] = []
        self._factors = (1.0, 1.0)

    def add(self, patches: ComplexArray, positions: PositionArray) -> None:
        """Take in patches."""
        self._damage = union(self._damage, self._stitcher.add(patches, positions))
        if self._kept is not None:
            self._kept.add(central_square(patches, self._crop))
            self._positions.append(positions)

    def rescale(self, s1: float, s2: float) -> None:
        """Scale the two parts of what is stitched, which a weighted mean keeps apart, and of what is kept."""
        self._factors = (s1, s2)
        for first in range(0, self._kept.n_kept if self._kept is not None else 0, _BLOCK):
            assert self._kept is not None
            self._go_on()
            self._kept.put(first, scaled_parts(self._kept.block(first, _BLOCK), s1, s2))
        if self._ramp is not None:
            self._ramp.rescale(s1, s2)

    def align(self) -> MessageLogged | None:
        """Stitch all patches anew with ramp and constant phases in line; return what to tell of it."""
        told = self._aligned()
        self._stitcher.add_up(self._ranks)
        return told

    def _aligned(self) -> MessageLogged | None:
        kept = self._kept
        if self._asked_to_align and any(self._ranks.all(kept is None)):
            text = (
                "The constant phases of the patches were left as they are: aligning them takes "
                f"{self._n_bytes / 2**30:.2g} GiB in {tempfile.gettempdir()}, and there is less"
            )
            return MessageLogged("warning", text)
        if kept is None or not any(self._ranks.all(kept.n_kept)):
            return None
        positions = np.concatenate([np.zeros((0, 2)), *self._positions])
        ramp = self._take_up_ramp(kept)
        phases = own_phases(kept, positions, self._weights, self._ranks, self._go_on)
        self._stitcher = CanvasStitcher(self._scan, self._n, self._crop, self._weights)
        for first in range(0, kept.n_kept, _BLOCK):
            self._go_on()
            block = slice(first, first + _BLOCK)
            turn = np.exp(-1j * phases[block]).astype(np.complex64)[:, None, None]
            self._stitcher.add(kept.block(first, _BLOCK) * turn, positions[block])
        kept.close()
        self._kept, self._asked_to_align, self._factors = None, False, (1.0, 1.0)
        differed = f"they differed by {np.std(np.concatenate(self._ranks.all(phases))):.2g} rad"
        return MessageLogged("info", f"Constant phases of the patches brought into line; {differed}. {ramp}")

    def _take_up_ramp(self, kept: KeptSquares) -> str:
        """Turn the kept squares by the ramp that the patterns ask for; return what to tell of it."""
        slope = np.zeros(2) if self._ramp is None else self._ramp.slope(self._go_on)
        if np.abs(slope).max() > math.pi / self._n:
            # Half a pixel on the detector: no network that learned from such patterns is that far off.
            return "The patterns lie half a pixel or more beside the predicted ones: is their centre right?"
        steps = np.arange(self._crop) - self._crop / 2
        turn = np.exp(1j * (slope[0] * steps[:, None] + slope[1] * steps)).astype(np.complex64)
        for first in range(0, kept.n_kept, _BLOCK):
            self._go_on()
            kept.put(first, kept.block(first, _BLOCK) * turn)
        return f"The patterns asked for a phase ramp of {slope[0]:.2g} rad/px down, {slope[1]:.2g} rad/px right"

    def canvas(self) -> Canvas:
        """Return the canvas of the patches so far."""
        canvas = self._stitcher.canvas("network", self._network_per_physical)
        if self._factors == (1.0, 1.0):
            return canvas
        return replace(canvas, object_=frozen_array(scaled_parts(canvas.object_, *self._factors)))

    def damage(self) -> Rectangle:
        """Return the part that changed since the last call."""
        damage, self._damage = self._damage, Rectangle(0, 0, 0, 0)
        return damage


def scaled_parts(values: ComplexArray, s1: float, s2: float) -> ComplexArray:
    """Return ``s1 Re + i s2 Im``, complex64."""
    return np.asarray(s1 * values.real + 1j * (s2 * values.imag), np.complex64)


def _room(count: int, crop: int) -> KeptSquares | None:
    """Return room for squares, in memory or on disk; ``None`` if the disk has none."""
    try:
        return KeptSquares(count, crop)
    except OSError:
        return None


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

    def align(self) -> MessageLogged | None:
        """Leave the phases as they are: older releases did."""
        return None

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
