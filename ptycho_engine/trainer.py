"""One network under training: the optimiser step, predictions, and its tensors for a checkpoint."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray
from ptycho_engine.batches import Batch, GroupBatches
from ptycho_engine.compiled_network import CompiledNetwork
from ptycho_engine.config import TRANSFORMS_WITH_STATE, TrainConfig
from ptycho_engine.device import arithmetic
from ptycho_engine.documents import Bundle, CountStatistics
from ptycho_engine.events import MessageLogged
from ptycho_engine.gradient_clip import GradientClip
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.models.pinn import build_network, initialise_transparent, load_state
from ptycho_engine.physics.forward import light_on_object
from ptycho_engine.physics.shared_object import see_shared_object
from ptycho_engine.profiles import AmplitudeProfile, CountProfile, Profile
from ptycho_engine.ranks import ALONE, Ranks
from ptycho_engine.recipes import Plan
from ptycho_engine.shared_step import drawn_at_once, gradients_of_shares

_LEVEL_GROUPS = 64
"""Groups from which the factors of real and imaginary part are taken at the start."""
_STANDARD_GROUPS = 1024
"""Groups of a scan from which its mean pattern is taken at the start."""
_LEAST_VARIANCE = 1e-12
"""Of normalised patterns, below which they are all the same but for rounding."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a scan's patterns are predicted with."""

    probe: torch.Tensor
    """(n_modes, N, N) complex64."""
    intensity_scale: float
    """S, root photons for network amplitude."""
    amplitude_factor: float = 1.0
    """By which the patches are multiplied, because the network learned its amplitudes under a probe of other energy."""
    loss_weight: float = 1.0
    statistics: CountStatistics | None = None
    """Of the training counts, where the network reads counts."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimiser step leaves, still on the device."""

    loss: torch.Tensor
    gradient_norm: torch.Tensor
    """Before clipping."""
    patches: torch.Tensor
    """(B, C, N, N) complex64 the object that the network drew before the step."""


@dataclass(frozen=True, slots=True)
class TrainerState:
    """All that a trainer changes, copied on its device."""

    network: dict[str, torch.Tensor]
    optimiser: dict[str, dict[str, torch.Tensor]]
    """The moments of each parameter, by its name."""
    clip: tuple[FloatArray, int]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a network draws of a batch, on the device; all (B, C, N, N)."""

    patches: torch.Tensor
    """complex64 the object, network scale."""
    predicted: torch.Tensor
    """float32 the amplitude that the loss compares: of the patches, or of the one object that they are merged into."""
    amplitude: torch.Tensor
    """float32 output of the amplitude's head, which may be negative; the modulus where heads draw other quantities."""
    phase: torch.Tensor
    """float32 [rad] output of the phase's head, not wrapped; the argument where heads draw other quantities."""


