"""The registry of network architectures; torch is imported when a network is built, not when its name is asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ptycho_engine.config import ModelConfig
from ptycho_engine.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from ptycho_engine.models.network import PatchModule


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network architecture."""

    title: str
    description: str
    build: "Callable[[ModelConfig], PatchModule]"
    upstream: bool = False
    """Whether a bundle of it opens in PtychoPINN."""
    outputs: tuple[str, ...] = ("amp_phase",)
    """What it can draw, as ``ModelConfig.output``; a new network draws the first."""
    has_ladder: bool = True
    """Whether ``n_filters_scale`` decides its size."""


def _cnn(model: ModelConfig) -> "PatchModule":
    from ptycho_engine.models.cnn import Cnn

    return Cnn(model)


def _full_patch_cnn(model: ModelConfig) -> "PatchModule":
    from ptycho_engine.models.full_patch import FullPatchCnn

    return FullPatchCnn(model)


def _fno(model: ModelConfig) -> "PatchModule":
    from ptycho_engine.models.fno import Fno

    return Fno(model)


def _fno_vanilla(model: ModelConfig) -> "PatchModule":
    from ptycho_engine.models.fno import FnoVanilla

    return FnoVanilla(model)


def _ffno(model: ModelConfig) -> "PatchModule":
    from ptycho_engine.models.ffno import Ffno

    return Ffno(model)


def _neuralop_uno(model: ModelConfig) -> "PatchModule":
    from ptycho_engine.models.neuralop_uno import NeuralopUno

    return NeuralopUno(model)


def _generator(title: str, description: str, build: "Callable[[ModelConfig], PatchModule]") -> Architecture:
    outputs = ("real_imag", "amp_phase", "amp_phase_logits")
    return Architecture(title, description, build, upstream=True, outputs=outputs, has_ladder=False)


ARCHITECTURES: Registry[Architecture] = Registry("model architecture", "ptychoscope.models")
ARCHITECTURES.register(
    "cnn",
    Architecture(
        "PtychoPINN CNN",
        "The July-2026 network of PtychoPINN; its bundles open there",
        _cnn,
        upstream=True,
        outputs=("amp_phase", "real_imag"),
    ),
)
ARCHITECTURES.register(
    "full_patch_cnn",
    Architecture(
        "Full-patch CNN",
        "Draws the whole patch at once, with an amplitude bounded around transparency; trains from every start",
        _full_patch_cnn,
    ),
)
ARCHITECTURES.register(
    "fno", _generator("FNO", "PtychoPINN's Fourier neural operator with convolutions for the detail", _fno)
)
ARCHITECTURES.register(
    "fno_vanilla", _generator("Plain FNO", "PtychoPINN's Fourier neural operator alone", _fno_vanilla)
)
ARCHITECTURES.register("ffno", _generator("Factorised FNO", "PtychoPINN's factorised Fourier neural operator", _ffno))
ARCHITECTURES.register(
    "neuralop_uno",
    Architecture(
        "U-shaped neural operator",
        "That of the package neuraloperator, which must be installed; 128 px and gridsize 1 only",
        _neuralop_uno,
        upstream=True,
        outputs=("real_imag",),
        has_ladder=False,
    ),
)
