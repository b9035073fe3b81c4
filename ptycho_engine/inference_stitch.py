"""Patches onto a canvas: as they come, or as an older release would have shown them."""

import math
import os
import tempfile
from typing import IO, Protocol

import numpy as np

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.documents import Canvas, Rectangle
from ptycho_engine.events import MessageLogged
from ptycho_engine.geometry.canvas import CanvasStitcher, central_square, stitch_weights
from ptycho_engine.geometry.phase_alignment import phases_of_patches
from ptycho_engine.inference_compatibility import CompatibilityMode
from ptycho_engine.inference_job import InferenceJob

MEMORY_BYTES = 1 << 30
"""Memory that the squares kept for the alignment of phases may take."""
_BLOCK = 256
_RESERVE_BLOCK = 1 << 20


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

    def align(self) -> MessageLogged | None:
        """Bring the constant phases of all patches into line; return what to tell of it, if anything."""
        ...


class LiveStitch:
    """Stitches each batch when it comes, in time proportional to its patches.

    Where their phases are to be aligned, the squares that are stitched are kept until then: in memory, or beyond
    ``MEMORY_BYTES`` in a temporary file.
    """

    def __init__(self, job: InferenceJob) -> None:
        self._n, self._crop = job.bundle.model.n, job.crop
        self._weights = stitch_weights(job.config.weights, job.crop, job.dataset.probe)
        grouping = job.batches.grouping
        self._scan = job.dataset.scan_positions[np.unique(grouping.group_indices)]
        self._stitcher = CanvasStitcher(self._scan, self._n, self._crop, self._weights)
        self._network_per_physical = job.network_per_physical
        self._damage = Rectangle(0, 0, 0, 0)
        self._n_bytes = 8 * job.n_patches * self._crop**2
        self._asked_to_align = job.config.align_phases
        self._ramp = job.ramp
        self._kept = _room((job.n_patches, self._crop, self._crop), self._n_bytes) if self._asked_to_align else None
        self._positions: list[PositionArray] = []
        self._n_kept = 0

    def add(self, patches: ComplexArray, positions: PositionArray) -> None:
        """Take in patches."""
        self._damage = union(self._damage, self._stitcher.add(patches, positions))
        if self._kept is not None:
            self._kept[self._n_kept : self._n_kept + len(patches)] = central_square(patches, self._crop)
            self._positions.append(positions)
            self._n_kept += len(patches)

    def align(self) -> MessageLogged | None:
        """Stitch all patches anew with ramp and constant phases in line; return what to tell of it."""
        if self._asked_to_align and self._kept is None:
            text = (
                "The constant phases of the patches were left as they are: aligning them takes "
                f"{self._n_bytes / 2**30:.2g} GiB in {tempfile.gettempdir()}, and there is less"
            )
            return MessageLogged("warning", text)
        if self._kept is None or not self._n_kept:
            return None
        patches, positions = self._kept[: self._n_kept], np.concatenate(self._positions)
        ramp = self._take_up_ramp(patches)
        phases = phases_of_patches(patches, positions, self._weights)
        self._stitcher = CanvasStitcher(self._scan, self._n, self._crop, self._weights)
        for first in range(0, self._n_kept, _BLOCK):
            block = slice(first, first + _BLOCK)
            turned = patches[block] * np.exp(-1j * phases[block]).astype(np.complex64)[:, None, None]
            self._stitcher.add(turned, positions[block])
        self._kept, self._asked_to_align = None, False
        differed = f"they differed by {np.std(phases):.2g} rad"
        return MessageLogged("info", f"Constant phases of the patches brought into line; {differed}. {ramp}")

    def _take_up_ramp(self, patches: ComplexArray) -> str:
        """Turn the kept squares by the ramp that the patterns ask for; return what to tell of it."""
        slope = np.zeros(2) if self._ramp is None else self._ramp.slope()
        if np.abs(slope).max() > math.pi / self._n:
            # Half a pixel on the detector: no network that learned from such patterns is that far off.
            return "The patterns lie half a pixel or more beside the predicted ones: is their centre right?"
        steps = np.arange(self._crop) - self._crop / 2
        turn = np.exp(1j * (slope[0] * steps[:, None] + slope[1] * steps)).astype(np.complex64)
        for first in range(0, len(patches), _BLOCK):
            patches[first : first + _BLOCK] *= turn
        return f"The patterns asked for a phase ramp of {slope[0]:.2g} rad/px down, {slope[1]:.2g} rad/px right"

    def canvas(self) -> Canvas:
        """Return the canvas of the patches so far."""
        return self._stitcher.canvas("network", self._network_per_physical)

    def damage(self) -> Rectangle:
        """Return the part that changed since the last call."""
        damage, self._damage = self._damage, Rectangle(0, 0, 0, 0)
        return damage


def _room(shape: tuple[int, int, int], n_bytes: int) -> ComplexArray | None:
    """Return room for patches, in memory or on disk; ``None`` if the disk has none."""
    if n_bytes <= MEMORY_BYTES:
        return np.empty(shape, np.complex64)
    # The file has no name any more once it is open: whatever happens, nothing is left behind.
    with tempfile.TemporaryFile() as file:
        try:
            _reserve(file, n_bytes)
        except OSError:
            return None
        return np.memmap(file, np.complex64, "r+", shape=shape)


def _reserve(file: IO[bytes], n_bytes: int) -> None:
    """Take the disk's blocks now: to write to a mapped file on a full disk ends the program, it raises nothing."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
        return
    nothing = bytes(_RESERVE_BLOCK)
    for first in range(0, n_bytes, _RESERVE_BLOCK):
        file.write(nothing[: n_bytes - first])
    file.flush()


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
