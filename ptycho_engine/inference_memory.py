"""How much memory an inference will take, told before it computes anything, and how large its batches may be for it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ptycho_engine.config import InferConfig
from ptycho_engine.device import MAX_HALVINGS
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.geometry.canvas import position_extent
from ptycho_engine.geometry.grouping import Grouping
from ptycho_engine.memory_need import COMPILER_BYTES, FreeMemory, MemoryNeed

if TYPE_CHECKING:
    import torch

    from ptycho_engine.models.activation_memory import ActivationMemory

CPU_PIECE = 16
"""Groups computed at once on a CPU: larger batches no longer fit its caches and are slower."""
_DRAWN = 0.4
"""Part of the memory for gradients that is held while patches are only drawn: 0.16 to 0.36 in all recipes."""
_CANVAS_BYTES = 66
"""Of a pixel: sums, shares and weights, the canvas that is shown, the one before, and the one that the ramp is fitted
to, with what it is made of; 64 were measured with 4041² of them."""
_PATCH_BYTES = 100
"""Of the position of a patch, and what is made of it."""
_LIBRARIES = 100 << 20
"""Libraries and their threads, that come with the first batch."""
_LARGEST_BATCH = 512
"""Most groups of a batch that is found for a GPU."""
_BATCH_UNTOLD = 64
"""Groups of a batch where nobody can tell how much memory is free."""


def inference_need(
    dataset: Dataset,
    bundle: Bundle,
    config: InferConfig,
    grouping: Grouping,
    device: "torch.device",
    free: FreeMemory,
    n_processes: int = 1,
) -> MemoryNeed:
    """Return what an inference will take on a device; its ``n_groups`` is the batch that it is to have.

    Without a batch size in the settings, a batch has on a CPU the groups that it computes at once; on a GPU it is the
    largest power of two whose estimate fits in what is free, so that the same free memory gives the same batches. What
    comes out does not depend on them.

    Parameters
    ----------
    dataset, bundle, config
        As for :func:`ptycho_engine.inference.infer`.
    grouping
        The groups that are inferred.
    device
        Where to compute.
    free
        What is free there.
    n_processes
        How many share the groups.

    Raises
    ------
    EngineError
        If the network is not one that can be built, or a position is not finite.
    """
    from ptycho_engine.models.activation_memory import activation_memory

    inference = _Inference(
        dataset,
        config,
        grouping,
        activation_memory(bundle.model, len(dataset.probe), False),
        n_processes,
        device.type == "cuda",
        free,
    )
    size = config.batch_size
    if size is None:
        size = CPU_PIECE if device.type == "cpu" else inference.largest_batch()
    size = min(size, grouping.n_groups)
    host, on_device = inference.takes(size)
    return MemoryNeed(
        what="the inference",
        host=host,
        device=on_device,
        per_group=round(_DRAWN * inference.kept.per_group) + inference.under_way(1),
        n_groups=size,
        n_parts=2**MAX_HALVINGS,
    )


@dataclass(frozen=True)
class _Inference:
    """An inference, as far as its memory depends on it."""

    dataset: Dataset
    config: InferConfig
    grouping: Grouping
    kept: "ActivationMemory"
    n_processes: int
    on_gpu: bool
    free: FreeMemory

    def largest_batch(self) -> int:
        """Return the largest power of two of groups for which there is room on the GPU and on the computer."""
        if not self.on_gpu or self.free.device is None:
            return _BATCH_UNTOLD
        size = _LARGEST_BATCH
        while size > 1:
            host, on_device = self.takes(min(size, self.grouping.n_groups))
            if on_device <= self.free.device and (self.free.host is None or host <= self.free.host):
                break
            size //= 2
        return size

    def takes(self, batch: int) -> tuple[int, int]:
        """Return what batches of so many groups take on the computer and on the GPU [bytes]."""
        drawing = self._drawing_bytes(batch)
        if not self.on_gpu:
            return self._host_bytes + drawing, 0
        # Drawn patches come to the computer, which must hold them as well.
        return self._host_bytes + self.under_way(batch), drawing

    def under_way(self, batch: int) -> int:
        """Return what two batches on their way take, as input and as what is drawn of it."""
        return 2 * batch * self.grouping.channels * self.dataset.n**2 * (4 + 8)

    def _drawing_bytes(self, batch: int) -> int:
        """Return what drawing takes where it is computed, patterns that stay there included."""
        from ptycho_engine.inference_ramp import SAMPLE_BYTES, SAMPLE_PATTERNS

        at_once = batch if self.on_gpu else min(batch, CPU_PIECE)
        computed = self.kept.parameters + round(_DRAWN * self.kept.of(at_once))
        n_fitted = min(SAMPLE_PATTERNS, self.grouping.n_groups)
        sample = min(SAMPLE_BYTES, 4 * n_fitted * self.dataset.n**2) if self.config.fit_ramp else 0
        return computed + self.under_way(batch) + sample + self._resident_bytes

    @cached_property
    def _resident_bytes(self) -> int:
        """The patterns that will stay where they are computed."""
        from ptycho_engine.batches import RESIDENT_FRACTION

        if not self.on_gpu and self.grouping.channels == 1:
            return 0
        free = self.free.device if self.on_gpu else self.free.host
        n_bytes = 4 * min(self.dataset.n_scan, self.grouping.group_indices.size) * self.dataset.n**2
        return n_bytes if free is None or n_bytes <= RESIDENT_FRACTION * free else 0

    @cached_property
    def _host_bytes(self) -> int:
        """Libraries, the canvas, the positions of what is stitched on it, and the compiler where one is asked."""
        n_patches = -(-self.grouping.n_groups * self.grouping.channels // self.n_processes)
        crop = self.dataset.n // 2 if self.config.crop is None else self.config.crop
        low, high = position_extent(self.dataset.scan_positions[np.unique(self.grouping.group_indices)])
        canvas = round(float(np.prod(high - low + crop + 1))) * _CANVAS_BYTES
        compiler = COMPILER_BYTES if self.config.compiled else 0
        return _LIBRARIES + canvas + _PATCH_BYTES * n_patches + compiler
