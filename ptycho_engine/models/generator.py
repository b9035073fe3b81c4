"""What the generators share: how patterns come in, how complex patches go out, and where a training begins.

Attribute names are those of the tensors in a bundle: a renamed attribute is a bundle that does not open.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_engine.config import TRANSFORMS_WITH_STATE, ModelConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.models.blocks import channel_count, conv3x3
from ptycho_engine.models.input_transform import transform_input
from ptycho_engine.models.network import PatchModule

START_GAIN = 0.1
"""Share of the usual weights in the last layers at a transparent start: small, but gradients live."""
_HIGHEST_SIGMOID = 0.95
"""Above this the sigmoid saturates; a start nearer to 1 would hardly learn."""


class Lifter(nn.Module):
    """From patterns to the width of the generator: two convolutions, each with GELU."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.transform = model.input_transform
        self.conv1 = conv3x3(channel_count(model), model.fno_width)
        self.conv2 = conv3x3(model.fno_width, model.fno_width)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features ``(B, width, N, N)``."""
        features = functional.gelu(self.conv1(transform_input(images, self.transform)))
        return functional.gelu(self.conv2(features))


class Generator(PatchModule):
    """A network whose last layer draws real and imaginary part, or amplitude and phase, of all patches of a group.

    Parameters
    ----------
    model
        Its configuration; ``output`` says what is drawn. ``"amp_phase_logits"`` draws as ``"amp_phase"`` does:
        PtychoPINN only applies sigmoid and tanh in another place.

    Raises
    ------
    ConfigError
        If more frequencies are asked for than a pattern has.
    """

    is_generator: ClassVar[bool] = True

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        highest = model.n // 2 + 1
        if model.fno_modes > highest:
            raise ConfigError(
                f"a pattern of side {model.n} has no {model.fno_modes} frequencies",
                f"Choose fno_modes of at most {highest}.",
            )
        if model.input_transform in TRANSFORMS_WITH_STATE:
            raise ConfigError(
                "PtychoPINN's generators keep nothing of a scan to compare their input with",
                "Choose input_transform log1p, or the architecture full_patch_cnn.",
            )
        self.channels = channel_count(model)
        self.draws_parts = model.output == "real_imag"

    def add_heads(self, model: ModelConfig) -> None:
        """Make the last layers; called last, as the order of the tensors in a bundle wants it."""
        if self.draws_parts:
            self.output_proj = nn.Conv2d(model.fno_width, 2 * self.channels, kernel_size=1)
        else:
            self.output_amp = nn.Conv2d(model.fno_width, self.channels, kernel_size=1)
            self.output_phase = nn.Conv2d(model.fno_width, self.channels, kernel_size=1)

    def features(self, images: Tensor) -> Tensor:
        """Return the features ``(B, width, N, N)`` that the last layers draw from."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return real and imaginary part, or amplitude and phase [rad], all ``(B, channels, N, N)``."""
        features = self.features(images)
        if self.draws_parts:
            both = self.output_proj(features)
            return both[:, : self.channels], both[:, self.channels :]
        return torch.sigmoid(self.output_amp(features)), math.pi * torch.tanh(self.output_phase(features))

    def start_transparent(self, amplitude: float) -> None:
        """Set the last layers to start at this amplitude and at phase zero.

        A real part can start at any amplitude. A sigmoid cannot reach more than 1 and hardly learns near it, so there
        the start is at 0.95 where the transparent object is brighter.
        """
        with torch.no_grad():
            if self.draws_parts:
                self.output_proj.weight.mul_(START_GAIN)
                bias = torch.zeros(2 * self.channels)
                bias[: self.channels] = amplitude
                self.output_proj.bias.copy_(bias)  # type: ignore[union-attr]
                return
            reachable = min(amplitude, _HIGHEST_SIGMOID)
            for layer, value in ((self.output_amp, math.log(reachable / (1.0 - reachable))), (self.output_phase, 0.0)):
                layer.weight.mul_(START_GAIN)
                nn.init.constant_(layer.bias, value)  # type: ignore[arg-type]
