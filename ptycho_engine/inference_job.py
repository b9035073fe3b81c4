"""An inference made ready: inputs checked and normalised, network rebuilt, patches computed batch by batch."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.batches import GroupBatches
from ptycho_engine.compiled_network import CompiledNetwork
from ptycho_engine.config import InferConfig
from ptycho_engine.device import MAX_HALVINGS, arithmetic, drop_frames, lacking_memory, out_of_memory, reclaim
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import BundleError, ConfigError
from ptycho_engine.events import MessageLogged
from ptycho_engine.geometry.grouping import Grouping, cover_positions
from ptycho_engine.going_on import GoOn, always
from ptycho_engine.inference_compatibility import CompatibilityMode, compatibility_mode
from ptycho_engine.inference_level import InferenceLevel, inference_level
from ptycho_engine.inference_memory import CPU_PIECE, inference_need
from ptycho_engine.inference_ramp import CanvasRamp
from ptycho_engine.inference_varpro import VarPro
from ptycho_engine.memory_need import free_for, memory_note, require_memory
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.models.pinn import build_model, require_runnable
from ptycho_engine.physics.forward import predict_amplitude, predict_intensity_rectangular
from ptycho_engine.ranks import ALONE, Ranks
from ptycho_engine.stoppable_reading import go_on_of
from ptycho_engine.transfers import HostCopy
from ptycho_engine.validation import spread_groups

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
    level: InferenceLevel
    """How the network reads the scan."""
    probe: torch.Tensor
    crop: int
    mode: CompatibilityMode | None = None
    """The release to follow; ``None`` infers the right way."""
    ramp: CanvasRamp | None = None
    """Takes in what was measured, where the canvas is to be turned by the ramp that it asks for."""
    ranks: Ranks = ALONE
    """The processes that draw, each its share of the groups."""
    varpro: VarPro | None = None
    """Takes in what is drawn, where the factors of its two parts are to be solved for."""
    go_on: GoOn = always
    """Called between the blocks of long work."""
    memory_note: str = ""
    """What the inference takes of the memory, in a sentence."""
    n_parts: int = 1
    """Parts in which a batch is computed, where the memory does not hold all of it."""
    remarks: list[MessageLogged] = field(default_factory=list)
    """What was done by itself and is still to be told."""
    compiled: CompiledNetwork | None = None
    """What draws, where the network has been compiled."""

    @property
    def input_scale(self) -> float:
        """By which what was measured is multiplied before the network."""
        return self.level.input_scale

    @property
    def input_level(self) -> float:
        """How many times as bright as in training the patterns are that the network reads."""
        return self.level.input_scale / self.level.normal_scale

    @property
    def network_per_physical(self) -> float:
        """Factor from physical to network amplitude, at the input level that is used."""
        return self.level.network_per_physical

    @property
    def n_patches(self) -> int:
        """Patches that this process computes and stitches."""
        return len(self.own_groups()) * int(self.batches.grouping.group_indices.shape[1])

    def own_groups(self) -> IndexArray:
        """Return the numbers of the groups that this process draws."""
        groups = self.batches.all_groups()
        return groups[self.ranks.share(len(groups))]

    def predictions(self) -> Iterator[Predicted]:
        """Yield the patches of one batch of groups after another; the next one is queued before one is fetched."""
        queued: tuple[IndexArray, HostCopy] | None = None
        for groups in self.batches.slices(self.own_groups()):
            # What is fetched later must not wait for the batch that is queued meanwhile.
            launched = (groups, HostCopy([self._forward(groups)]))
            if queued is not None:
                yield self._fetched(*queued)
            queued = launched
        if queued is not None:
            yield self._fetched(*queued)

    def predicted_amplitude(self, patches: ComplexArray, groups: IndexArray) -> FloatArray | None:
        """Return what the forward model predicts for (B, C, N, N) patches of some groups: (B, C, N, N).

        ``None`` for a network whose predictions cannot be brought to the level of the measured amplitudes.
        """
        model = self.bundle.model
        if model.forward_model == "rectangular":
            return None
        with torch.inference_mode():
            drawn = torch.from_numpy(patches).to(self.device)
            offsets = self.batches.batch(groups).local_offsets
            if model.forward_model == "amplitude":
                return predict_amplitude(drawn, offsets, self.probe, model).cpu().numpy()
            counts = predict_intensity_rectangular(drawn, offsets, self.probe, model)
            return (counts.sqrt() / self.level.intensity_scale).cpu().numpy()

    def _forward(self, groups: IndexArray) -> torch.Tensor:
        with torch.inference_mode():
            batch = self.batches.batch(groups)
            images = batch.images
            drawn = self._drawn(images)
            if self.bundle.model.forward_model != "amplitude":
                drawn = self.network.object_of(drawn)
            if self.level.amplitude_factor != 1.0:
                drawn = drawn * self.level.amplitude_factor
            if self.ramp is not None:
                self.ramp.take(self.level.amplitudes(images), self.batches.positions(groups))
            if self.varpro is not None:
                self.varpro.take(drawn, images)
            return drawn

    def _drawn(self, images: torch.Tensor) -> torch.Tensor:
        """Run the network; where the memory runs out, in halves from then on."""
        while True:
            network = self.network if self.compiled is None else self.compiled
            try:
                with self._arithmetic():
                    return torch.cat([network(piece) for piece in self._pieces(images)])
            except (RuntimeError, MemoryError) as error:
                lacking = lacking_memory(error)
                if lacking is None:
                    raise
                drop_frames(error)
            # Out of the handler: while it runs, the exception keeps what is to be freed.
            reclaim(self.device)
            if self.n_parts >= min(2**MAX_HALVINGS, self._most_at_once(images)):
                raise out_of_memory(self.device, lacking)
            self.n_parts *= 2
            wanted = f" ({lacking} more were needed)" if lacking else ""
            text = (
                f"Out of memory{wanted}: batches are computed in {self.n_parts} parts from here on "
                f"(time {self.n_parts.bit_length() - 1} of {MAX_HALVINGS})"
            )
            self.remarks.append(MessageLogged("warning", text, shown=True))
            if self.compiled is not None:
                self.remarks.append(self.compile())

    def _pieces(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return patterns in the pieces that are computed at once."""
        return torch.split(images, max(1, self._most_at_once(images) // self.n_parts))

    def _most_at_once(self, images: torch.Tensor) -> int:
        """Return how many groups are computed at once as long as the memory holds them."""
        return images.shape[0] if self.device.type != "cpu" else CPU_PIECE

    def _arithmetic(self) -> AbstractContextManager[object]:
        return arithmetic(self.device, self.config.precision)

    def compile(self) -> MessageLogged:
        """Compile the network for the pieces that whole batches are computed in, and say what came of it."""
        self.compiled = CompiledNetwork(self.network)
        with torch.inference_mode():
            images = self.batches.batch(self.own_groups()[: self.batches.batch_size]).images
            return self.compiled.compile_for(self._pieces(images)[0], self._arithmetic, gradients=False)

    def _fetched(self, groups: IndexArray, patches: HostCopy) -> Predicted:
        return Predicted(groups, patches.arrays()[0], self.batches.positions(groups))


def prepare_inference(
    dataset: Dataset, bundle: Bundle, config: InferConfig, device: torch.device, ranks: Ranks = ALONE
) -> InferenceJob:
    """Check the inputs and make an inference ready to run.

    Raises
    ------
    EngineError
        If scan, bundle and settings do not fit together.
    """
    model = bundle.model
    require_fitting(dataset, bundle)
    crop = model.n // 2 if config.crop is None else config.crop
    if crop > model.n or crop % 2:
        raise ConfigError(f"crop is {crop}", f"It must be an even number up to {model.n} px.")
    mode = compatibility_mode(config)
    if not ranks.alone:
        _require_shareable(config)
    grouping = inference_groups(dataset, bundle, config)
    ranks.require_same(
        {"settings": config.as_dict(), "scan": dataset.fingerprint, "groups": len(grouping.group_indices)}
    )
    _check_compatibility(bundle, config)
    free = free_for(device)
    need = inference_need(dataset, bundle, config, grouping, device, free, ranks.size)
    require_memory(need, free)
    level = inference_level(dataset, bundle, grouping.group_indices[:, 0])
    if mode is not None:
        level = level.at(mode.input_scale(dataset, bundle, grouping), bundle.model.probe_scale)
    counts = level.statistics is not None
    network = build_model(bundle, device)
    probe = torch.tensor(level.dataset.probe, dtype=torch.complex64, device=device)
    return InferenceJob(
        dataset=level.dataset,
        bundle=bundle,
        config=config,
        device=device,
        network=network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        batches=GroupBatches(
            level.dataset,
            grouping,
            level.input_scale,
            device,
            need.n_groups,
            # Patterns that are read once need not be held, and on the CPU nothing overlaps with reading them.
            0 if device.type == "cpu" and grouping.channels == 1 else None,
            counts=counts,
        ),
        level=level,
        probe=probe,
        crop=crop,
        mode=mode,
        ranks=ranks,
        go_on=go_on_of(dataset),
        memory_note=memory_note(need, free),
        ramp=_ramp(bundle, config, probe, grouping, ranks) if mode is None else None,
        varpro=VarPro(bundle.model, probe, 1.0 / level.input_scale if counts else None) if config.varpro else None,
    )


def _require_shareable(config: InferConfig) -> None:
    """Refuse what looks at all patches in their order, or at the canvas again and again."""
    alone = {
        "compatibility": config.compatibility != "none",
        "varpro": config.varpro,
        "refine": config.refine > 0,
        "log-patch-stats": config.log_patch_stats,
    }
    asked = [name for name, wanted in alone.items() if wanted]
    if asked:
        raise ConfigError(
            f"several processes cannot share an inference with {', '.join(asked)}", "Leave it out, or use one process."
        )


def _ramp(
    bundle: Bundle, config: InferConfig, probe: torch.Tensor, grouping: Grouping, ranks: Ranks
) -> CanvasRamp | None:
    if not config.fit_ramp:
        return None
    return CanvasRamp(probe, bundle.model, grouping.n_groups, ranks, ranks.share(grouping.n_groups).start)


def _check_compatibility(bundle: Bundle, config: InferConfig) -> None:
    if config.compatibility == "none":
        return
    if config.varpro:
        raise ConfigError(
            f"compatibility {config.compatibility} draws patches without factors of their two parts",
            "Ask for VarPro without the compatibility setting.",
        )
    if bundle.model.forward_model == "counts":
        raise BundleError(
            f"PtychoPINN {config.compatibility} stitched no networks that read counts in this way",
            "Infer without the compatibility setting.",
            file=bundle.path,
        )


def require_fitting(dataset: Dataset, bundle: Bundle) -> None:
    """Refuse a network that cannot be run, or is for patterns of another side than those of the scan."""
    require_runnable(bundle)
    if bundle.model.n != dataset.n:
        raise BundleError(
            f"the network is for patterns of {bundle.model.n} px, the scan {dataset.name} has {dataset.n} px",
            "Choose a bundle and a scan of the same side.",
            file=bundle.path,
        )


def inference_groups(dataset: Dataset, bundle: Bundle, config: InferConfig) -> Grouping:
    """Return the groups to infer: every position is the first member of one, or evenly spread ones of these.

    The older releases had ways of their own.
    """
    mode = compatibility_mode(config)
    if mode is not None:
        return mode.groups(dataset, bundle, config)
    # A network that reads one pattern at a time draws the same patch in every group: once is enough.
    gridsize = bundle.model.gridsize if bundle.model.object_big else 1
    go_on = go_on_of(dataset)
    groups = cover_positions(dataset.scan_positions, gridsize, config.neighbor_count, config.seed, go_on)
    return spread_groups(groups, config.n_groups)


def known_object(dataset: Dataset, ground_truth: GroundTruth) -> ComplexArray | None:
    """Return the object to compare with: the one given, or the scan's own unless it is constant."""
    if not isinstance(ground_truth, str):
        return ground_truth
    object_ = dataset.object_
    if object_ is None or object_.size == 0 or bool(np.all(object_ == object_.flat[0])):
        return None
    return object_
