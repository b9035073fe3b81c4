"""Training recipes: which network, how it starts, how its learning rate runs, what is clipped.

``reliable``
    The default. A network that draws the whole patch at full resolution from what a pattern differs by from the mean
    one, a start that draws the empty object, one object for all patches of a batch, one cycle of the learning rate.
``compatible``
    PtychoPINN's own network, so that the bundle opens there, trained in the same way.
``upstream``
    PtychoPINN's own network trained as PtychoPINN does: for comparison.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ptycho_engine.arrays import ComplexArray
from ptycho_engine.config import SUPPORTED_SIDES, TRANSFORMS_WITH_STATE, ModelConfig, TrainConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.models.architectures import ARCHITECTURES
from ptycho_engine.physics.scaling import probe_energy

_HIGHEST_RATE = 6e-3
COUNT_START = 0.6
"""Real part at which a network of real and imaginary part starts. Of its reach, -0.8 to 1.2 and +-1.2, the factors of
both parts then make -1.3 to 2 and +-2 of a transparent object: room for every phase, and more."""
_USUAL_BATCH = 16
_REHEARSAL_STEPS = 400
_OWN_WEIGHT = 1e-2
"""Enough where no other patch lies, next to nothing where others do."""

Schedule = Callable[[float], float]
"""From the part of the training that is done (0 to 1) to the learning rate, as a part of its peak."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe made concrete for one scan."""

    model: ModelConfig
    start_amplitude: float | None
    """Mean network amplitude at which the network starts, with phase 0; ``None`` keeps torch's random start."""
    learning_rate: float
    """Peak of the schedule."""
    batch_size: int
    """Groups in one optimiser step."""
    schedule: Schedule
    clip_factor: float | None
    """Greatest gradient norm in running medians; ``None`` clips nothing."""
    shared_object: bool = False
    """Whether patterns are predicted from one object into which all patches of a batch are merged."""
    own_weight: float = 1.0
    """What a patch counts in that object at its own position, in parts of what others count."""
    rehearsal_steps: int = 0
    """Optimiser steps on patterns of made-up objects before the first measured one, where noise hides the object."""


def plan_training(config: TrainConfig, n: int, probe: ComplexArray) -> Plan:
    """Return what ``config.recipe`` means for patterns of side ``n`` and this probe.

    Parameters
    ----------
    config
        The training.
    n
        Side N of a pattern [px].
    probe
        (n_modes, N, N) the scan's probe.

    Raises
    ------
    ConfigError
        If there is no network for this side, or no such recipe.
    """
    recipes: dict[str, Callable[[ModelConfig, ComplexArray], Plan]] = {
        "reliable": lambda base, light: _reliable(base, light, config.batch_size),
        "compatible": lambda base, light: _compatible(base, light, config.batch_size),
        "upstream": lambda base, _: _upstream(base, config.batch_size),
    }
    if config.recipe not in recipes:
        raise ConfigError(f"there is no recipe {config.recipe!r}", f"It must be one of {', '.join(recipes)}.")
    if n not in SUPPORTED_SIDES:
        sides = ", ".join(map(str, SUPPORTED_SIDES))
        raise ConfigError(
            f"there is no network for patterns of {n} × {n} px",
            f"Crop, pad or bin the patterns to one of {sides} px a side.",
        )
    base = ModelConfig(n=n, gridsize=config.gridsize)
    if config.profile == "count-intensity":
        base = replace(base, output="real_imag", forward_model="counts")
    plan = recipes[config.recipe](base, probe)
    if config.architecture is not None and config.architecture != plan.model.architecture:
        plan = replace(plan, model=_chosen(config.architecture, base, plan.model), rehearsal_steps=0)
    if config.n_filters_scale is not None:
        _require_ladder(plan.model.architecture)
        plan = replace(plan, model=replace(plan.model, n_filters_scale=config.n_filters_scale))
    return plan if config.learning_rate is None else replace(plan, learning_rate=config.learning_rate)


def _chosen(name: str, base: ModelConfig, recipe: ModelConfig) -> ModelConfig:
    """Return the network of another architecture than the recipe's own."""
    if name not in ARCHITECTURES.names():
        return replace(base, architecture=name)  # Refused when it is built, with the names there are.
    architecture = ARCHITECTURES.get(name)
    # PtychoPINN's generators take the input and the groups that the recipe prefers; its CNN takes only its own.
    model = base if architecture.has_ladder else recipe
    if model.input_transform in TRANSFORMS_WITH_STATE:
        model = replace(model, input_transform="log1p")  # A generator keeps no mean pattern.
    return replace(model, architecture=name, output=architecture.outputs[0])


def _require_ladder(name: str) -> None:
    if name in ARCHITECTURES.names() and not ARCHITECTURES.get(name).has_ladder:
        raise ConfigError(f"the network {name!r} has no ladder of filters to scale", "Leave n_filters_scale empty.")


def transparent_amplitude(probe: ComplexArray, probe_scale: float) -> float:
    """Return the network amplitude of an empty object whose predicted patterns have the energy of the measured ones.

    Normalised patterns have the mean energy (N/2)², and the pattern of a constant object of network amplitude a has
    a² sum|P|²/probe_scale². For a probe of the right strength and a transparent object this is probe_scale x k; for an
    absorbing object, or a probe in other units, the start is still at the level of the data.
    """
    energy = probe_energy(probe)
    return probe_scale * (probe.shape[-1] / 2) / math.sqrt(energy) if energy > 0 else 1.0


