"""Sums of weighted patches on a canvas, at positions between its pixels, in time proportional to the patches."""

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, PositionArray
from ptycho_engine.geometry.crowd import add_crowd
from ptycho_engine.ranks import Ranks

_BATCH_BYTES = 1 << 19
"""Of the patches that are shifted at once: few enough that they stay in the cache until they are added."""
_CROWD = 4
"""Pixels of patches' rows that are added at once, in parts of the canvas: what is kept for it stays in proportion."""
_STRIP_BYTES = 1 << 24
"""Beyond which strips would take longer to come from memory than calls do."""
_STEPS = 1 << 20
"""Steps in a pixel to which positions are rounded: products of two shares are then whole numbers of 1 / steps²."""


class ScatterSum:
    """Weighted patches and their weights, summed on a canvas.

    A patch between the pixels goes to the four pixels around each of its own, with bilinear shares; positions are
    rounded to a millionth of a pixel.

    Parameters
    ----------
    height, width
        Of the canvas [px].
    weights
        (c, c) float32 the weight of each pixel of a patch.
    """

    def __init__(self, height: int, width: int, weights: FloatArray) -> None:
        self.total = np.zeros((height, width), np.complex64)
        """Sum of the patches times their weights."""
        self._side = len(weights)
        even = bool(np.all(weights == 1))
        self._sum_of_weights = _EvenWeights(height, width, len(weights)) if even else _Weights(height, width, weights)
        self._template = None if even else _framed(weights, 2)

    @property
    def weight(self) -> FloatArray:
        """(H, W) float32 sum of the weights; not to be changed."""
        return self._sum_of_weights.summed()

    def add(self, patches: NDArray[np.complexfloating], corners: PositionArray) -> NDArray[np.bool_]:
        """Add patches with their pixel ``[0, 0]`` at ``corners``.

        Parameters
        ----------
        patches
            (k, c, c) complex.
        corners
            (k, 2) [px] ``(row, column)`` on the canvas, not whole in general.

        Returns
        -------
        numpy.ndarray
            (k,) whether each patch lay on the canvas; the others were left out.
        """
        height, width = self.total.shape
        finite = np.asarray(np.isfinite(corners).all(axis=1))
        known = np.rint(np.where(finite[:, None], corners, -1.0) * _STEPS) / _STEPS
        floors = np.clip(np.floor(known), -1, max(height, width))
        whole, fraction = floors.astype(np.int64), known - floors
        # A whole offset needs no further row or column, and there need not be one.
        last = whole + self._side + (fraction > 0)
        fits: NDArray[np.bool_] = (whole.min(axis=1) >= 0) & (last[:, 0] <= height) & (last[:, 1] <= width)
        if not fits.all():
            patches, whole, fraction = patches[fits], whole[fits], fraction[fits]
        strips = self._side * self.total.nbytes
        if len(whole) * self._side > self.total.size and strips <= _STRIP_BYTES:
            self._add_crowd(patches, whole, fraction)
        else:
            self._add_in_batches(patches, whole, fraction)
        self._sum_of_weights.add(whole, fraction)
        return fits

    def add_up(self, ranks: Ranks) -> None:
        """Put the sums of all processes, on canvases of the same place, into each."""
        import torch

        ranks.add_up(torch.from_numpy(self.total.view(np.float32)), torch.from_numpy(self._sum_of_weights.kept()))

    def _add_crowd(
        self, patches: NDArray[np.complexfloating], whole: NDArray[np.int64], fraction: NDArray[np.float64]
    ) -> None:
        """Add patches that lie so close that the strips of their rows hold fewer pixels than they do."""
        if self._template is not None:
            weights = self._template.reshape(self._side + 1, self._side + 1, 2)[:-1, :-1, 0]
            patches = patches * weights
        step = _CROWD * -(-self.total.size // self._side)
        for start in range(0, len(whole), step):
            batch = slice(start, start + step)
            add_crowd(self.total, patches[batch], whole[batch], fraction[batch])

    def _add_in_batches(
        self, patches: NDArray[np.complexfloating], whole: NDArray[np.int64], fraction: NDArray[np.float64]
    ) -> None:
        step = max(1, _BATCH_BYTES // (8 * (self._side + 1) ** 2))
        room = np.empty((2, min(step, len(whole)), self._side + 1, self._side + 1), np.complex64)
        for start in range(0, len(whole), step):
            batch = slice(start, start + step)
            self._add_batch(patches[batch], whole[batch], fraction[batch].astype(np.float32), room)

    def _add_batch(
        self,
        patches: NDArray[np.complexfloating],
        whole: NDArray[np.int64],
        fraction: FloatArray,
        room: ComplexArray,
    ) -> None:
        tiles, spare = room[0, : len(patches)], room[1, : len(patches)]
        tiles[:, -1], tiles[:, :, -1] = 0, 0
        tiles[:, :-1, :-1] = patches
        images = _as_rows(tiles)
        if self._template is not None:
            images *= self._template
        _shift(images, _as_rows(spare), fraction, 2)
        _add_tiles(self.total, tiles, whole)


class _Weights:
    """Sum of the weights of patches, any weights."""

    def __init__(self, height: int, width: int, weights: FloatArray) -> None:
        self._sum = np.zeros((height, width), np.float32)
        self._template, self._side = _framed(weights, 1), len(weights)

    def add(self, whole: NDArray[np.int64], fraction: NDArray[np.float64]) -> None:
        """Add patches at (k, 2) whole pixels and fractions of one."""
        step = max(1, _BATCH_BYTES // (4 * (self._side + 1) ** 2))
        for start in range(0, len(whole), step):
            batch = slice(start, start + step)
            images = np.repeat(self._template, len(whole[batch]), axis=0)
            _shift(images, np.empty_like(images), fraction[batch].astype(np.float32), 1)
            _add_tiles(self._sum, images.reshape(len(images), self._side + 1, -1), whole[batch])

    def summed(self) -> FloatArray:
        """Return the sum, (H, W) float32."""
        return self._sum

    def kept(self) -> NDArray[np.float32]:
        """Return what those of several processes are added up by, to be changed."""
        return self._sum


class _EvenWeights:
    """Sum of the weights of patches that weigh one everywhere: four numbers for each, and running sums in the end.

    The shares of the first pixel of each patch are gathered; the weight of a pixel is the sum of what lies in the
    square that ends with it. In whole numbers, so that nothing is left where nothing fell.
    """

    def __init__(self, height: int, width: int, side: int) -> None:
        self._shares = np.zeros((height, width), np.int64)
        self._side = side
        self._summed: FloatArray | None = None

    def add(self, whole: NDArray[np.int64], fraction: NDArray[np.float64]) -> None:
        """Add patches at (k, 2) whole pixels and fractions of one."""
        further = np.rint(fraction * _STEPS).astype(np.int64)
        height, width = self._shares.shape
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            rows = further[:, 0] if down else _STEPS - further[:, 0]
            columns = further[:, 1] if right else _STEPS - further[:, 1]
            # Where a patch of one pixel ends at the rim, nothing falls on the further row or column.
            row, column = np.minimum(whole[:, 0] + down, height - 1), np.minimum(whole[:, 1] + right, width - 1)
            np.add.at(self._shares.reshape(-1), row * width + column, rows * columns)
        self._summed = None

    def summed(self) -> FloatArray:
        """Return the sum, (H, W) float32."""
        if self._summed is None:
            self._summed = np.empty(self._shares.shape, np.float32)
            height, width = self._shares.shape
            step = max(1, _BATCH_BYTES // (8 * width))
            running = np.zeros(width, np.int64)
            for first in range(0, height, step):
                rows = slice(first, min(first + step, height))
                sums = self._over_rows(rows, running)
                running = sums[-1].copy()
                sums[:, self._side :] -= sums[:, : -self._side].copy()
                np.cumsum(sums, axis=1, out=sums)
                np.multiply(sums, float(_STEPS) ** -2, out=self._summed[rows], casting="same_kind")
        return self._summed

    def _over_rows(self, rows: slice, before: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sums over the last rows of a square, of some rows of the canvas; ``before`` is the row above."""
        sums = self._shares[rows].copy()
        left_behind = self._shares[max(0, rows.start - self._side) : max(0, rows.stop - self._side)]
        if len(left_behind):
            sums[-len(left_behind) :] -= left_behind
        sums[0] += before
        return np.cumsum(sums, axis=0, out=sums)

    def kept(self) -> NDArray[np.int64]:
        """Return what those of several processes are added up by, to be changed."""
        self._summed = None
        return self._shares


def _framed(weights: FloatArray, step: int) -> FloatArray:
    """Return (1, n) the weights with a further row and column of zeros, each of them ``step`` times."""
    return np.repeat(np.pad(np.asarray(weights, np.float32), (0, 1)), step, axis=1).reshape(1, -1)


def _as_rows(images: ComplexArray) -> FloatArray:
    """Return (k, 2 h w) the numbers of complex images, in the same memory."""
    return images.view(np.float32).reshape(len(images), -1)


def _shift(images: FloatArray, spare: FloatArray, fraction: FloatArray, step: int) -> None:
    """Move images down and right by fractions of a pixel, in place.

    Parameters
    ----------
    images
        (k, n) square images row by row, a pixel being ``step`` numbers; their last row and column are zero.
    spare
        Of the same shape, to be overwritten.
    fraction
        (k, 2) float32 [px] from 0 to below 1.
    step
        Numbers of a pixel.
    """
    if len(images) == 0:
        return
    row = step * round((images.shape[1] / step) ** 0.5)
    # The share that stays, and the share that moves on in parts of it: two passes an axis instead of three. Rows lie
    # one behind the other, with a zero at the end of each, so that a pass need not stop at their ends.
    stays = 1 - fraction
    moves = fraction / stays
    images *= stays[:, :1] * stays[:, 1:]
    for axis, apart in ((0, row), (1, step)):
        np.multiply(images, moves[:, axis, None], out=spare)
        images[:, apart:] += spare[:, :-apart]


def _add_tiles(
    canvas: NDArray[np.complex64] | NDArray[np.float32],
    tiles: NDArray[np.complex64] | NDArray[np.float32],
    whole: NDArray[np.int64],
) -> None:
    """Add (k, c, c) tiles to a canvas with their pixel ``[0, 0]`` at (k, 2) whole pixels."""
    height, width = canvas.shape
    reach = tiles.shape[-1]
    for tile, (row, column) in zip(tiles, whole.tolist(), strict=True):
        if row + reach > height or column + reach > width:
            # A whole offset at the rim: nothing falls on the further row or column, and there is none.
            tile = tile[: height - row, : width - column]
        place = canvas[row : row + reach, column : column + reach]
        place += tile
