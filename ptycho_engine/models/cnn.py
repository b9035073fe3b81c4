"""The July-2026 convolutional network of PtychoPINN: patch centre and border drawn by two paths of each head."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.models.blocks import Ascent, Encoder, UpBlock, channel_count, conv3x3, decoder_ladder
from ptycho_engine.models.network import PatchModule
from ptycho_engine.models.starts import draw_open_he

_START_GAIN = 0.02
"""Share of the usual weights in the last layers at a transparent start: small, but gradients live."""
_HIGHEST_SIGMOID = 0.95
"""Above this sigmoid and tanh saturate; a start nearer to 1 would hardly learn."""
_REAL_OFFSET = 0.2
"""The real part lies between -0.8 and 1.2, the imaginary part within 1.2 of zero."""
_IMAGINARY_BOUND = 1.2


class Head(nn.Module):
    """The last layers of a decoder: features at half the side in, one quantity of the patch out.

    The last ``outputs`` channels of the features draw the border, the others the centre.
    """

    def __init__(self, model: ModelConfig, *, batch_norm: bool) -> None:
        super().__init__()
        features, outputs = decoder_ladder(model)[-1], channel_count(model)
        if outputs >= features:
            raise ConfigError(
                f"a group of {outputs} patterns leaves no features for the centre of the patch",
                "Choose a smaller gridsize or a larger number of filters.",
            )
        self.border_channels = outputs
        self.draws_border = model.probe_big
        self.margin = model.n // 4
        self.conv1 = conv3x3(features - outputs, outputs)
        self.conv_up_block = UpBlock(outputs, features, batch_norm=batch_norm)
        self.conv2 = conv3x3(features, outputs)
        self.bn1 = nn.BatchNorm2d(outputs) if batch_norm else nn.Identity()
        self.bn2 = nn.BatchNorm2d(outputs) if batch_norm else nn.Identity()

    def activate(self, values: Tensor) -> Tensor:
        """Return the values of the centre, bounded as the quantity asks."""
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        """Return the quantity over the whole patch, ``(B, outputs, N, N)``."""
        centre, border = features[:, : -self.border_channels], features[:, -self.border_channels :]
        drawn = self.activate(self.bn1(self.conv1(centre)))
        if not self.draws_border:
            return functional.pad(drawn, (self.margin,) * 4)
        around = functional.silu(self.bn2(self.conv2(self.conv_up_block(border))))
        inside = slice(self.margin, around.shape[-1] - self.margin)
        # The two paths never overlap: the border's own values inside the centre are dropped.
        around[:, :, inside, inside] = drawn.to(around.dtype)
        return around

    def start_at(self, centre: float, border: float) -> None:
        """Set both paths to start near these values before their activation."""
        with torch.no_grad():
            for layer, value in ((self.conv1, centre), (self.conv2, border)):
                layer.weight.mul_(_START_GAIN)
                nn.init.constant_(layer.bias, value)  # type: ignore[arg-type]


class AmplitudeHead(Head):
    """The amplitude (SiLU, or a sigmoid where the configuration says so), or the real part (tanh + 0.2)."""

    def __init__(self, model: ModelConfig) -> None:
        # Upstream never normalises the amplitude decoder.
        super().__init__(model, batch_norm=False)
        self.is_real_part = model.output == "real_imag"
        self.bounded = model.amp_activation == "sigmoid"

    def activate(self, values: Tensor) -> Tensor:
        """Return the amplitude, or the real part, of the centre."""
        if self.is_real_part:
            return torch.tanh(values) + _REAL_OFFSET
        return torch.sigmoid(values) if self.bounded else functional.silu(values)

    def start_transparent(self, amplitude: float) -> None:
        """Start at this amplitude everywhere."""
        if self.is_real_part:
            reachable = min(amplitude, _HIGHEST_SIGMOID + _REAL_OFFSET)
            self.start_at(math.atanh(reachable - _REAL_OFFSET), inverse_silu(reachable))
        elif self.bounded:
            reachable = min(amplitude, _HIGHEST_SIGMOID)
            self.start_at(math.log(reachable / (1.0 - reachable)), inverse_silu(reachable))
        else:
            border = inverse_silu(amplitude)
            self.start_at(border, border)


class PhaseHead(Head):
    """The phase (pi tanh in the centre, SiLU in the border), or the imaginary part (1.2 tanh, SiLU in the border)."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model, batch_norm=model.batch_norm)
        self.bound = _IMAGINARY_BOUND if model.output == "real_imag" else math.pi

    def activate(self, values: Tensor) -> Tensor:
        """Return the phase [rad], or the imaginary part, of the centre."""
        return self.bound * torch.tanh(values)


class AmplitudeDecoder(Ascent):
    """Bottleneck to amplitude."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model, batch_norm=False)
        self.amp = AmplitudeHead(model)

    def forward(self, features: Tensor) -> Tensor:
        """Return the amplitude ``(B, channels, N, N)``."""
        amplitude: Tensor = self.amp(self.climb(features))
        return amplitude


class PhaseDecoder(Ascent):
    """Bottleneck to phase."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model, batch_norm=model.batch_norm)
        self.phase = PhaseHead(model)

    def forward(self, features: Tensor) -> Tensor:
        """Return the phase ``(B, channels, N, N)`` [rad]."""
        phase: Tensor = self.phase(self.climb(features))
        return phase


class Cnn(PatchModule):
    """One encoder, one decoder for the amplitude, one for the phase."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        if model.input_transform != "none":
            raise ConfigError(
                f"the network 'cnn' takes its input as it is, not through {model.input_transform}",
                "Choose input_transform none, or the architecture full_patch_cnn.",
            )
        self.encoder = Encoder(model)
        self.decoder_amp = AmplitudeDecoder(model)
        self.decoder_phase = PhaseDecoder(model)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return amplitude and phase, or real and imaginary part, of ``images``, all ``(B, channels, N, N)``."""
        bottleneck = self.encoder(images)
        return self.decoder_amp(bottleneck), self.decoder_phase(bottleneck)

    def start_transparent(self, amplitude: float) -> None:
        """Set the heads to start at this amplitude and at phase zero."""
        draw_open_he(self)
        self.decoder_amp.amp.start_transparent(amplitude)
        self.decoder_phase.phase.start_at(0.0, 0.0)


def inverse_silu(value: float) -> float:
    """Return the x > 0 with x * sigmoid(x) = ``value``, for a positive value."""
    if not value > 0.0 or not math.isfinite(value):
        raise ValueError(f"the amplitude must be positive, not {value}")
    x = value + 0.3
    for _ in range(60):
        gate = 1.0 / (1.0 + math.exp(-min(x, 700.0)))
        x = max(x - (x * gate - value) / (gate * (1.0 + x * (1.0 - gate))), 0.5 * min(x, value))
    return x
