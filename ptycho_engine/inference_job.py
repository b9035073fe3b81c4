"""An inference made ready: inputs checked and normalised, network rebuilt, patches computed batch by batch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import InferConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import BundleError, ConfigError, DatasetError
from ptycho_engine.geometry.grouping import Grouping, cover_positions
from ptycho_engine.inference_compatibility import CompatibilityMode, compatibility_mode
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.models.pinn import build_model
from ptycho_engine.physics.forward import predict_amplitude
from ptycho_engine.physics.phase_ramp import PhaseRamp
from ptycho_engine.physics.scaling import amplitude_blocks, dataset_input_scale, light_factor
from ptycho_engine.validation import spread_groups

CPU_PIECE = 16
"""Groups computed at once on a CPU: larger batches no longer fit its caches and are slower."""
GroundTruth = ComplexArray | Literal["auto"] | None


@dataclass(frozen=True, slots=True)
class Predicted:
    """The patches of some groups, on the host."""

    groups: IndexArray
    patches: ComplexArray
    """(B, C, N, N) network scale."""
    positions: PositionArray
    """(B, C, 2) [px] ``(y, x)``."""


@dataclass(slots=True)
class InferenceJob:
    """Everything that an inference holds."""

    dataset: Dataset
    bundle: Bundle
    config: InferConfig
    device: torch.device
    network: PatchNetwork
    batches: GroupBatches
    input_scale: float
    """By which amplitudes are multiplied before the network."""
    normal_scale: float
    """k of these patterns, by which they are multiplied in training."""
    probe: torch.Tensor
    crop: int
    amplitude_factor: float
    """By which patches are multiplied, because the network learned its amplitudes under a probe of other energy."""
    mode: CompatibilityMode | None = None
    """The release to follow; ``None`` infers the right way."""
    ramp: PhaseRamp | None = None
    """Takes in what is drawn, where phases are to be aligned."""

    @property
    def input_level(self) -> float:
        """How many times as bright as in training the patterns are that the network reads."""
        return self.input_scale / self.normal_scale

    @property
    def network_per_physical(self) -> float:
        """Factor from physical to network amplitude, at the input level that is used."""
        return self.bundle.model.probe_scale * self.input_scale

    @property
    def n_patches(self) -> int:
        """Patches that are computed and stitched."""
        return int(self.batches.grouping.group_indices.size)

    def predictions(self) -> Iterator[Predicted]:
        """Yield the patches of one batch of groups after another; the next one is queued before one is fetched."""
        queued: tuple[IndexArray, torch.Tensor] | None = None
        for groups in self.batches.slices(self.batches.all_groups()):
            launched = (groups, self._forward(groups))
            if queued is not None:
                yield self._fetched(*queued)
            queued = launched
        if queued is not None:
            yield self._fetched(*queued)

    def predicted_amplitude(self, patches: ComplexArray, groups: IndexArray) -> FloatArray:
        """Return what the forward model predicts for (B, C, N, N) patches of some groups: (B, C, N, N)."""
        with torch.inference_mode():
            drawn = torch.from_numpy(patches).to(self.device)
            offsets = self.batches.batch(groups).local_offsets
            return predict_amplitude(drawn, offsets, self.probe, self.bundle.model).cpu().numpy()

    def _forward(self, groups: IndexArray) -> torch.Tensor:
        with torch.inference_mode():
            batch = self.batches.batch(groups)
            images = batch.images
            if self.device.type != "cpu":
                drawn: torch.Tensor = self.network(images)
            else:
                drawn = torch.cat([self.network(piece) for piece in torch.split(images, CPU_PIECE)])
            if self.amplitude_factor != 1.0:
                drawn = drawn * self.amplitude_factor
            if self.ramp is not None:
                self.ramp.take(drawn, batch.local_offsets, images)
            return drawn

    def _fetched(self, groups: IndexArray, patches: torch.Tensor) -> Predicted:
        return Predicted(groups, patches.cpu().numpy(), self.batches.positions(groups))


def prepare_inference(dataset: Dataset, bundle: Bundle, config: InferConfig, device: torch.device) -> InferenceJob:
    """Check the inputs and make an inference ready to run.

    Raises
    ------
    EngineError
        If scan, bundle and settings do not fit together.
    """
    model = bundle.model
    if model.n != dataset.n:
        raise BundleError(
            f"the network is for patterns of {model.n} px, the scan {dataset.name} has {dataset.n} px",
            "Choose a bundle and a scan of the same side.",
            file=bundle.path,
        )
    crop = model.n // 2 if config.crop is None else config.crop
    if crop > model.n or crop % 2:
        raise ConfigError(f"crop is {crop}", f"It must be an even number up to {model.n} px.")
    mode = compatibility_mode(config)
    grouping = inference_groups(dataset, bundle, config)
    scale = normal_scale = dataset_input_scale(dataset, grouping.group_indices[:, 0])
    if not (math.isfinite(scale) and scale > 0) or (scale == 1.0 and _is_dark(dataset)):
        raise DatasetError(
            "its patterns hold no photons, or values that are not finite", "Choose a scan with data.", file=dataset.path
        )
    if mode is not None:
        scale = mode.input_scale(dataset, bundle, grouping)
    network = build_model(bundle, device)
    probe = torch.tensor(dataset.probe, dtype=torch.complex64, device=device)
    aligned = config.align_phases and mode is None
    return InferenceJob(
        dataset=dataset,
        bundle=bundle,
        config=config,
        device=device,
        network=network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        batches=GroupBatches(dataset, grouping, scale, device, config.batch_size),
        input_scale=scale,
        normal_scale=normal_scale,
        probe=probe,
        crop=crop,
        amplitude_factor=_amplitude_factor(dataset, bundle, config),
        mode=mode,
        ramp=PhaseRamp(probe, model, grouping.group_indices.size) if aligned else None,
    )


def _amplitude_factor(dataset: Dataset, bundle: Bundle, config: InferConfig) -> float:
    """Return what brings the network's amplitudes to the scale of this scan, 1 where the bundle does not tell.

    With it, network amplitude is ``probe_scale * k`` times the transmission whatever probe the network learned with.
    """
    energy = bundle.provenance.get("probe_energy")
    if config.compatibility != "none" or not isinstance(energy, int | float) or not math.isfinite(energy):
        return 1.0
    return light_factor(dataset.probe, float(energy))


def inference_groups(dataset: Dataset, bundle: Bundle, config: InferConfig) -> Grouping:
    """Return the groups to infer: every position is the first member of one, or evenly spread ones of these.

    The older releases had ways of their own.
    """
    mode = compatibility_mode(config)
    if mode is not None:
        return mode.groups(dataset, bundle, config)
    # A network that reads one pattern at a time draws the same patch in every group: once is enough.
    gridsize = bundle.model.gridsize if bundle.model.object_big else 1
    groups = cover_positions(dataset.scan_positions, gridsize, config.neighbor_count, config.seed)
    return spread_groups(groups, config.n_groups)


def known_object(dataset: Dataset, ground_truth: GroundTruth) -> ComplexArray | None:
    """Return the object to compare with: the one given, or the scan's own unless it is constant."""
    if not isinstance(ground_truth, str):
        return ground_truth
    object_ = dataset.object_
    if object_ is None or object_.size == 0 or bool(np.all(object_ == object_.flat[0])):
        return None
    return object_


def _is_dark(dataset: Dataset) -> bool:
    return not any(block.any() for block in amplitude_blocks(dataset, np.arange(dataset.n_scan)))
