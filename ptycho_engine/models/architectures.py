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


def _cnn(model: ModelConfig) -> "PatchModule":
    from ptycho_engine.models.cnn import Cnn

    return Cnn(model)


def _full_patch_cnn(model: ModelConfig) -> "PatchModule":
    from ptycho_engine.models.full_patch import FullPatchCnn

    return FullPatchCnn(model)


ARCHITECTURES: Registry[Architecture] = Registry("model architecture", "ptychoscope.models")
ARCHITECTURES.register(
    "cnn",
    Architecture("PtychoPINN CNN", "The July-2026 network of PtychoPINN; its bundles open there", _cnn, upstream=True),
)
ARCHITECTURES.register(
    "full_patch_cnn",
    Architecture(
        "Full-patch CNN",
        "Draws the whole patch at once, with an amplitude bounded around transparency; trains from every start",
        _full_patch_cnn,
    ),
)
