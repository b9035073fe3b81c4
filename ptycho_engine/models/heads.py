"""The last layers of PtychoPINN's convolutional networks: one path for the centre of a patch, one for its border."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.models.blocks import UpBlock, channel_count, conv3x3, decoder_ladder
from ptycho_engine.models.releases import RELEASES

Activation = Callable[[Tensor], Tensor]

_START_GAIN = 0.02
"""Share of the usual weights in the last layers at a transparent start: small, but gradients live."""
_HIGHEST_SIGMOID = 0.95
"""Above this sigmoid and tanh saturate; a start nearer to 1 would hardly learn."""
_REAL_OFFSET = 0.2
"""The real part lies between -0.8 and 1.2, the imaginary part within 1.2 of zero."""
_IMAGINARY_BOUND = 1.2


def amplitude_outputs(model: ModelConfig) -> int:
    """Return how many amplitudes are drawn for a group."""
    return channel_count(model) if model.amplitude_outputs is None else model.amplitude_outputs


def first_activation(model: ModelConfig) -> Activation:
    """Return what bounds the amplitude (SiLU, or a sigmoid), or the real part (tanh + 0.2)."""
    if model.output == "real_imag":
        return lambda values: torch.tanh(values) + _REAL_OFFSET
    return torch.sigmoid if model.amp_activation == "sigmoid" else functional.silu


def second_activation(model: ModelConfig) -> Activation:
    """Return what bounds the phase [rad] (pi tanh), or the imaginary part (1.2 tanh)."""
    bound = _IMAGINARY_BOUND if model.output == "real_imag" else math.pi
    return lambda values: bound * torch.tanh(values)


class Head(nn.Module):
    """Features at half the side in, quantities of the whole patch out.

    The last channels of the features draw the border, the others the centre. The border is bounded by SiLU alone,
    unless the release sums both before the activation.

    Parameters
    ----------
    model
        The network.
    outputs
        Quantities drawn.
    activation
        What bounds them.
    batch_norm
        Whether the layers are normalised.
    """

    def __init__(self, model: ModelConfig, outputs: int, activation: Activation, *, batch_norm: bool) -> None:
        super().__init__()
        features = decoder_ladder(model)[-1]
        self.border_channels = outputs if model.border_channels is None else model.border_channels
        if self.border_channels >= features:
            raise ConfigError(
                f"a border drawn by {self.border_channels} features leaves no features for the centre of the patch",
                "Choose a smaller gridsize or a larger number of filters.",
            )
        self.draws_border = model.probe_big
        self.margin = model.n // 4
        self.rule = RELEASES[model.release].border
        self.activate = activation
        self.conv1 = conv3x3(features - self.border_channels, outputs)
        self.conv_up_block = UpBlock(self.border_channels, features, batch_norm=batch_norm)
        self.conv2 = conv3x3(features, outputs)
        self.bn1 = nn.BatchNorm2d(outputs) if batch_norm else nn.Identity()
        self.bn2 = nn.BatchNorm2d(outputs) if batch_norm else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Return the quantities over the whole patch, ``(B, outputs, N, N)``."""
        drawn = self.bn1(self.conv1(features[:, : -self.border_channels]))
        if self.rule == "joined":
            drawn = self._padded(drawn)
            return self.activate(drawn + self._border(features) if self.draws_border else drawn)
        drawn = self.activate(drawn)
        if not self.draws_border:
            return self._padded(drawn)
        around = functional.silu(self._border(features))
        if self.rule == "added":
            return around + self._padded(drawn)
        inside = slice(self.margin, around.shape[-1] - self.margin)
        # The two paths never overlap: the border's own values inside the centre are dropped.
        around[:, :, inside, inside] = drawn.to(around.dtype)
        return around

    def _border(self, features: Tensor) -> Tensor:
        drawn: Tensor = self.bn2(self.conv2(self.conv_up_block(features[:, -self.border_channels :])))
        return drawn

    def _padded(self, centre: Tensor) -> Tensor:
        return functional.pad(centre, (self.margin,) * 4)

    def start_at(self, centre: float, border: float) -> None:
        """Set both paths to start near these values before their activation."""
        with torch.no_grad():
            for layer, value in ((self.conv1, centre), (self.conv2, border)):
                layer.weight.mul_(_START_GAIN)
                nn.init.constant_(layer.bias, value)  # type: ignore[arg-type]


def start_transparent(head: Head, model: ModelConfig, amplitude: float) -> None:
    """Set the head of the amplitude, or of the real part, to start at this amplitude everywhere."""
    if model.output == "real_imag":
        reachable = min(amplitude, _HIGHEST_SIGMOID + _REAL_OFFSET)
        head.start_at(math.atanh(reachable - _REAL_OFFSET), inverse_silu(reachable))
    elif model.amp_activation == "sigmoid":
        reachable = min(amplitude, _HIGHEST_SIGMOID)
        head.start_at(math.log(reachable / (1.0 - reachable)), inverse_silu(reachable))
    else:
        border = inverse_silu(amplitude)
        head.start_at(border, border)


def inverse_silu(value: float) -> float:
    """Return the x > 0 with x * sigmoid(x) = ``value``, for a positive value."""
    if not value > 0.0 or not math.isfinite(value):
        raise ValueError(f"the amplitude must be positive, not {value}")
    x = value + 0.3
    for _ in range(60):
        gate = 1.0 / (1.0 + math.exp(-min(x, 700.0)))
        x = max(x - (x * gate - value) / (gate * (1.0 + x * (1.0 - gate))), 0.5 * min(x, value))
    return x
