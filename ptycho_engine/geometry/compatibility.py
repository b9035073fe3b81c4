"""The canvases of older PtychoPINN releases, faults included, to compare numbers with them.

Each stitcher knows all positions beforehand, takes patches as they come, and shows at any time what that release would
have shown of them. The canvas lies on the pixels of the object only up to a part of a pixel: those releases put the
mean position on a whole pixel.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, PositionArray, frozen_array, require_shape
from ptycho_engine.documents import AmplitudeScale, Canvas, Rectangle
from ptycho_engine.geometry.canvas import central_square, changed_part, position_extent, require_room
from ptycho_engine.geometry.position_list import PositionList
from ptycho_engine.geometry.scatter_sum import ScatterSum

NOVEMBER_2025 = "2025-11"
JULY_2026 = "2026-07"
JULY_2026_BARYCENTRIC = "2026-07-barycentric"


class CompatibleStitcher(ABC):
    """Collects patches as one release does.

    Parameters
    ----------
    scan_positions
        (n, 2) [px] ``(y, x)`` of all patches that will come, a position as often as it has patches.
    patch_side
        Side N of a patch [px].
    crop
        Side of the central square of each patch that is stitched [px].

    Raises
    ------
    InputError
        If positions are not finite, or so far apart that the canvas would not fit in memory.
    """

    mode: ClassVar[str]
    """The compatibility mode, kept in the canvas."""

    def __init__(self, scan_positions: PositionArray, patch_side: int, crop: int) -> None:
        require_shape("scan_positions", scan_positions, (None, 2))
        position_extent(scan_positions)
        self.patch_side, self.crop = patch_side, min(crop, patch_side)
        positions = np.asarray(scan_positions, np.float64)
        self._mean = positions.mean(axis=0) if len(positions) else np.zeros(2)
        self._reach: NDArray[np.float64] = np.abs(positions - self._mean).max(axis=0, initial=0.0)
        self._added = PositionList(len(scan_positions))
        self._dropped = 0

    def add(self, patches: ComplexArray, positions: PositionArray) -> Rectangle:
        """Add (k, N, N) patches of (k, 2) positions [px] ``(y, x)``; return the part of the canvas that changed."""
        require_shape("patches", patches, (len(positions), self.patch_side, self.patch_side))
        offsets = np.asarray(positions, np.float64) - self._mean
        fits, damage = self._place(patches, offsets)
        self._added.extend(np.asarray(positions, np.float64)[fits])
        self._dropped += int(np.count_nonzero(~fits))
        return damage

    def canvas(self, scale: AmplitudeScale = "network", network_per_physical: float = 1.0) -> Canvas:
        """Return what was stitched so far, as a copy; ``scale`` and its factor to physical amplitude are kept in it."""
        object_, weight, centre = self._picture()
        origin = np.rint(self._mean).astype(int) - np.array(centre)
        return Canvas(
            object_=frozen_array(object_, np.complex64),
            weight=frozen_array(weight, np.float32),
            origin_px=(int(origin[0]), int(origin[1])),
            scan_positions=frozen_array(self._added.so_far),
            patch_side=self.patch_side,
            crop=self.crop,
            scale=scale,
            network_per_physical=network_per_physical,
            mode=self.mode,
            dropped=self._dropped,
        )

    @abstractmethod
    def _place(self, patches: ComplexArray, offsets: PositionArray) -> tuple[NDArray[np.bool_], Rectangle]:
        """Add patches at offsets from the mean position; return which were, and the part that changed."""

    @abstractmethod
    def _picture(self) -> tuple[ComplexArray, FloatArray, tuple[int, int]]:
        """Return object and weight, (H, W) both, and the canvas pixel of the mean position."""


class MirroredStitcher(CompatibleStitcher):
    """The ``uniform`` route of July 2026: central squares, uniform weight, **placed point-mirrored**.

    Parameters
    ----------
    scan_positions, patch_side
        As for every stitcher.
    crop
        Side of the central square [px].
    """

    mode = JULY_2026

    def __init__(self, scan_positions: PositionArray, patch_side: int, crop: int = 20) -> None:
        super().__init__(scan_positions, patch_side, crop)
        reach = int(np.ceil(self._reach.max()))
        self._pad = reach + reach % 2
        side = self.crop + 2 * self._pad
        require_room(side, side)
        self._sum = ScatterSum(side, side, np.ones((self.crop, self.crop), np.float32))

    def _place(self, patches: ComplexArray, offsets: PositionArray) -> tuple[NDArray[np.bool_], Rectangle]:
        corners = self._pad - offsets
        fits = self._sum.add(central_square(patches, self.crop), corners)
        return fits, changed_part(corners[fits], self.crop)

    def _picture(self) -> tuple[ComplexArray, FloatArray, tuple[int, int]]:
        centre = self._pad + self.crop // 2
        return self._sum.total / (self._sum.weight + np.float32(1e-9)), self._sum.weight, (centre, centre)


class FirstPatchStitcher(CompatibleStitcher):
    """November 2025: a square for whole patches, of which **only the first is shown**, cut to its central window.

    Parameters
    ----------
    scan_positions, patch_side
        As for every stitcher.
    first_only
        Show the first patch, as that release does; otherwise the merge of all that it meant to show.
    """

    mode = NOVEMBER_2025

    def __init__(self, scan_positions: PositionArray, patch_side: int, *, first_only: bool = True) -> None:
        super().__init__(scan_positions, patch_side, patch_side // 2)
        self._side = int(np.ceil(patch_side + 2 * self._reach.max()))
        self._pad = (self._side - patch_side) // 2
        self._room = 1 if first_only else len(scan_positions)
        # Patches are cut at the rim of its canvas, hence one with room to spare that is trimmed afterwards.
        spacious = self._side + 2 * patch_side
        require_room(spacious, spacious)
        self._sum = ScatterSum(spacious, spacious, np.ones((patch_side, patch_side), np.float32))
        self._windows = ScatterSum(spacious, spacious, np.ones((self.crop, self.crop), np.float32))

    def _place(self, patches: ComplexArray, offsets: PositionArray) -> tuple[NDArray[np.bool_], Rectangle]:
        shown = np.arange(len(offsets)) < self._room
        self._room -= int(np.count_nonzero(shown))
        corners = offsets[shown] + (self._pad + self.patch_side)
        self._sum.add(patches[shown], corners)
        window = np.ones((len(corners), self.crop, self.crop), np.complex64)
        self._windows.add(window, corners + (self.patch_side - self.crop) // 2)
        changed = self._side if shown.any() else 0
        return shown, Rectangle(0, 0, changed, changed)

    def _picture(self) -> tuple[ComplexArray, FloatArray, tuple[int, int]]:
        inside = slice(self.patch_side, self.patch_side + self._side)
        weight: FloatArray = self._windows.weight[inside, inside]
        centre = self._pad + self.patch_side // 2
        merged = self._sum.total[inside, inside] / np.maximum(weight, np.float32(1))
        return np.where(weight > 1e-6, merged, np.complex64(0)), weight, (centre, centre)


class BarycentricStitcher(CompatibleStitcher):
    """The barycentric route of July 2026: central squares at their places, weighted with the probe's intensity.

    Parameters
    ----------
    scan_positions, patch_side
        As for every stitcher.
    probe
        (n_modes, N, N) complex64; ``None`` weights all pixels alike.
    crop
        Side of the central square [px].
    """

    mode = JULY_2026_BARYCENTRIC

    def __init__(
        self, scan_positions: PositionArray, patch_side: int, probe: ComplexArray | None = None, crop: int = 32
    ) -> None:
        super().__init__(scan_positions, patch_side, crop)
        height, width = (2 * self.crop + 2 * int(reach) for reach in np.ceil(self._reach))
        require_room(height, width)
        weights = np.ones((self.crop, self.crop), np.float32)
        if probe is not None:
            intensity = np.square(np.abs(central_square(probe, self.crop))).sum(axis=0)
            # Only ratios of weights reach the canvas; near 1 they are far from the term that avoids 0/0.
            weights = np.asarray(intensity / (intensity.max() or 1.0), np.float32)
        self._centre = (height // 2, width // 2)
        self._sum = ScatterSum(height, width, weights)

    def _place(self, patches: ComplexArray, offsets: PositionArray) -> tuple[NDArray[np.bool_], Rectangle]:
        corners = offsets + np.array(self._centre) - self.crop // 2
        fits = self._sum.add(central_square(patches, self.crop), corners)
        return fits, changed_part(corners[fits], self.crop)

    def _picture(self) -> tuple[ComplexArray, FloatArray, tuple[int, int]]:
        return self._sum.total / (self._sum.weight + np.float32(1e-12)), self._sum.weight, self._centre
