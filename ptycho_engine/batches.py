"""Groups of patterns as batches on the device, in an order that only the seed decides."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ptycho_engine.arrays import IndexArray, PositionArray
from ptycho_engine.device import free_memory
from ptycho_engine.documents import Dataset
from ptycho_engine.geometry.grouping import Grouping
from ptycho_engine.geometry.neighbourhood import order_by_neighbourhood
from ptycho_engine.transfers import pinned, send

RESIDENT_FRACTION = 0.4
"""Part of the free memory that the patterns of a job may take; above it they are read batch by batch."""
_GATHER_FRAMES = 512
NEIGHBOURHOOD = 1.5
"""Side of the squares from which the groups of a batch are taken, in sides of a pattern: their patches overlap."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some groups on the device."""

    groups: IndexArray
    """(B,) numbers of the groups."""
    images: torch.Tensor
    """(B, C, N, N) float32 amplitudes, or counts, times the input scale, channels last."""
    local_offsets: torch.Tensor
    """(B, C, 2) float32 [px] position minus group centre, ``(y, x)``."""
    positions: PositionArray
    """(B, C, 2) float64 [px] scan positions of the members, ``(y, x)``, on the host."""

    def parts(self, count: int) -> "list[Batch]":
        """Return the batch in at most ``count`` parts of about the same size, views of the same memory."""
        if count == 1:
            return [self]
        count = min(count, len(self.groups))
        pieces = zip(
            np.array_split(self.groups, count),
            torch.tensor_split(self.images, count),
            torch.tensor_split(self.local_offsets, count),
            np.array_split(self.positions, count),
            strict=True,
        )
        return [Batch(*piece) for piece in pieces]

    def share(self, which: slice) -> "Batch":
        """Return some of the groups, views of the same memory."""
        return Batch(self.groups[which], self.images[which], self.local_offsets[which], self.positions[which])


class GroupBatches:
    """The groups of one scan, ready to be computed with.

    The patterns are normalised once, in float32. They stay on the device where they take less than a fraction of its
    free memory; otherwise each batch is read from the frame stack, and memory does not depend on the size of the scan.

    Parameters
    ----------
    dataset
        The scan.
    grouping
        Its groups.
    input_scale
        k, by which amplitudes are multiplied, or that of counts.
    device
        Where the batches are put.
    batch_size
        Groups in a batch.
    resident_bytes
        Memory that the patterns may take on the device; ``None`` takes a fraction of what is free now.
    counts
        Read the counts of a scan that holds counts, and not their roots.
    """

    def __init__(
        self,
        dataset: Dataset,
        grouping: Grouping,
        input_scale: float,
        device: torch.device,
        batch_size: int,
        resident_bytes: int | None = None,
        *,
        counts: bool = False,
    ) -> None:
        self.dataset = dataset
        self._measured = dataset.counts if counts else dataset.diffraction
        self.grouping = grouping
        self.input_scale = np.float32(input_scale)
        self.device = device
        self.batch_size = batch_size
        self.offsets = torch.from_numpy(np.asarray(grouping.local_offsets, np.float32).copy()).to(device)
        self._frames: torch.Tensor | None = None
        self._rows: torch.Tensor | None = None
        limit = _free_bytes(device) * RESIDENT_FRACTION if resident_bytes is None else resident_bytes
        used, rows = np.unique(grouping.group_indices, return_inverse=True)
        if used.size * dataset.n**2 * 4 <= limit:
            self._frames = self._gather(used)
            self._rows = torch.from_numpy(rows.reshape(grouping.group_indices.shape)).to(device)

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.grouping.group_indices.shape[0])

    @property
    def n_batches(self) -> int:
        """Batches in one pass; the last one may be smaller."""
        return -(-self.n_groups // self.batch_size)

    @property
    def resident(self) -> bool:
        """Whether the patterns stay on the device."""
        return self._frames is not None

    def sizes(self) -> list[int]:
        """Return the number of groups of each batch of one pass."""
        return [min(self.batch_size, self.n_groups - first) for first in range(0, self.n_groups, self.batch_size)]

    def all_groups(self) -> IndexArray:
        """Return the numbers of all groups, in their own order."""
        return np.arange(self.n_groups)

    def spread(self, count: int) -> IndexArray:
        """Return the numbers of at most ``count`` groups, evenly spread."""
        return np.unique(np.linspace(0, self.n_groups - 1, min(count, self.n_groups)).astype(np.int64))

    def order(self, seed: int, epoch: int) -> IndexArray:
        """Return the order of the groups in one epoch, which depends on nothing but seed and epoch."""
        return np.random.default_rng([seed, epoch]).permutation(self.n_groups).astype(np.int64)

    def neighbouring_order(self, seed: int, epoch: int) -> IndexArray:
        """Return the order of the groups in one epoch, with groups of the same neighbourhood in the same batch."""
        cell_side = NEIGHBOURHOOD * self.dataset.n
        rng = np.random.default_rng([seed, epoch])
        return order_by_neighbourhood(self.grouping.group_centers, self.batch_size, cell_side, rng)

    def slices(self, order: IndexArray, start: int = 0) -> Iterator[IndexArray]:
        """Yield the groups of one batch after another, from batch number ``start``."""
        for first in range(start * self.batch_size, len(order), self.batch_size):
            yield order[first : first + self.batch_size]

    def batch(self, groups: IndexArray) -> Batch:
        """Put some groups on the device."""
        index = send(groups, self.device)
        if self._frames is not None and self._rows is not None:
            images = self._frames[self._rows[index]]
        else:
            images = self._read(self.grouping.group_indices[groups])
        images = images.contiguous(memory_format=torch.channels_last)
        return Batch(groups, images, self.offsets[index], self.positions(groups))

    def positions(self, groups: IndexArray) -> PositionArray:
        """(B, C, 2) [px] scan positions of the members of some groups, ``(y, x)``."""
        return self.dataset.scan_positions[self.grouping.group_indices[groups]]

    def _gather(self, indices: IndexArray) -> torch.Tensor:
        n = self.dataset.n
        frames = torch.empty((indices.size, n, n), dtype=torch.float32, device=self.device)
        for first in range(0, indices.size, _GATHER_FRAMES):
            frames[first : first + _GATHER_FRAMES] = self._normalised(indices[first : first + _GATHER_FRAMES])
        return frames

    def _read(self, indices: IndexArray) -> torch.Tensor:
        images = self._normalised(indices.ravel()).reshape(*indices.shape, self.dataset.n, self.dataset.n)
        return pinned(images, self.device).to(self.device, non_blocking=True)

    def _normalised(self, indices: IndexArray) -> torch.Tensor:
        measured = np.asarray(self._measured(indices), np.float32)
        return torch.from_numpy(measured * self.input_scale)


def _free_bytes(device: torch.device) -> int:
    free = free_memory(device)
    # A GPU that shares the memory of the host does not tell.
    return free if free is not None else free_memory(torch.device("cpu")) or 0
