"""How much memory an inference will take, told before it computes anything."""

from typing import TYPE_CHECKING

import numpy as np

from ptycho_engine.config import InferConfig
from ptycho_engine.device import MAX_HALVINGS
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.geometry.canvas import position_extent
from ptycho_engine.geometry.grouping import Grouping
from ptycho_engine.memory_need import FreeMemory, MemoryNeed

if TYPE_CHECKING:
    import torch

_DRAWN = 0.4
"""Part of the memory for gradients that is held while patches are only drawn: 0.16 to 0.36 in all recipes."""
_CANVAS_BYTES = 56
"""Of a pixel: sums, shares and weights, the canvas that is shown, the one before, and the one that is turned."""
_PATCH_BYTES = 100
"""Of the position of a patch, and what is made of it."""
_LIBRARIES = 100 << 20
"""Libraries and their threads, that come with the first batch."""


def inference_need(
    dataset: Dataset,
    bundle: Bundle,
    config: InferConfig,
    grouping: Grouping,
    device: "torch.device",
    free: FreeMemory,
    n_processes: int = 1,
) -> MemoryNeed:
    """Return what an inference will take on a device.

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
    from ptycho_engine.inference_job import CPU_PIECE
    from ptycho_engine.inference_ramp import SAMPLE_BYTES, SAMPLE_PATTERNS
    from ptycho_engine.models.activation_memory import activation_memory

    on_gpu, model, n = device.type == "cuda", bundle.model, dataset.n
    channels = grouping.channels
    batch = min(config.batch_size, grouping.n_groups)
    piece = batch if on_gpu else min(batch, CPU_PIECE)
    kept = activation_memory(model, len(dataset.probe), False)
    # Two batches are on their way, as input and as what is drawn of it.
    under_way = 2 * batch * channels * n**2 * (4 + 8)
    computed = kept.parameters + round(_DRAWN * kept.of(piece)) + under_way
    n_patches = -(-grouping.n_groups * channels // n_processes)
    n_fitted = min(SAMPLE_PATTERNS, grouping.n_groups)
    sample = min(SAMPLE_BYTES, 4 * n_fitted * n**2) if config.fit_ramp else 0
    on_device = computed + sample + _resident_bytes(dataset, grouping, free.device if on_gpu else free.host, on_gpu)
    host = _LIBRARIES + _stitched_bytes(dataset, config, grouping, n_patches) + (under_way if on_gpu else 0)
    return MemoryNeed(
        what="the inference",
        host=host if on_gpu else host + on_device,
        device=on_device if on_gpu else 0,
        per_group=round(_DRAWN * kept.per_group) + 24 * channels * n**2,
        n_groups=batch,
        n_parts=2**MAX_HALVINGS,
    )


def _resident_bytes(dataset: Dataset, grouping: Grouping, free: int | None, on_gpu: bool) -> int:
    """Return the patterns that will stay on the device."""
    from ptycho_engine.batches import RESIDENT_FRACTION

    if not on_gpu and grouping.channels == 1:
        return 0
    n_bytes = 4 * min(dataset.n_scan, grouping.group_indices.size) * dataset.n**2
    return n_bytes if free is None or n_bytes <= RESIDENT_FRACTION * free else 0


def _stitched_bytes(dataset: Dataset, config: InferConfig, grouping: Grouping, n_patches: int) -> int:
    """Return what the canvas takes, and the positions of what is stitched on it."""
    crop = dataset.n // 2 if config.crop is None else config.crop
    low, high = position_extent(dataset.scan_positions[np.unique(grouping.group_indices)])
    return round(float(np.prod(high - low + crop + 1))) * _CANVAS_BYTES + _PATCH_BYTES * n_patches
