"""What tells the releases of PtychoPINN's ``cnn`` apart, beside its options: facts, as one table."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Release:
    """The rules of one release."""

    border: Literal["outside", "added", "joined"]
    """How the border of a patch meets its centre: around it, added everywhere, or summed before the activation."""
    skips: bool
    """Whether the decoders see the encoder's features (U-Net), and then apply their attention too."""
    constants: tuple[str, ...]
    """Tensors of the forward model that are part of the state."""


_RECTANGULAR = ("rect_scaler.s1", "rect_scaler.s2")
RELEASES: dict[str, Release] = {
    "2025-11": Release("added", False, ()),
    "2026-02": Release("added", False, ("alpha", "beta")),
    "2026-06": Release("joined", True, _RECTANGULAR),
    "2026-07": Release("outside", False, ("alpha", "beta", *_RECTANGULAR)),
}
"""By the month in which each was current; ``ModelConfig.release`` names one."""
