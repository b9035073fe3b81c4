"""A training made ready: inputs checked and normalised, network built, earlier progress taken up."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptycho_engine.arrays import IndexArray
from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import BundleError, ConfigError, DatasetError
from ptycho_engine.fixed_sample import FixedSample
from ptycho_engine.geometry.grouping import group_positions
from ptycho_engine.physics.scaling import amplitude_blocks, dataset_input_scale, intensity_scale
from ptycho_engine.preview import RateLimit, choose_groups
from ptycho_engine.recipes import Plan, plan_training
from ptycho_engine.trainer import Trainer
from ptycho_engine.training_files import TrainingFiles
from ptycho_engine.training_state import GoodState, Meter, Progress
from ptycho_engine.validation import Validation

DEFAULT_PHOTONS = 1e9
"""Photons in an average pattern where neither the person nor the scan says: PtychoPINN's own assumption."""


@dataclass(slots=True)
class TrainingJob:
    """Everything that the training loop holds."""

    dataset: Dataset
    config: TrainConfig
    device: torch.device
    plan: Plan
    input_scale: float
    intensity_scale: float
    intensity_scale_origin: str
    n_photons: float
    batches: GroupBatches
    trainer: Trainer
    validation: Validation | None
    files: TrainingFiles | None
    progress: Progress
    epoch_losses: list[torch.Tensor]
    """Losses of the epoch that has begun, on the device."""
    previews: RateLimit
    preview_groups: IndexArray
    meter: Meter
    sample: FixedSample
    """What the training is measured on as it goes."""
    good: GoodState
    fine_tunes: bool = False
    """Whether it begins with the weights of a bundle, so that there is no other start."""
    best_state: Mapping[str, Any] | None = None
    """Tensors of the best epoch, where there is a test scan to tell it."""

    @property
    def n_steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.config.epochs * self.batches.n_batches

    @property
    def network_per_physical(self) -> float:
        """Factor from physical to network amplitude."""
        return self.plan.model.probe_scale * self.input_scale


def prepare_training(
    dataset: Dataset,
    config: TrainConfig,
    device: torch.device,
    *,
    test_dataset: Dataset | None,
    out: Path | None,
    resume: bool,
    start_from: Bundle | None,
) -> TrainingJob:
    """Check the inputs and make a training ready to run, from its start or from its newest checkpoint.

    Raises
    ------
    EngineError
        If scan, test scan, bundle and settings do not fit together.
    """
    _check_inputs(dataset, config, test_dataset, start_from)
    plan = plan_training(config, dataset.n, dataset.probe)
    if start_from is not None:
        plan = replace(plan, model=start_from.model, start_amplitude=None)
    grouping = group_positions(dataset.scan_positions, config.grouping())
    scale = dataset_input_scale(dataset, grouping.group_indices)
    # An empty scan has the scale 1; one with infinite values has the scale 0 or none.
    if not (math.isfinite(scale) and scale > 0) or (scale == 1.0 and _is_dark(dataset, grouping.group_indices)):
        raise DatasetError(
            "its patterns hold no photons, or values that are not finite", "Choose a scan with data.", file=dataset.path
        )
    photons, origin = photons_of(dataset, config)
    scale_to_photons = intensity_scale(photons, dataset.n)
    batches = GroupBatches(dataset, grouping, scale, device, plan.batch_size)
    trainer = Trainer(config, plan, dataset.probe, scale_to_photons, device, start_from)
    validation = None if test_dataset is None else Validation(test_dataset, config, device)
    measured = batches if validation is None else validation.batches
    job = TrainingJob(
        dataset=dataset,
        config=config,
        device=device,
        plan=plan,
        input_scale=scale,
        intensity_scale=scale_to_photons,
        intensity_scale_origin=f"computed as sqrt(n_photons)/(N/2) with n_photons = {photons:g} {origin}; not learned",
        n_photons=photons,
        batches=batches,
        trainer=trainer,
        validation=validation,
        files=None if out is None else TrainingFiles(out),
        progress=Progress(),
        epoch_losses=[],
        previews=RateLimit(config.preview_interval_s),
        preview_groups=choose_groups(grouping.group_centers, config.preview_count),
        meter=Meter(),
        sample=FixedSample(measured, scale_to_photons, on_test_scan=validation is not None),
        good=GoodState(trainer.snapshot(), Progress()),
        fine_tunes=start_from is not None,
    )
    if resume and job.files is not None:
        job.files.restore(job)
    return job


def photons_of(dataset: Dataset, config: TrainConfig) -> tuple[float, str]:
    """Return the photons of an average pattern and, in words, where the number comes from."""
    if config.n_photons is not None:
        return config.n_photons, "as set for the training"
    if dataset.n_photons is not None:
        return dataset.n_photons, "from the scan's file"
    return DEFAULT_PHOTONS, "assumed, because the scan's file does not say"


def _is_dark(dataset: Dataset, indices: IndexArray) -> bool:
    return not any(block.any() for block in amplitude_blocks(dataset, np.unique(indices)))


def _check_inputs(
    dataset: Dataset, config: TrainConfig, test_dataset: Dataset | None, start_from: Bundle | None
) -> None:
    if config.loss not in ("poisson", "mae"):
        raise ConfigError(f"there is no loss {config.loss!r}", "It must be one of poisson, mae.")
    if test_dataset is not None and test_dataset.n != dataset.n:
        raise DatasetError(
            f"its patterns have the side {test_dataset.n} px, those of the training scan {dataset.n} px",
            "Choose a test scan with patterns of the same side.",
            file=test_dataset.path,
        )
    if start_from is None:
        return
    model = start_from.model
    if (model.n, model.gridsize) != (dataset.n, config.gridsize):
        raise BundleError(
            f"the network is for N = {model.n}, gridsize {model.gridsize}; "
            f"the training is for N = {dataset.n}, gridsize {config.gridsize}",
            "Choose a bundle, a scan and a gridsize that fit together.",
            file=start_from.path,
        )