class Trainer:
    """A network, its optimiser and its physics on one device.

    Parameters
    ----------
    config
        The training.
    plan
        Its recipe, made concrete.
    scene
        The scan whose probe decides what network amplitude means.
    device
        Where to compute.
    start_from
        A bundle whose weights the network starts with.
    ranks
        The processes that take their shares of each batch.
    """

    def __init__(
        self,
        config: TrainConfig,
        plan: Plan,
        scene: Scene,
        device: torch.device,
        start_from: Bundle | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.plan = plan
        self.ranks = ranks
        self.device = device
        self.scene = scene
        counts = scene.statistics
        self.profile: Profile = AmplitudeProfile(config.loss) if counts is None else CountProfile(counts, plan.model.n)
        """What is predicted and compared."""
        self.precision = config.precision
        network = fresh_network(plan, config.seed) if start_from is None else build_network(plan.model)
        if start_from is not None:
            load_state(network, start_from.state)
        # Convolutions on channels-last memory give the same numbers up to rounding, and take two thirds of the time.
        self.network: PatchNetwork = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parameters = [one for one in self.network.parameters() if one.requires_grad]
        # The fused step does not know complex numbers.
        self.fused = device.type in ("cpu", "cuda") and not any(one.is_complex() for one in self.parameters)
        self.optimiser = torch.optim.Adam(self.parameters, lr=plan.learning_rate, fused=self.fused)
        self.clip = GradientClip(plan.clip_factor, device)
        self.rate_factor = 1.0
        """What the rates of the schedule are multiplied by."""
        self.n_parts = 1
        """Parts in which a batch is computed, where the memory does not hold all of it; a step stays one step."""
        self.compiled: CompiledNetwork | None = None
        """What draws in the steps, where the network has been compiled for them."""
        ranks.same_weights(self.network)

    def set_learning_rate(self, done: float) -> float:
        """Set and return the learning rate where the part ``done`` (0 to 1) of the training lies behind."""
        rate = self.plan.learning_rate * self.plan.schedule(done) * self.rate_factor
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def step(self, batch: Batch, scene: Scene | None = None) -> Step:
        """Do one optimiser step on patterns of a scan, by default the first; nothing is read from the device."""
        scene = scene or self.scene
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        if self.ranks.alone:
            losses, drawn = self._gradients(batch, scene)
        else:
            losses, drawn = gradients_of_shares(self, batch, scene)
        norm = self.clip.apply(self.parameters)
        self.optimiser.step()
        return Step(_sum(losses), norm.detach(), drawn[0] if len(drawn) == 1 else torch.cat(drawn))

    def compile_steps(self, images: torch.Tensor) -> MessageLogged:
        """Compile the network for steps on (B, C, N, N) patterns of this shape, and say what came of it."""
        self.network.train()
        self.compiled = CompiledNetwork(self.network)
        return self.compiled.compile_for(images, lambda: arithmetic(self.device, self.precision), gradients=True)

    def _gradients(self, batch: Batch, scene: Scene) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Leave the gradients of a batch with the parameters; return losses and objects of its parts."""
        losses, drawn = [], []
        for part in batch.parts(self.n_parts):
            patches, predicted = self.as_trained(part, scene)
            loss = self.loss(predicted, part, batch, scene)
            with torch.no_grad():
                drawn.append(self.network.object_of(patches.detach()))
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        return losses, drawn

    def predict(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the object and the predicted amplitude of a batch of the first scan, without gradients."""
        self.network.eval()
        with torch.inference_mode():
            patches, predicted = self._predict(batch, self.scene)
            return self.network.object_of(patches), self.profile.predicted_amplitude(predicted)

    def match(self, scans: Sequence[GroupBatches]) -> None:
        """Bring a fresh network to the data: what it reads, and the level that it starts at.

        Parameters
        ----------
        scans
            Patterns of each scan of the training, the one that gives the network its scale first.
        """
        if self.plan.model.input_transform in TRANSFORMS_WITH_STATE:
            light = light_on_object(self.scene.probe, self.plan.model)
            self.network.autoencoder.set_standard(*_standard(scans), light)
        self._match_level(scans[0])

    def _match_level(self, batches: GroupBatches) -> None:
        """Set the factors of real and imaginary part so that the start predicts the total of the counts.

        Both are the root of measured over predicted total, of groups that are spread evenly over the training. Nothing
        is done to a network that predicts amplitudes: it starts at their level.
        """
        if self.scene.statistics is None:
            return
        self.network.eval()
        measured, predicted = 0.0, 0.0
        with torch.inference_mode():
            for groups in batches.slices(batches.spread(_LEVEL_GROUPS)):
                batch = batches.batch(groups)
                compared = self.profile.predicted_amplitude(self.as_trained(batch, self.scene)[1])
                shown = self.profile.measured_amplitude(batch.images)
                sums = measured_numbers(shown.double().square().sum(), compared.double().square().sum())
                measured, predicted = measured + sums[0], predicted + sums[1]
        with torch.no_grad():
            for scale in self.network.scales:
                scale.mul_((measured / predicted) ** 0.5 if measured > 0 and predicted > 0 else 1.0)

    def inspect(self, batch: Batch, scene: Scene) -> Drawn:
        """Return what the network draws of a batch, and what a training predicts from it in this scene."""
        heads: list[tuple[torch.Tensor, torch.Tensor]] = []
        hook = self.network.autoencoder.register_forward_hook(lambda _, __, output: heads.append(output))
        self.network.eval()
        try:
            with torch.inference_mode():
                patches, compared = self.as_trained(batch, scene)
                predicted = self.profile.predicted_amplitude(compared)
                object_ = self.network.object_of(patches)
        finally:
            hook.remove()
        if self.plan.model.output != "amp_phase":
            return Drawn(object_, predicted, object_.abs(), object_.angle())
        amplitude, phase = (one.float().reshape(patches.shape) for one in heads[0])
        return Drawn(object_, predicted, amplitude, phase)

    def validation_loss(self, batch: Batch, scene: Scene) -> torch.Tensor:
        """Return the loss of a batch of another scan in its scene, a scalar on the device."""
        self.network.eval()
        with torch.inference_mode():
            parts = batch.parts(self.n_parts)
            return _sum([self._share(self._predict(part, scene)[1], part, batch, scene) for part in parts])

    def start_anew(self, seed: int, scans: Sequence[GroupBatches]) -> None:
        """Draw another start, bring it to the data as :meth:`match` does, and forget the moments."""
        self.network.load_state_dict(fresh_network(self.plan, seed).state_dict())
        self.ranks.same_weights(self.network)
        self.forget_moments()
        self.match(scans)

    def forget_moments(self) -> None:
        """Leave the weights, and forget what the optimiser and the clip have seen of earlier gradients."""
        self.optimiser.state.clear()
        self.clip = GradientClip(self.plan.clip_factor, self.device)

    def snapshot(self) -> TrainerState:
        """Copy weights, moments and the norms of the clip."""
        network = {name: one.detach().clone() for name, one in self.network.state_dict().items()}
        optimiser = {
            name: {key: value.detach().clone() for key, value in self.optimiser.state.get(parameter, {}).items()}
            for name, parameter in self._named_parameters()
        }
        return TrainerState(network, optimiser, self.clip.state())

    def go_back(self, state: TrainerState) -> None:
        """Put everything where a snapshot has it."""
        with torch.no_grad():
            for name, one in self.network.state_dict().items():
                one.copy_(state.network[name])
        self.optimiser.state.clear()
        for name, parameter in self._named_parameters():
            if state.optimiser[name]:
                self.optimiser.state[parameter] = {key: one.clone() for key, one in state.optimiser[name].items()}
        self.clip.restore(*state.clip)

    def weight_change(self, since: TrainerState) -> float:
        """Return the norm of what the weights changed by since a snapshot, over their norm then."""
        with torch.no_grad():
            then = [since.network[name] for name, _ in self._named_parameters()]
            change = [one - before for (_, one), before in zip(self._named_parameters(), then, strict=True)]
            moved, norm = measured_numbers(*(torch.nn.utils.get_total_norm(part) for part in (change, then)))
        return moved / norm if norm > 0 else float("inf")

    def optimiser_state(self) -> dict[str, NDArray[Any]]:
        """Return the moments of Adam and the norms of the clip by name, host arrays."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, parameter in self._named_parameters():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                arrays[f"{name}/{key}"] = value.detach().cpu().contiguous().numpy().copy()
        norms, count = self.clip.state()
        return arrays | {"clip/norms": norms, "clip/count": np.array(count, np.int64)}

    def restore_optimiser(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Continue with the moments of a checkpoint."""
        self.optimiser.state.clear()
        for name, parameter in self._named_parameters():
            found = {key.rsplit("/", 1)[1]: value for key, value in arrays.items() if key.rsplit("/", 1)[0] == name}
            if not found:
                continue
            state: dict[str, torch.Tensor] = {}
            for key, value in found.items():
                tensor = torch.tensor(value)
                # Adam keeps its step counter on the device when it is fused, on the host otherwise.
                scalar = tensor.to(self.device) if self.fused else tensor
                state[key] = torch.empty_like(parameter).copy_(tensor) if tensor.ndim else scalar
            self.optimiser.state[parameter] = state
        self.clip.restore(arrays["clip/norms"], int(arrays["clip/count"]))

    def loss(self, predicted: torch.Tensor, part: Batch, batch: Batch, scene: Scene) -> torch.Tensor:
        """Return the share of a part in the loss of its batch, with the weight of its scan."""
        loss = self._share(predicted, part, batch, scene)
        return loss if scene.loss_weight == 1.0 else loss * scene.loss_weight

    def _share(self, predicted: torch.Tensor, part: Batch, batch: Batch, scene: Scene) -> torch.Tensor:
        """Return the share of a part in the loss of its batch: the shares of all parts add up to it."""
        loss = self.profile.loss(predicted, part.images, scene.intensity_scale)
        if part is batch:
            return loss
        share = len(part.groups) / len(batch.groups)
        return loss * (share * self.profile.divisor(part.images) / self.profile.divisor(batch.images))

    def _named_parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(name, one) for name, one in self.network.named_parameters() if one.requires_grad]

    def as_trained(self, batch: Batch, scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
        """Return patches, and what is predicted of the object that they are merged into if the recipe says so."""
        if not self.plan.shared_object:
            return self._predict(batch, scene)
        patches = self.draw(batch, scene)
        return patches, self.predict_merged(patches, batch, scene)

    def predict_merged(self, patches: torch.Tensor, batch: Batch, scene: Scene) -> torch.Tensor:
        """Return what is predicted of the one object that all patches of a batch are merged into."""
        seen = see_shared_object(patches, batch.positions, scene.probe, self.plan.own_weight)
        # Merged already: the forward model must not merge the groups once more.
        model = replace(self.plan.model, object_big=False)
        return self.profile.predict(self.network, seen, batch.local_offsets, scene.probe, model)

    def _predict(self, batch: Batch, scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
        patches = self.draw(batch, scene)
        return patches, self.profile.predict(self.network, patches, batch.local_offsets, scene.probe, self.plan.model)

    def draw(self, batch: Batch, scene: Scene) -> torch.Tensor:
        """Return (B, C, N, N) the patches of a batch, with gradients."""
        # What is compiled computes with gradients; whatever only looks is drawn by the network as it stands.
        trains = torch.is_grad_enabled()
        network = self.compiled if self.compiled is not None and trains else self.network
        halved = trains and self.ranks.alone and self.compiled is None and self.precision == "32"
        with arithmetic(self.device, self.precision):
            shares = drawn_at_once(batch.images, self.plan) if halved else [batch.images]
            drawn: list[torch.Tensor] = [network(images) for images in shares]
        patches = drawn[0] if len(drawn) == 1 else torch.cat(drawn)
        return patches if scene.amplitude_factor == 1.0 else patches * scene.amplitude_factor


def fresh_network(plan: Plan, seed: int) -> PatchNetwork:
    """Build the network of a recipe at its start; the generators of the program are left as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = build_network(plan.model)
        if plan.start_amplitude is not None:
            initialise_transparent(network, plan.model, plan.start_amplitude)
    return network


def _standard(scans: Sequence[GroupBatches]) -> tuple[torch.Tensor, float]:
    """Return the (N, N) mean pattern of scans, and the root mean square of what patterns differ from it by."""
    count, squares = 0, 0.0
    total = torch.zeros((), dtype=torch.float64)
    for batches in scans:
        for groups in batches.slices(batches.spread(_STANDARD_GROUPS)):
            images = batches.batch(groups).images.flatten(0, 1)
            count += len(images)
            # On the host, since not every device knows float64.
            total = total + images.sum(0).cpu().double()
            squares += float(images.square().sum().cpu().double())
    mean = total / count
    variance = squares / (count * mean.numel()) - float(mean.square().mean())
    return mean.float(), math.sqrt(variance) if variance > _LEAST_VARIANCE else 1.0


def _sum(scalars: list[torch.Tensor]) -> torch.Tensor:
    return scalars[0] if len(scalars) == 1 else torch.stack(scalars).sum()


def measured_numbers(*scalars: torch.Tensor) -> list[float]:
    """Read several scalars from the device at once."""
    # The GPUs of Apple know no 64 bits.
    kind = torch.float32 if scalars[0].device.type == "mps" else torch.float64
    return [float(value) for value in torch.stack([one.to(kind) for one in scalars]).tolist()]


def mean_loss(losses: list[torch.Tensor], sizes: list[int]) -> float:
    """Return the mean loss of batches, each weighted by its number of groups."""
    values = np.asarray(torch.stack(losses).cpu(), np.float64)
    return float(np.average(values, weights=sizes))
