"""How much memory an inference will take, told before it computes anything, and how large its batches may be for it."""

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

_DRAWN = 0.4
"""Part of the memory for gradients that is held while patches are only drawn: 0.16 to 0.36 in all recipes."""
_CANVAS_BYTES = 56
"""Of a pixel: sums, shares and weights, the canvas that is shown, the one before, and the one that is turned."""
_PATCH_BYTES = 100
"""Of the position of a patch, and what is made of it."""
_LIBRARIES = 100 << 20
"""Libraries and their threads, that come with the first batch."""
_LARGEST_BATCH = 512
"""Most groups of a batch that is found for a GPU."""
_BATCH_UNTOLD = 64
"""Groups of a batch where nobody can tell how much memory is free."""


def batch_size_for(
    dataset: Dataset,
    bundle: Bundle,
    config: InferConfig,
    grouping: Grouping,
    device: "torch.device",
    free: FreeMemory,
    n_processes: int = 1,
) -> int:
    """Return how many groups a batch has: as the settings say, else what suits the device.

    On a CPU these are the groups that it computes at once. On a GPU it is the largest power of two whose estimate fits
    in what is free, so that the same free memory gives the same batches; what comes out does not depend on them.

    Parameters
    ----------
    dataset, bundle, config, grouping, device, free, n_processes
        As for :func:`inference_need`.

    Raises
    ------
    EngineError
        As :func:`inference_need` does.
    """
    from ptycho_engine.inference_job import CPU_PIECE

    if config.batch_size is not None:
        return config.batch_size
    if device.type == "cpu":
        return CPU_PIECE
    if device.type != "cuda" or free.device is None:
        return _BATCH_UNTOLD
    # Drawn patches come to the computer, which must hold them as well.
    fixed = _LIBRARIES + _host_bytes(dataset, config, grouping, n_processes)
    size = _LARGEST_BATCH
    while size > 1:
        on_device = _device_bytes(dataset, bundle, config, grouping, size, free.device, on_gpu=True)
        on_host = fixed + _under_way(dataset, grouping, min(size, grouping.n_groups))
        if on_device <= free.device and (free.host is None or on_host <= free.host):
            break
        size //= 2
    return size


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
        As for :func:`ptycho_engine.inference.infer`; without a batch size, that of :func:`batch_size_for`.
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

    on_gpu = device.type == "cuda"
    size = batch_size_for(dataset, bundle, config, grouping, device, free, n_processes)
    there = free.device if on_gpu else free.host
    on_device = _device_bytes(dataset, bundle, config, grouping, size, there, on_gpu=on_gpu)
    batch = min(size, grouping.n_groups)
    under_way = _under_way(dataset, grouping, batch) if on_gpu else 0
    host = _LIBRARIES + _host_bytes(dataset, config, grouping, n_processes) + under_way
    return MemoryNeed(
        what="the inference",
        host=host if on_gpu else host + on_device,
        device=on_device if on_gpu else 0,
        per_group=round(_DRAWN * activation_memory(bundle.model, len(dataset.probe), False).per_group)
        + _under_way(dataset, grouping, 1),
        n_groups=batch,
        n_parts=2**MAX_HALVINGS,
    )


def _device_bytes(
    dataset: Dataset,
    bundle: Bundle,
    config: InferConfig,
    grouping: Grouping,
    size: int,
    free: int | None,
    *,
    on_gpu: bool,
) -> int:
    """Return what batches of so many groups take where they are computed, patterns that stay there included."""
    from ptycho_engine.inference_job import CPU_PIECE
    from ptycho_engine.inference_ramp import SAMPLE_BYTES, SAMPLE_PATTERNS
    from ptycho_engine.models.activation_memory import activation_memory

    batch = min(size, grouping.n_groups)
    kept = activation_memory(bundle.model, len(dataset.probe), False)
    computed = kept.parameters + round(_DRAWN * kept.of(batch if on_gpu else min(batch, CPU_PIECE)))
    n_fitted = min(SAMPLE_PATTERNS, grouping.n_groups)
    sample = min(SAMPLE_BYTES, 4 * n_fitted * dataset.n**2) if config.fit_ramp else 0
    resident = _resident_bytes(dataset, grouping, free, on_gpu)
    return computed + _under_way(dataset, grouping, batch) + sample + resident


def _under_way(dataset: Dataset, grouping: Grouping, batch: int) -> int:
    """Return what two batches on their way take, as input and as what is drawn of it."""
    return 2 * batch * grouping.channels * dataset.n**2 * (4 + 8)


def _resident_bytes(dataset: Dataset, grouping: Grouping, free: int | None, on_gpu: bool) -> int:
    """Return the patterns that will stay on the device."""
    from ptycho_engine.batches import RESIDENT_FRACTION

    if not on_gpu and grouping.channels == 1:
        return 0
    n_bytes = 4 * min(dataset.n_scan, grouping.group_indices.size) * dataset.n**2
    return n_bytes if free is None or n_bytes <= RESIDENT_FRACTION * free else 0


def _host_bytes(dataset: Dataset, config: InferConfig, grouping: Grouping, n_processes: int) -> int:
    """Return what the canvas takes, the positions of what is stitched on it, and the compiler where one is asked."""
    n_patches = -(-grouping.n_groups * grouping.channels // n_processes)
    crop = dataset.n // 2 if config.crop is None else config.crop
    low, high = position_extent(dataset.scan_positions[np.unique(grouping.group_indices)])
    compiler = COMPILER_BYTES if config.compiled else 0
    return round(float(np.prod(high - low + crop + 1))) * _CANVAS_BYTES + _PATCH_BYTES * n_patches + compiler
