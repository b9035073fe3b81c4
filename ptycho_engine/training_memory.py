"""How much memory a training will take, told before it computes anything."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ptycho_engine.config import TrainConfig
from ptycho_engine.device import MAX_HALVINGS
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.memory_need import COMPILER_BYTES, FreeMemory, MemoryNeed
from ptycho_engine.recipes import Plan

if TYPE_CHECKING:
    import torch

_NETWORKS = 7
"""Networks on the device: weights, gradients, two moments, and weights and moments of the last good state."""
_WRITTEN = 9
"""Networks on the computer while a checkpoint is written: weights and moments, as tensors, as file, as read back."""
_DRAWN = 0.4
"""Part of the memory for gradients that is held while patches are only drawn: 0.16 to 0.36 in all recipes."""
_WORKSPACE = 1.2
"""Of layers that are computed, by which the memory of a step is greater than what is kept for its gradients."""
_LIBRARIES = 100 << 20
"""Libraries and their threads, that come with the first step."""
_GROUP_ROW = 64
"""Bytes of a member of a group: its number, position, offset, and what they are made of."""


def training_need(
    datasets: Sequence[Dataset],
    config: TrainConfig,
    plan: Plan,
    device: "torch.device",
    free: FreeMemory,
    test_dataset: Dataset | None = None,
    n_processes: int = 1,
) -> MemoryNeed:
    """Return what a training will take on a device.

    Patterns stay in memory up to a part of what is free, and are read batch by batch otherwise; they are counted as
    far as they stay.

    Parameters
    ----------
    datasets, config, test_dataset
        As for :func:`ptycho_engine.training.train`.
    plan
        The recipe, made concrete.
    device
        Where to compute.
    free
        What is free there.
    n_processes
        How many share each batch.

    Raises
    ------
    ConfigError
        If there is no such network.
    """
    from ptycho_engine.models.activation_memory import activation_memory
    from ptycho_engine.validation import VALIDATION_BATCH

    model = plan.model
    kept = activation_memory(model, len(datasets[0].probe), plan.shared_object)
    n_groups = -(-min(plan.batch_size, max(_groups_drawn(one, config) for one in datasets)) // n_processes)
    per_group = round(_WORKSPACE * kept.per_group)
    step = round(_WORKSPACE * kept.of(n_groups))
    # The test scan, and the patches that are shown, are drawn without gradients.
    drawn = max(config.preview_count, VALIDATION_BATCH if test_dataset is not None else 0)
    batch = max(step, round(_DRAWN * kept.of(drawn)))
    on_device = _NETWORKS * kept.parameters + batch
    there = free.host if device.type == "cpu" else free.device
    on_device += _resident_bytes(datasets, test_dataset, config, there)
    grouping = sum(_GROUP_ROW * config.gridsize**2 * _groups_drawn(one, config) for one in datasets)
    shown = 16 * config.preview_count * model.n**2
    compiler = COMPILER_BYTES if config.compiled else 0
    host = _LIBRARIES + _WRITTEN * kept.parameters + grouping + shown + compiler
    on_gpu = device.type == "cuda"
    return MemoryNeed(
        what="the training",
        host=host if on_gpu else host + on_device,
        device=on_device if on_gpu else 0,
        per_group=per_group,
        n_groups=n_groups,
        n_parts=2**MAX_HALVINGS if config.remedy and config.recipe != "upstream" else 1,
    )


def with_bundle(plan: Plan, start_from: Bundle | None) -> Plan:
    """Return a recipe with the network of the bundle that is trained on, if there is one."""
    return plan if start_from is None else replace(plan, model=start_from.model, start_amplitude=None)


def _groups_drawn(dataset: Dataset, config: TrainConfig) -> int:
    return min(config.n_groups, dataset.n_scan) if config.gridsize == 1 else config.n_groups


def _resident_bytes(
    datasets: Sequence[Dataset], test_dataset: Dataset | None, config: TrainConfig, free: int | None
) -> int:
    """Return the patterns that will stay on the device."""
    from ptycho_engine.batches import RESIDENT_FRACTION

    scans = [*datasets, *([] if test_dataset is None else [test_dataset])]
    total = 0
    for scan in scans:
        used = min(scan.n_scan, config.gridsize**2 * _groups_drawn(scan, config))
        n_bytes = 4 * used * scan.n**2
        left = None if free is None else RESIDENT_FRACTION * (free - total)
        if left is None or n_bytes <= left:
            total += n_bytes
    return total
