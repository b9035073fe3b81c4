"""The settings of grouping, network, training and inference, each with help, unit, bounds and default.

The command line and the form in the window are both made from these dataclasses: a setting is described once, here.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Literal, Self

from ptycho_engine.errors import ConfigError

SUPPORTED_SIDES = (64, 128, 256)
"""The patch sides N, in pixels, for which the networks have a ladder of filters."""

Accelerator = Literal["auto", "cpu", "gpu"]
Recipe = Literal["reliable", "compatible", "upstream"]


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting presents itself to a person."""

    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False
    """Shown only when the person asks for all settings."""


def option(
    default: Any,
    help: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    advanced: bool = False,
) -> Any:
    """Declare a dataclass field that carries an :class:`Option`."""
    return field(default=default, metadata={"option": Option(help, unit, minimum, maximum, choices, advanced)})


class Config:
    """What all settings share: checks, and plain dictionaries in both directions."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for spec in fields(self):  # type: ignore[arg-type]
            _check(spec, getattr(self, spec.name))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, fit for JSON."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values; an unknown name is an error that lists the known ones."""
        known = options_of(cls)
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(
                f"unknown setting {', '.join(unknown)} for {cls.__name__}", f"Known are: {', '.join(known)}."
            )
        return cls(**values)


def options_of(config: type[Config]) -> dict[str, tuple[Option, Any, str]]:
    """Return, for each field of a configuration, its option, its default and its type as written.

    The default is ``dataclasses.MISSING`` where the field must be given.
    """
    result: dict[str, tuple[Option, Any, str]] = {}
    for spec in fields(config):  # type: ignore[arg-type]
        entry = spec.metadata.get("option", Option(""))
        kind = spec.type if isinstance(spec.type, str) else getattr(spec.type, "__name__", str(spec.type))
        default = spec.default if spec.default is not MISSING else MISSING
        result[spec.name] = (entry, default, kind)
    return result


_KINDS: dict[str, tuple[type, str]] = {
    "bool": (bool, "true or false"),
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "str": (str, "a text"),
}


def _check_kind(spec: "Field[Any]", value: Any) -> None:
    kind = spec.type if isinstance(spec.type, str) else getattr(spec.type, "__name__", str(spec.type))
    names = [name.strip() for name in kind.split("|")]
    if value is None and "None" in names:
        return
    wanted = [_KINDS[name] for name in names if name in _KINDS]
    fits = any(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) for kind, _ in wanted)
    if wanted and not fits:
        raise ConfigError(f"{spec.name} is {value!r}", f"It must be {wanted[0][1]}.")


def _check(spec: "Field[Any]", value: Any) -> None:
    entry: Option | None = spec.metadata.get("option")
    if entry is None:
        return
    _check_kind(spec, value)
    if value is None:
        return
    if entry.choices and str(value) not in entry.choices:
        raise ConfigError(f"{spec.name} is {value!r}", f"It must be one of {', '.join(entry.choices)}.")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return
    if value != value:
        raise ConfigError(f"{spec.name} is not a number", "Give a finite value.")
    low, high = entry.minimum, entry.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"from {low:g}" if high is None else f"up to {high:g}" if low is None else f"from {low:g} to {high:g}"
        raise ConfigError(f"{spec.name} is {value!r}", f"It must be {bounds}{' ' + entry.unit if entry.unit else ''}.")


@dataclass(frozen=True, slots=True)
class GroupingConfig(Config):
    """How neighbouring scan positions are grouped into the channels of the network."""

    gridsize: int = option(
        2,
        "Side of the square of neighbouring patterns solved together; a group has gridsize² members",
        minimum=1,
        maximum=8,
    )
    n_groups: int | None = option(
        512, "Number of groups drawn from the scan; empty takes one group for each position", unit="groups", minimum=1
    )
    neighbor_count: int = option(
        6,
        "Nearest neighbours from which the members of a group are drawn",
        unit="positions",
        minimum=1,
        maximum=200,
        advanced=True,
    )
    seed: int | None = option(42, "Seed of the draw; empty draws anew each time", minimum=0, maximum=2**32 - 1)
    sequential: bool = option(False, "Take the first positions in file order instead of a random draw", advanced=True)

    @property
    def channels(self) -> int:
        """The number C = gridsize² of patterns in a group."""
        return self.gridsize**2


