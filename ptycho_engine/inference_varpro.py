"""VarPro at inference: the factors of the real and the imaginary part that explain the inferred patterns best."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from ptycho_engine.config import ModelConfig
from ptycho_engine.physics.forward import light_on_object, modes_on_object
from ptycho_engine.physics.varpro import RectangularSums


@dataclass(frozen=True, slots=True)
class SolvedFactors:
    """What was found."""

    s1: float
    """Factor of the real part, on top of the network's own."""
    s2: float
    """Factor of the imaginary part."""
    misfit_before: float
    """Root of the sum of squares between predicted and measured intensities, over that of the measured ones."""
    misfit: float
    """The same with the factors."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def text(self) -> str:
        """Return what is told of it."""
        return (
            f"VarPro: real part times {self.s1:.5g}, imaginary part times {self.s2:.5g}; relative misfit of the "
            f"intensities {self.misfit_before:.4g} before, {self.misfit:.4g} after"
        )


class VarPro:
    """Takes in patches while they are inferred; each pattern is compared with its own patch, not with the canvas.

    Parameters
    ----------
    model
        The forward model.
    probe
        (n_modes, N, N) complex64, in the scale of the counts where the network reads counts.
    counts_per_input
        By which what the network reads is multiplied for counts; ``None`` if it reads amplitudes, which are squared.
    """

    def __init__(self, model: ModelConfig, probe: torch.Tensor, counts_per_input: float | None) -> None:
        coherent = model.forward_model == "amplitude"
        self._light = light_on_object(probe, model)[None] if coherent else modes_on_object(probe, model)
        self._counts_per_input = counts_per_input
        self._sums = RectangularSums()

    def take(self, patches: torch.Tensor, images: torch.Tensor) -> None:
        """Take in (B, C, N, N) patches and what the network read, on the device."""
        factor = self._counts_per_input
        measured = images.square() if factor is None else images * factor
        self._sums.take(patches, self._light, measured)

    def solve(self) -> SolvedFactors:
        """Return the factors of all that was taken in."""
        s1, s2 = self._sums.solve()
        return SolvedFactors(s1, s2, self._sums.misfit(1.0, 1.0), self._sums.misfit(s1, s2))
