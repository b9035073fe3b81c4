"""The scans of one training: each with its own patterns, probe, input scale and photons."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ptycho_engine.arrays import IndexArray
from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import DatasetError
from ptycho_engine.geometry.grouping import group_positions
from ptycho_engine.physics.scaling import (
    amplitude_blocks,
    dataset_input_scale,
    intensity_scale,
    light_factor,
    probe_energy,
)
from ptycho_engine.recipes import Plan
from ptycho_engine.stoppable_reading import go_on_of
from ptycho_engine.trainer import Scene
from ptycho_engine.training_counts import TrainingCounts, require_one_scan, training_counts

DEFAULT_PHOTONS = 1e9
"""Photons in an average pattern where neither the person nor the scan says: PtychoPINN's own assumption."""


@dataclass(frozen=True, slots=True)
class TrainingScan:
    """One scan of a training."""

    dataset: Dataset
    batches: GroupBatches
    scene: Scene
    input_scale: float
    """k, by which its amplitudes are multiplied, or the factor of its counts."""
    n_photons: float
    photons_origin: str
    """In words, where the number of photons comes from."""
    counts: TrainingCounts | None = None
    """Where the training reads counts; ``dataset`` then holds counts, and a probe in their scale."""

    @property
    def amplitude_scale(self) -> float:
        """K of its amplitudes: (N/2)/sqrt(mean total)."""
        return self.input_scale if self.counts is None else 1.0 / self.scene.intensity_scale


@dataclass(frozen=True, slots=True)
class ScanStep:
    """What one optimiser step takes: groups of one scan."""

    scan: TrainingScan
    groups: IndexArray


class TrainingScans:
    """All scans of a training; a step never mixes them.

    Parameters
    ----------
    scans
        At least one; the first decides what network amplitude means.
    """

    def __init__(self, scans: Sequence[TrainingScan]) -> None:
        self.scans = tuple(scans)

    @property
    def first(self) -> TrainingScan:
        """The scan that the network's scale, the previews and the run are named after."""
        return self.scans[0]

    @property
    def all_batches(self) -> list[GroupBatches]:
        """The patterns of each scan, those of the first one first."""
        return [scan.batches for scan in self.scans]

    @property
    def n_steps(self) -> int:
        """Steps in one pass over all scans."""
        return sum(scan.batches.n_batches for scan in self.scans)

    @property
    def resident(self) -> bool:
        """Whether the patterns of all scans stay on the device."""
        return all(scan.batches.resident for scan in self.scans)

    def steps(self, seed: int, epoch: int, *, neighbouring: bool) -> list[ScanStep]:
        """Return the steps of one epoch in their order, which depends on nothing but seed and epoch.

        Parameters
        ----------
        seed, epoch
            Decide everything that is random.
        neighbouring
            Whether the groups of a step are to lie near each other.
        """
        steps = []
        for scan in self.scans:
            batches = scan.batches
            order = (batches.neighbouring_order if neighbouring else batches.order)(seed, epoch)
            steps += [ScanStep(scan, groups) for groups in batches.slices(order)]
        if len(self.scans) == 1:
            return steps
        # Mixed, so that the network never forgets one scan over another.
        mixed = np.random.default_rng([seed, epoch, len(self.scans)]).permutation(len(steps))
        return [steps[index] for index in mixed]


def prepare_scans(datasets: Sequence[Dataset], config: TrainConfig, plan: Plan, device: torch.device) -> TrainingScans:
    """Group and normalise each scan by itself.

    Parameters
    ----------
    datasets
        The scans, the one that gives the network its scale first.
    config
        The training; ``n_groups`` groups are drawn from each scan.
    plan
        Its recipe, made concrete.
    device
        Where to compute.

    Raises
    ------
    EngineError
        If a scan cannot be grouped, or holds nothing to learn from.
    """
    if config.profile == "count-intensity":
        require_one_scan(datasets)
        return TrainingScans([_counted(datasets[0], config, plan, device)])
    energy = probe_energy(datasets[0].probe)
    photons_of_first, _ = photons_of(datasets[0], config)
    scans = []
    for dataset in datasets:
        grouping = group_positions(dataset.scan_positions, config.grouping(), go_on_of(dataset))
        scale = training_scale(dataset, grouping.group_indices)
        photons, origin = photons_of(dataset, config)
        scene = Scene(
            probe=torch.tensor(dataset.probe, dtype=torch.complex64, device=device),
            intensity_scale=intensity_scale(photons, dataset.n),
            amplitude_factor=light_factor(dataset.probe, energy),
            # A loss grows with the photons: left so, a bright scan would be all that is learned.
            loss_weight=photons_of_first / photons,
        )
        batches = GroupBatches(dataset, grouping, scale, device, plan.batch_size)
        scans.append(TrainingScan(dataset, batches, scene, scale, photons, origin))
    return TrainingScans(scans)


def _counted(dataset: Dataset, config: TrainConfig, plan: Plan, device: torch.device) -> TrainingScan:
    """Group and normalise a scan whose counts are read."""
    grouping = group_positions(dataset.scan_positions, config.grouping(), go_on_of(dataset))
    counts = training_counts(dataset, config, grouping.group_indices)
    seen, scale = counts.scan.dataset, counts.statistics.rms_input_scale
    scene = Scene(
        probe=torch.tensor(seen.probe, dtype=torch.complex64, device=device),
        intensity_scale=intensity_scale(counts.n_photons, seen.n),
        statistics=counts.statistics,
    )
    batches = GroupBatches(seen, grouping, scale, device, plan.batch_size, counts=True)
    return TrainingScan(seen, batches, scene, scale, counts.n_photons, counts.origin, counts)


def training_scale(dataset: Dataset, group_indices: IndexArray) -> float:
    """Return the input scale of the patterns of some groups.

    Raises
    ------
    DatasetError
        If they hold no photons, or values that are not finite.
    """
    scale = dataset_input_scale(dataset, group_indices)
    # An empty scan has the scale 1; one with infinite values has the scale 0 or none.
    if not (np.isfinite(scale) and scale > 0) or (scale == 1.0 and _is_dark(dataset, group_indices)):
        raise DatasetError(
            "its patterns hold no photons, or values that are not finite", "Choose a scan with data.", file=dataset.path
        )
    return scale


def photons_of(dataset: Dataset, config: TrainConfig) -> tuple[float, str]:
    """Return the photons of an average pattern and, in words, where the number comes from."""
    if config.n_photons is not None:
        return config.n_photons, "as set for the training"
    if dataset.n_photons is not None:
        return dataset.n_photons, "from the scan's file"
    return DEFAULT_PHOTONS, "assumed, because the scan's file does not say"


def _is_dark(dataset: Dataset, indices: IndexArray) -> bool:
    return not any(block.any() for block in amplitude_blocks(dataset, np.unique(indices)))