@dataclass(frozen=True, slots=True)
class ModelConfig(Config):
    """The network: what decides the names and shapes of its tensors and how its outputs are read."""

    n: int = option(64, "Side N of a diffraction pattern and of a patch", unit="px", choices=("64", "128", "256"))
    gridsize: int = option(2, "Side of the square of neighbouring patterns solved together", minimum=1, maximum=8)
    architecture: str = option("cnn", "Network architecture, a name in the registry of models")
    n_filters_scale: int = option(2, "Multiplies the number of filters of every layer", minimum=1, maximum=8)
    amp_activation: str = option(
        "swish", "Activation of the amplitude head", choices=("swish", "silu", "sigmoid"), advanced=True
    )
    object_big: bool = option(
        True,
        "Solve the members of a group together on one merged region; off treats each pattern alone",
        advanced=True,
    )
    probe_big: bool = option(True, "Draw the border of the patch as well as its centre", advanced=True)
    probe_scale: float = option(4.0, "The probe is divided by this in the forward model", minimum=1e-6, advanced=True)
    max_neighbor_distance: float = option(3.0, "Room left around a merged group", unit="px", minimum=0.0, advanced=True)
    merge_weights: str = option(
        "central",
        "What the members of a group are weighted by where they are merged: the central half of the patch, or |probe|²",
        choices=("central", "probe"),
        advanced=True,
    )
    cbam_encoder: bool = option(True, "Attention after each encoder block", advanced=True)
    batch_norm: bool = option(False, "Batch normalisation in encoder and phase decoder", advanced=True)
    probe_mask: bool = option(False, "Multiply the exit wave by a soft disk of diameter N/2", advanced=True)
    input_transform: str = option(
        "none",
        "What is done to the normalised input before the first layer",
        choices=("none", "log1p"),
        advanced=True,
    )

    @property
    def channels(self) -> int:
        """The number C = gridsize² of patterns in a group."""
        return self.gridsize**2


@dataclass(frozen=True, slots=True)
class TrainConfig(Config):
    """One training, complete: with the same dataset, device and seed it gives the same network."""

    gridsize: int = option(
        2,
        "Side of the square of neighbouring patterns solved together; a group has gridsize² members",
        minimum=1,
        maximum=8,
    )
    n_groups: int = option(512, "Groups drawn from the training scan", unit="groups", minimum=1)
    neighbor_count: int = option(
        6,
        "Nearest neighbours from which the members of a group are drawn",
        unit="positions",
        minimum=1,
        maximum=200,
        advanced=True,
    )
    batch_size: int | None = option(
        None,
        "Groups in one optimiser step; empty takes the recipe's own",
        unit="groups",
        minimum=1,
        maximum=65536,
    )
    epochs: int = option(50, "Passes over the training groups", minimum=1, maximum=1_000_000)
    learning_rate: float | None = option(
        None, "Highest learning rate of the schedule; empty takes the recipe's own", minimum=0.0, maximum=10.0
    )
    loss: str = option(
        "poisson", "What is minimised: Poisson likelihood, or mean absolute error", choices=("poisson", "mae")
    )
    n_photons: float | None = option(
        None,
        "Photons in an average pattern; empty takes the dataset's own",
        unit="photons",
        minimum=1.0,
        maximum=1e15,
    )
    recipe: str = option(
        "reliable",
        "How the network starts and how its learning rate runs",
        choices=("reliable", "compatible", "upstream"),
    )
    n_filters_scale: int | None = option(
        None,
        "Multiplies the number of filters of every layer; empty takes the recipe's own",
        minimum=1,
        maximum=8,
        advanced=True,
    )
    seed: int = option(42, "Seed of grouping, start and order of the batches", minimum=0, maximum=2**32 - 1)
    accelerator: str = option("auto", "Where to compute", choices=("auto", "cpu", "gpu"))
    precision: str = option(
        "32",
        "Arithmetic of the network: 32-bit, or bf16 (faster where the device has it, less exact)",
        choices=("32", "bf16"),
        advanced=True,
    )
    deterministic: bool = option(True, "Only use operations that repeat bit for bit", advanced=True)
    early_stop_patience: int | None = option(
        None,
        "Stop after this many epochs without a better validation loss; empty never stops early",
        unit="epochs",
        minimum=1,
    )
    checkpoint_every: int = option(1, "Epochs between two checkpoints", unit="epochs", minimum=1, advanced=True)
    preview_interval_s: float = option(
        1.0, "Shortest time between two previews of patches", unit="s", minimum=0.0, maximum=3600.0, advanced=True
    )
    preview_count: int = option(36, "Patches in a preview", unit="patches", minimum=1, maximum=256, advanced=True)
    log_every: int = option(1, "Steps between two readings of the loss", unit="steps", minimum=1, advanced=True)
    log_patch_stats: bool = option(False, "Write the statistics of predicted patches", advanced=True)
    patch_stats_limit: int | None = option(
        None, "Batches whose patch statistics are written; empty writes all", unit="batches", minimum=0, advanced=True
    )
    architecture: str | None = option(
        None, "Network architecture, a name in the registry of models; empty takes the recipe's own", advanced=True
    )

    remedy: bool = option(
        True,
        "Start a collapsed training anew, and go back to half the rate after a divergence; never done by upstream",
        advanced=True,
    )

    def grouping(self) -> GroupingConfig:
        """Return the settings with which the training groups are drawn."""
        return GroupingConfig(self.gridsize, self.n_groups, self.neighbor_count, self.seed)


