"""The generator ``ffno`` of PtychoPINN: a factorised Fourier neural operator whose blocks share one spectral layer."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.blocks import conv3x3
from ptycho_engine.models.generator import Generator, Lifter
from ptycho_engine.models.spectral import FactorisedSpectralConv

_EXPANSION = 2
_FIRST_GATE = 0.1


class FfnoBlock(nn.Module):
    """The shared spectral layer, a normalisation and two pointwise layers: one update of the features."""

    def __init__(self, channels: int, shared_spectral: FactorisedSpectralConv) -> None:
        super().__init__()
        self.shared_spectral = shared_spectral
        self.norm = nn.InstanceNorm2d(channels, affine=True)
        self.expand = nn.Conv2d(channels, _EXPANSION * channels, kernel_size=1)
        self.project = nn.Conv2d(_EXPANSION * channels, channels, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the update, of the shape of the features."""
        normalised = self.norm(self.shared_spectral(features))
        update: Tensor = self.project(functional.gelu(self.expand(normalised)))
        return update


class FfnoStack(nn.Module):
    """The blocks; one number, learned, says how much of each update is added."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.shared_gate = nn.Parameter(torch.tensor(_FIRST_GATE))
        self.shared_spectral = FactorisedSpectralConv(model.fno_width, model.fno_modes)
        self.blocks = nn.ModuleList(FfnoBlock(model.fno_width, self.shared_spectral) for _ in range(model.fno_blocks))

    def forward(self, features: Tensor) -> Tensor:
        """Return the features, of the same shape."""
        for block in self.blocks:
            features = features + self.shared_gate * block(features)
        return features


class Refiner(nn.Module):
    """Two convolutions, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features, of the same shape."""
        refined: Tensor = features + self.conv2(functional.gelu(self.conv1(features)))
        return refined


class Ffno(Generator):
    """Factorised spectral blocks for the coarse shape, then convolutions for the detail."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model)
        self.lifter = Lifter(model)
        self.ffno_stack = FfnoStack(model)
        # Bundles hold the tensors of the blocks under this name as well.
        self.blocks = self.ffno_stack.blocks
        self.refiners = nn.Sequential(*(Refiner(model.fno_width) for _ in range(model.fno_cnn_blocks)))
        self.add_heads(model)

    def features(self, images: Tensor) -> Tensor:
        """Return the features ``(B, width, N, N)`` that the last layers draw from."""
        features: Tensor = self.refiners(self.ffno_stack(self.lifter(images)))
        return features
