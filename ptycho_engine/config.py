"""The settings of grouping, network, training and inference, each with help, unit, bounds and default.

The command line and the form in the window are both made from these dataclasses: a setting is described once, here.
"""

from dataclasses import dataclass
from typing import Literal

from ptycho_engine.errors import ConfigError
from ptycho_engine.options import Config, Option, option, options_of

__all__ = [
    "SUPPORTED_SIDES",
    "Accelerator",
    "Config",
    "GroupingConfig",
    "InferConfig",
    "ModelConfig",
    "Option",
    "Recipe",
    "TrainConfig",
    "option",
    "options_of",
]

SUPPORTED_SIDES = (64, 128, 256)
"""The patch sides N, in pixels, for which the networks have a ladder of filters."""
TRANSFORMS_WITH_STATE = ("standardised", "backpropagated")
"""Values of ``ModelConfig.input_transform`` for which the network keeps something of the scan it was trained on."""

_DRAW_AMPLITUDE_AND_PHASE = ("full_patch_cnn",)
"""Architectures without heads for real and imaginary part."""

Accelerator = Literal["auto", "cpu", "gpu"]
Recipe = Literal["reliable", "compatible", "upstream"]


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
        "What the members of a group are weighted by where they are merged: the central half of the patch, |probe|², "
        "or nothing, by the rule of 2025-11",
        choices=("central", "probe", "2025-11"),
        advanced=True,
    )
    release: str = option(
        "2026-07",
        "The PtychoPINN release whose layers and rules the network cnn follows",
        choices=("2025-11", "2026-02", "2026-06", "2026-07"),
        advanced=True,
    )
    cbam_encoder: bool = option(True, "Attention after each encoder block", advanced=True)
    eca_encoder: bool = option(False, "Keep the tensors of an encoder attention that is never applied", advanced=True)
    cbam_bottleneck: bool = option(False, "Attention between encoder and decoders", advanced=True)
    decoder_attention: str = option(
        "none",
        "Attention after each decoder block; only release 2026-06 applies it, the others keep its tensors",
        choices=("none", "cbam", "eca", "spatial"),
        advanced=True,
    )
    spatial_kernel: int = option(
        7, "Side of the kernel of the decoders' spatial attention", unit="px", minimum=1, maximum=63, advanced=True
    )
    shared_decoder: bool = option(False, "One decoder for both quantities instead of one for each", advanced=True)
    amplitude_outputs: int | None = option(
        None, "Amplitudes drawn for a group; empty draws one for each pattern", minimum=1, maximum=64, advanced=True
    )
    border_channels: int | None = option(
        None,
        "Features that draw the border of the patch; empty takes as many as there are outputs",
        minimum=1,
        maximum=4096,
        advanced=True,
    )
    supervised: bool = option(False, "Trained on known patches: without a forward model", advanced=True)
    n_datasets: int = option(
        1, "Datasets for which the forward model keeps constants", minimum=1, maximum=100_000, advanced=True
    )
    batch_norm: bool = option(False, "Batch normalisation in encoder and phase decoder", advanced=True)
    probe_mask: bool = option(False, "Multiply the exit wave by a soft disk of diameter N/2", advanced=True)
    output: str = option(
        "amp_phase",
        "What the two heads draw: amplitude and phase, or real and imaginary part",
        choices=("amp_phase", "real_imag", "amp_phase_logits"),
        advanced=True,
    )
    forward_model: str = option(
        "amplitude",
        "What is predicted: amplitudes, of modes that add coherently; or intensities, of modes that add incoherently, "
        "with a factor for each part of the object: of normalised patterns (rectangular), or of counts",
        choices=("amplitude", "rectangular", "counts"),
        advanced=True,
    )
    input_transform: str = option(
        "none",
        "What is done to the normalised input before the first layer; standardised: the mean pattern of the training "
        "is taken off, and what is left is divided by its standard deviation; backpropagated: the same, and beside it "
        "what it propagates back to at the specimen, under the probe of the training",
        choices=("none", "log1p", "sqrt", "instancenorm", *TRANSFORMS_WITH_STATE),
        advanced=True,
    )
    fno_modes: int = option(
        12, "Frequencies that a spectral layer keeps along each axis", minimum=1, maximum=129, advanced=True
    )
    fno_width: int = option(32, "Channels of a Fourier neural operator", minimum=1, maximum=1024, advanced=True)
    fno_blocks: int = option(4, "Spectral blocks of a Fourier neural operator", minimum=1, maximum=64, advanced=True)
    fno_cnn_blocks: int = option(
        2, "Convolutional blocks after the spectral ones (fno, ffno)", minimum=0, maximum=64, advanced=True
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
    profile: str = option(
        "amplitude",
        "What the network reads and predicts: normalised amplitudes, which need no absolute scale; or count-intensity, "
        "the counts of the detector, with modes of the probe that add incoherently and a real and an imaginary part "
        "that are scaled apart. Amplitudes are turned into counts where the number of photons is known",
        choices=("amplitude", "count-intensity"),
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
    compiled: bool = option(
        False,
        "The network is compiled first, which takes about a minute and may make steps faster; a CPU gains little, and "
        "needs a C++ compiler",
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

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if self.profile != "count-intensity":
            return
        if self.loss != "poisson":
            raise ConfigError(
                f"the loss {self.loss} does not fit the profile count-intensity", "Counts are judged by poisson."
            )
        if self.architecture in _DRAW_AMPLITUDE_AND_PHASE:
            raise ConfigError(
                f"the network {self.architecture} does not fit the profile count-intensity: it draws amplitude and "
                "phase",
                "Choose one that draws real and imaginary part, as cnn.",
            )

    def grouping(self) -> GroupingConfig:
        """Return the settings with which the training groups are drawn."""
        return GroupingConfig(self.gridsize, self.n_groups, self.neighbor_count, self.seed)


@dataclass(frozen=True, slots=True)
class InferConfig(Config):
    """One inference: which groups, which weights in the stitch, which device."""

    n_groups: int | None = option(None, "Groups to infer; empty covers every scan position", unit="groups", minimum=1)
    batch_size: int | None = option(
        None,
        "Groups in one forward pass; empty finds it: on a CPU 16, on a GPU as many as its free memory has room for, up "
        "to 512",
        unit="groups",
        minimum=1,
        maximum=65536,
    )
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
    varpro: bool = option(
        False,
        "Solve for the factors of the real and the imaginary part of all patches that explain the measured intensities "
        "best, before the canvas is complete",
        advanced=True,
    )
    fit_ramp: bool = option(
        True,
        "Turn the complete canvas by the phase ramp that the measured patterns ask for: patches do not carry it",
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
    precision: str = option(
        "32",
        "Arithmetic of the network: 32-bit, or bf16 (faster where the device has it, less exact)",
        choices=("32", "bf16"),
        advanced=True,
    )
    compiled: bool = option(
        False,
        "The network is compiled first, which takes about a minute and may make batches faster; a CPU gains little, "
        "and needs a C++ compiler",
        advanced=True,
    )
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