@dataclass(frozen=True, slots=True)
class InferConfig(Config):
    """One inference: which groups, which weights in the stitch, which device."""

    n_groups: int | None = option(None, "Groups to infer; empty covers every scan position", unit="groups", minimum=1)
    batch_size: int = option(64, "Groups in one forward pass", unit="groups", minimum=1, maximum=65536)
    neighbor_count: int = option(
        6,
        "Nearest neighbours from which the members of a group are drawn",
        unit="positions",
        minimum=1,
        maximum=200,
        advanced=True,
    )
    weights: str = option("central", "How overlapping patches are weighted", choices=("central", "probe", "uniform"))
    crop: int | None = option(
        None, "Side of the central square of each patch that is stitched; empty takes N/2", unit="px", minimum=2
    )
    align_phases: bool = option(
        True,
        "Bring the constant phases of overlapping patches into line before the canvas is complete; patterns do not "
        "decide them",
        advanced=True,
    )
    compatibility: str = option(
        "none",
        "Reproduce the numbers of an older PtychoPINN release",
        choices=("none", "2025-11", "2026-07", "2026-07-barycentric"),
        advanced=True,
    )
    refine: int = option(
        0,
        "Passes over the scan that refine the stitched object against the data",
        unit="passes",
        minimum=0,
        maximum=10_000,
        advanced=True,
    )
    refine_probe: bool = option(False, "Refine the probe too, at constant total light", advanced=True)
    accelerator: str = option("auto", "Where to compute", choices=("auto", "cpu", "gpu"))
    seed: int = option(42, "Seed of the draw of group members", minimum=0, maximum=2**32 - 1)
    log_patch_stats: bool = option(False, "Write the statistics of predicted patches", advanced=True)
    patch_stats_limit: int | None = option(
        None, "Batches whose patch statistics are written; empty writes all", unit="batches", minimum=0, advanced=True
    )
    preview_interval_s: float = option(
        0.2,
        "Shortest time between two updates of canvas and patches",
        unit="s",
        minimum=0.0,
        maximum=3600.0,
        advanced=True,
    )
    preview_count: int = option(36, "Patches in a preview", unit="patches", minimum=1, maximum=256, advanced=True)
    deterministic: bool = option(True, "Only use operations that repeat bit for bit", advanced=True)
