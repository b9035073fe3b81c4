"""Stitching patches at their positions, sub-pixel exact, in time proportional to the patches.

A patch at position ``(y, x)`` has its pixel ``[i, j]`` at object coordinate ``(y + i - N/2, x + j - N/2)``; its value
goes to the four object pixels around that point with bilinear weights. :func:`extract_patches` is the way back.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, PositionArray, frozen_array, require_shape
from ptycho_engine.documents import AmplitudeScale, Canvas, Rectangle
from ptycho_engine.errors import InputError
from ptycho_engine.geometry.position_list import PositionList
from ptycho_engine.geometry.scatter_sum import ScatterSum
from ptycho_engine.ranks import Ranks

WeightKind = Literal["central", "probe", "uniform"]

MAX_CANVAS_PIXELS = 1 << 29
_BATCH = 32
"""Patches cut out at once."""
_WEIGHT_FLOOR = 1e-3


def stitch_weights(kind: str, crop: int, probe: ComplexArray | None = None) -> FloatArray:
    """Return the weight of each pixel of the stitched square of a patch, (crop, crop) float32, greatest value 1.

    Parameters
    ----------
    kind
        ``"uniform"``: one everywhere; ``"central"``: falling smoothly from the middle to the rim; ``"probe"``: the
        intensity of the probe, summed over its modes.
    crop
        Side of the square [px].
    probe
        (n_modes, N, N) complex64, needed for ``"probe"``.
    """
    if kind == "uniform":
        return np.ones((crop, crop), np.float32)
    if kind == "central":
        rise = np.sin(np.pi * (np.arange(crop) + 0.5) / crop) ** 2
        weights = np.outer(rise, rise)
    elif kind == "probe":
        if probe is None:
            raise ValueError("weights by the probe need the probe")
        inside = central_square(probe.reshape(-1, *probe.shape[-2:]), crop)
        weights = np.square(np.abs(inside)).sum(axis=0)
    else:
        raise ValueError(f"there are no weights {kind!r}; there are central, probe, uniform")
    top = float(weights.max())
    # A floor keeps the rim from being nothing over nothing.
    return np.asarray(np.maximum(weights / top if top > 0 else 1.0, _WEIGHT_FLOOR), dtype=np.float32)


def central_square(patches: NDArray[Any], crop: int) -> NDArray[Any]:
    """Return the central squares of ``(..., N, N)`` patches, ``(..., crop, crop)``; nothing is copied."""
    start = patches.shape[-1] // 2 - crop // 2
    return patches[..., start : start + crop, start : start + crop]


class CanvasStitcher:
    """Collects patches on a canvas that has room for all positions of a scan.

    Parameters
    ----------
    scan_positions
        (n, 2) [px] ``(y, x)`` of all patches that may come.
    patch_side
        Side N of a patch [px].
    crop
        Side of the central square of each patch that is stitched [px].
    weights
        (crop, crop) float32 weight of each pixel, uniform by default.

    Raises
    ------
    InputError
        If the positions lie so far apart that the canvas would not fit in memory.
    """

    def __init__(
        self, scan_positions: PositionArray, patch_side: int, crop: int, weights: FloatArray | None = None
    ) -> None:
        require_shape("scan_positions", scan_positions, (None, 2))
        if not 1 <= crop <= patch_side:
            raise ValueError(f"crop must be from 1 to {patch_side}, not {crop}")
        kept = np.ones((crop, crop), np.float32) if weights is None else weights
        require_shape("weights", kept, (crop, crop))
        self.patch_side, self.crop = patch_side, crop
        low, high = position_extent(scan_positions)
        height, width = (int(side) for side in np.floor(high) - np.floor(low) + crop + 1)
        require_room(height, width)
        self.origin_px = (int(np.floor(low[0])) - crop // 2, int(np.floor(low[1])) - crop // 2)
        self._sum = ScatterSum(height, width, kept)
        self._positions = PositionList(len(scan_positions))
        self._dropped = 0

    @property
    def weight(self) -> FloatArray:
        """(H, W) float32 the weight that fell on each pixel so far; not to be changed."""
        return self._sum.weight

    def add(self, patches: ComplexArray, positions: PositionArray) -> Rectangle:
        """Add patches at their positions.

        Parameters
        ----------
        patches
            (k, N, N) complex64, or only their central squares (k, crop, crop).
        positions
            (k, 2) [px] ``(y, x)``. A patch that does not lie on the canvas is left out and counted.

        Returns
        -------
        Rectangle
            The part of the canvas that changed.
        """
        side = self.crop if patches.shape[-1] == self.crop else self.patch_side
        require_shape("patches", patches, (len(positions), side, side))
        inside = central_square(patches, self.crop)
        corners = np.asarray(positions, np.float64) - self.crop // 2 - np.array(self.origin_px)
        fits = self._sum.add(inside, corners)
        self._dropped += int(np.count_nonzero(~fits))
        self._positions.extend(np.asarray(positions, np.float64)[fits])
        return changed_part(corners[fits], self.crop)

    def add_up(self, ranks: Ranks) -> None:
        """Put the sums of all processes, which stitch on canvases of the same place, into each."""
        if ranks.alone:
            return
        self._sum.add_up(ranks)
        everyone = np.concatenate(ranks.all(self._positions.so_far))
        self._positions = PositionList(len(everyone))
        self._positions.extend(everyone)
        self._dropped = sum(ranks.all(self._dropped))

    def canvas(self, scale: AmplitudeScale, network_per_physical: float, *, mode: str = "none") -> Canvas:
        """Return what was stitched so far, as a copy.

        Parameters
        ----------
        scale
            The scale of the patches' amplitude.
        network_per_physical
            Factor from physical amplitude to network amplitude.
        mode
            The compatibility mode the patches were made with.
        """
        object_ = mean_of(self._sum)
        # Made for this picture alone: one more copy of a large canvas would be the greatest thing in memory.
        object_.setflags(write=False)
        return Canvas(
            object_=object_,
            weight=frozen_array(self._sum.weight),
            origin_px=self.origin_px,
            scan_positions=frozen_array(self._positions.so_far),
            patch_side=self.patch_side,
            crop=self.crop,
            scale=scale,
            network_per_physical=network_per_physical,
            mode=mode,
            dropped=self._dropped,
        )


def mean_of(summed: ScatterSum) -> ComplexArray:
    """Return the weighted mean of what was added, (H, W) complex64, zero where nothing fell."""
    seen = summed.weight > 1e-6 * float(summed.weight.max(initial=0.0))
    result = np.zeros_like(summed.total)
    np.divide(summed.total, summed.weight, out=result, where=seen)
    return result


def changed_part(corners: PositionArray, side: int) -> Rectangle:
    """Return the smallest rectangle around squares with their pixel ``[0, 0]`` at (k, 2) ``corners`` of a canvas."""
    if len(corners) == 0:
        return Rectangle(0, 0, 0, 0)
    first = np.floor(corners.min(axis=0)).astype(int)
    last = np.ceil(corners.max(axis=0)).astype(int) + side
    return Rectangle(int(first[0]), int(first[1]), int(last[0] - first[0]), int(last[1] - first[1]))


def require_room(height: int, width: int) -> None:
    """Raise ``InputError`` unless a canvas of ``height`` x ``width`` pixels may be made."""
    if height * width > MAX_CANVAS_PIXELS:
        raise InputError(
            f"the positions span {height} x {width} px, too much for one canvas",
            "Check that the positions are in pixels of the object.",
        )


def position_extent(scan_positions: PositionArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and greatest ``(y, x)`` of (n, 2) positions; ``InputError`` if one is not finite."""
    if len(scan_positions) == 0:
        return np.zeros(2), np.zeros(2)
    low, high = scan_positions.min(axis=0), scan_positions.max(axis=0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise InputError("some positions are not finite", "Remove those patterns or correct their positions.")
    return low, high


def extract_patches(object_: NDArray[np.complexfloating], scan_positions: PositionArray, n: int) -> ComplexArray:
    """Cut patches out of an object, bilinear, zero outside of it.

    Parameters
    ----------
    object_
        (H, W) complex.
    scan_positions
        (k, 2) [px] patch centres ``(y, x)``.
    n
        Side N of a patch [px].

    Returns
    -------
    numpy.ndarray
        (k, N, N) complex64: ``object[y - N/2 : y + N/2, x - N/2 : x + N/2]``.
    """
    require_shape("scan_positions", scan_positions, (None, 2))
    framed = np.pad(np.asarray(object_, np.complex64), 1)
    result = np.empty((len(scan_positions), n, n), np.complex64)
    corners = np.asarray(scan_positions, np.float64) - n // 2
    floors = np.floor(corners)
    fraction = (corners - floors).astype(np.float32)
    steps = np.arange(n + 1)
    for start in range(0, len(result), _BATCH):
        batch = slice(start, start + _BATCH)
        # Whatever lies outside is read from the frame of zeros.
        rows, columns = (
            np.clip(floors[batch, axis, None].astype(np.int64) + steps, -1, object_.shape[axis]) + 1 for axis in (0, 1)
        )
        wide = framed[rows[:, :, None], columns[:, None, :]]
        down, right = fraction[batch, 0, None, None], fraction[batch, 1, None, None]
        tall = wide[:, :-1] + down * (wide[:, 1:] - wide[:, :-1])
        result[batch] = tall[:, :, :-1] + right * (tall[:, :, 1:] - tall[:, :, :-1])
    return result
