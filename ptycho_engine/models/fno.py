"""The generators ``fno`` and ``fno_vanilla``: Fourier neural operators with a convolution in each block."""

from torch import Tensor, nn

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.blocks import conv3x3
from ptycho_engine.models.generator import Generator, Lifter
from ptycho_engine.models.spectral import FnoBlock


def _blocks(model: ModelConfig) -> nn.Sequential:
    return nn.Sequential(*(FnoBlock(model.fno_width, model.fno_modes) for _ in range(model.fno_blocks)))


class Fno(Generator):
    """Spectral blocks for the coarse shape, then convolutions for the detail."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model)
        width = model.fno_width
        self.lifter = Lifter(model)
        self.fno_blocks = _blocks(model)
        self.intermediate = nn.Conv2d(width, width, kernel_size=1)
        self.cnn_refiner = nn.Sequential(
            *(nn.Sequential(conv3x3(width, width), nn.GELU()) for _ in range(model.fno_cnn_blocks))
        )
        self.add_heads(model)

    def features(self, images: Tensor) -> Tensor:
        """Return the features ``(B, width, N, N)`` that the last layers draw from."""
        features: Tensor = self.cnn_refiner(self.intermediate(self.fno_blocks(self.lifter(images))))
        return features


class FnoVanilla(Generator):
    """Spectral blocks alone."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model)
        self.lifter = Lifter(model)
        self.blocks = _blocks(model)
        self.add_heads(model)

    def features(self, images: Tensor) -> Tensor:
        """Return the features ``(B, width, N, N)`` that the last layers draw from."""
        features: Tensor = self.blocks(self.lifter(images))
        return features
