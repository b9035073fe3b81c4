"""What a refinement works on: single patterns of a scan, their probe and the forward model."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ptycho_engine.arrays import IndexArray, PositionArray
from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import InferConfig, ModelConfig
from ptycho_engine.documents import Bundle, Canvas, Dataset
from ptycho_engine.errors import BundleError, ConfigError, DatasetError
from ptycho_engine.geometry.grouping import Grouping
from ptycho_engine.inference_job import inference_groups
from ptycho_engine.inference_memory import CPU_PIECE
from ptycho_engine.physics.counts import holds_whole_counts
from ptycho_engine.physics.probe import soft_disk
from ptycho_engine.physics.scaling import amplitude_blocks, dataset_input_scale, intensity_scale, mean_total

_PIECE = 64
"""Patterns computed at once where the settings leave it open: without a network they take little memory."""


@dataclass(frozen=True, slots=True)
class RefinementTask:
    """The patterns that a canvas is to be brought in line with, on a device."""

    batches: GroupBatches
    """Every pattern alone, normalised; from memory or read when needed."""
    model: ModelConfig
    """The forward model of one pattern: its probe carries scale and mask already."""
    illumination: torch.Tensor
    """(N, N) complex64 the light on the object: the sum of the probe's modes over ``probe_scale``, masked if it is."""
    probe_scale: float
    """By which the probe was divided for ``illumination``."""
    network_per_physical: float
    """Factor from physical to network amplitude at the level of ``batches``."""
    photon_scale: float | None
    """Factor from normalised amplitude to root photons; ``None`` where nobody says how many there are."""
    n_passes: int
    seed: int
    preview_interval_s: float
    refine_probe: bool

    @property
    def n_patterns(self) -> int:
        """Patterns in one pass."""
        return self.batches.n_groups

    @property
    def piece(self) -> int:
        """Patterns that are computed at once: all that memory depends on."""
        size = self.batches.batch_size
        return min(size, CPU_PIECE) if self.batches.device.type == "cpu" else size

    def positions(self, patterns: IndexArray) -> PositionArray:
        """Return (k, 2) [px] ``(y, x)`` the positions of some patterns."""
        return self.batches.positions(patterns)[:, 0]


def prepare_refinement(
    dataset: Dataset, bundle: Bundle, canvas: Canvas, config: InferConfig, device: torch.device
) -> RefinementTask:
    """Check the inputs of a refinement and make it ready; no network is built.

    Parameters
    ----------
    dataset, bundle
        What the canvas was made from.
    canvas
        Where the refinement starts.
    config
        ``refine``, ``refine_probe``, ``n_groups``, ``batch_size``, ``seed``, ``preview_interval_s``.
    device
        Where to compute.

    Raises
    ------
    EngineError
        If they do not fit together.
    """
    if bundle.model.n != dataset.n:
        raise BundleError(
            f"the network is for patterns of {bundle.model.n} px, the scan {dataset.name} has {dataset.n} px",
            "Choose the bundle and the scan that the canvas was made from.",
            file=bundle.path,
        )
    if canvas.mode != "none":
        raise ConfigError(
            f"the canvas was stitched as PtychoPINN {canvas.mode} did, so its pixels are not where the scan says",
            "Infer without the compatibility setting, then refine.",
        )
    if bundle.model.forward_model != "amplitude" and len(dataset.probe) > 1:
        raise ConfigError(
            f"the probe has {len(dataset.probe)} modes that add incoherently, and a refinement adds them coherently",
            "Use the canvas as the network drew it.",
        )
    if canvas.scale == "photon":
        raise ConfigError("the canvas is at photon scale", "Refine one at network or physical scale.")
    model = replace(bundle.model, gridsize=1, probe_scale=1.0, probe_mask=False)
    alone = _single_patterns(dataset, bundle, config)
    scale = dataset_input_scale(dataset, alone.group_indices)
    light = dataset.probe.sum(axis=0) / bundle.model.probe_scale
    if bundle.model.probe_mask:
        light = light * soft_disk(dataset.n)
    if not (np.isfinite(light).all() and light.any()):
        raise DatasetError("its probe is dark, or not finite", "Choose a scan with a probe.", file=dataset.path)
    photons = _photons(dataset, bundle)
    return RefinementTask(
        batches=GroupBatches(dataset, alone, scale, device, config.batch_size or _PIECE),
        model=model,
        illumination=torch.tensor(light, dtype=torch.complex64, device=device),
        probe_scale=bundle.model.probe_scale,
        network_per_physical=bundle.model.probe_scale * scale,
        photon_scale=None if photons is None else intensity_scale(photons, dataset.n),
        n_passes=config.refine,
        seed=config.seed,
        preview_interval_s=config.preview_interval_s,
        refine_probe=config.refine_probe,
    )


def _single_patterns(dataset: Dataset, bundle: Bundle, config: InferConfig) -> Grouping:
    """Return the first member of every group that is inferred, alone: each position once."""
    members = inference_groups(dataset, bundle, config).group_indices[:, :1]
    return Grouping(members, dataset.scan_positions[members[:, 0]], np.zeros((len(members), 1, 2)))


def _photons(dataset: Dataset, bundle: Bundle) -> float | None:
    """Return the photons of an average pattern: as the scan says, or shows by whole counts, else as the bundle says."""
    if dataset.n_photons:
        return dataset.n_photons
    if holds_whole_counts(dataset):
        return mean_total(amplitude_blocks(dataset, np.arange(dataset.n_scan)))
    return bundle.n_photons