def constant(_: float) -> float:
    """Keep the learning rate at its peak."""
    return 1.0


def warm_up_then_cosine(warm_up: float, floor: float) -> Schedule:
    """Rise from a tenth of the peak, then fall along a half cosine.

    Parameters
    ----------
    warm_up
        Part of the training in which the rate rises.
    floor
        Part of the peak at the end.
    """

    def schedule(done: float) -> float:
        if done < warm_up:
            return 0.1 + 0.9 * done / warm_up
        fall = (done - warm_up) / (1.0 - warm_up)
        return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * min(fall, 1.0)))

    return schedule


def _upstream(base: ModelConfig, batch_size: int | None) -> Plan:
    """Plan as PtychoPINN: random start, steps of 16 groups, constant Adam at 1e-3, nothing clipped."""
    return Plan(base, None, 1e-3, batch_size or _USUAL_BATCH, constant, None)


def _compatible(base: ModelConfig, probe: ComplexArray, batch_size: int | None) -> Plan:
    """Plan PtychoPINN's network, trained as ``reliable`` trains its own.

    The random start of this network lies near amplitude zero, where half of the seeds slide into the minimum of the
    amplitude's activation and stay: so it starts as the empty object. Patterns are predicted from one object that all
    patches of a batch share, in steps of 16 patterns and one cycle of the rate; PtychoPINN reads the weights all the
    same. Trained on single patches at 1e-3, three of ten seeds lacked a tenth of the phase after 400 steps. With half
    of PtychoPINN's filters, which its bundles allow, a step takes a third of the time. Its first kernels start nearly
    blind to even light, which is most of a pattern; and where noise hides the object it rehearses, since it must learn
    the way from detector to specimen that the network of ``reliable`` is given.
    """
    model = replace(base, n_filters_scale=1)
    # Counts are not rehearsed: what is made up are amplitudes.
    steps = 0 if base.forward_model == "counts" else _REHEARSAL_STEPS
    return replace(_one_cycle(base, model, probe, batch_size), rehearsal_steps=steps)


def _reliable(base: ModelConfig, probe: ComplexArray, batch_size: int | None) -> Plan:
    """Plan the network that draws the whole patch, bound to one object, in one cycle.

    The network reads what a pattern differs by from the mean pattern of the training, in standard deviations: most of a
    pattern is the light of the probe, which is the same in all of them and tells nothing of the object. Beside it
    stands what it propagates back to, so that the network need not learn the Fourier transform: simulated weak objects
    that it hardly learned from patterns alone were learned from 1e3 photons a pattern.

    The peak of the rate is reached after a rise of a fifth of the steps and left along a cosine down to a hundredth:
    one cycle, in which the rate is high while the coarse shape forms and low while detail does. A step takes 16
    patterns, at every gridsize: of the same patterns, many small steps made a better network than few large ones. The
    peak is 2e-3 there (1e-3 at N = 128, 5e-4 at 256), and grows with the root of the patterns in a step, as the noise
    of a mean falls. Attention gates are left out, and half the filters of PtychoPINN's network are enough: both cost
    time in each step, and a real scan was reconstructed as well without them.

    The network reads one pattern at a time whatever the gridsize. What ties patterns together is the object that all
    patches of a batch are merged into: each pattern is predicted from what the others say of its place, so a patch must
    agree with its neighbours, and noise that only its own pattern has seen cannot be fitted.

    For counts the network must draw real and imaginary part, so it is PtychoPINN's own, trained in the same way.
    """
    model = replace(base, object_big=False, n_filters_scale=1)
    if base.forward_model == "counts":
        return _one_cycle(base, model, probe, batch_size)
    model = replace(model, architecture="full_patch_cnn", cbam_encoder=False, input_transform="backpropagated")
    return replace(_one_cycle(base, model, probe, batch_size), own_weight=_OWN_WEIGHT)


def _one_cycle(base: ModelConfig, model: ModelConfig, probe: ComplexArray, batch_size: int | None) -> Plan:
    """Plan a network that starts as the empty object, is bound to one object, and is trained in one cycle.

    Gradients above four medians come from single batches and would undo many steps. The networks of larger patches have
    wider layers, whose output changes more in a step of Adam: at N = 256 a peak of 2e-3 drove the phase to its end in
    35 steps, 1e-3 and 5e-4 did not.
    """
    amplitude = _start_amplitude(base, probe)
    batch_size = batch_size or max(1, round(_USUAL_BATCH / base.channels))
    peak = min(2e-3 * math.sqrt(batch_size * base.channels / _USUAL_BATCH), _HIGHEST_RATE) * min(1.0, 64 / base.n)
    return Plan(model, amplitude, peak, batch_size, warm_up_then_cosine(0.2, 0.01), 4.0, shared_object=True)


def _start_amplitude(base: ModelConfig, probe: ComplexArray) -> float:
    """Return the network amplitude of the empty object that a training starts with."""
    if base.forward_model == "counts":
        # The level is that of the factors, which are taken from the data.
        return COUNT_START
    return transparent_amplitude(probe, base.probe_scale)
