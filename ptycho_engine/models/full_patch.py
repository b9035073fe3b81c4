"""A network of the size of ``cnn`` that draws the whole patch at once, with an amplitude bounded around transparency.

Amplitude is ``output_scale * 2 sigmoid``: it starts at a transparent object and can neither turn negative nor run away.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_engine.config import TRANSFORMS_WITH_STATE, ModelConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.models.backpropagation import Backpropagation
from ptycho_engine.models.blocks import Ascent, Encoder, channel_count, conv3x3, decoder_ladder, input_count
from ptycho_engine.models.fused_convolution import convolve_relu
from ptycho_engine.models.input_transform import transform_input
from ptycho_engine.models.network import PatchModule
from ptycho_engine.models.starts import draw_open_he

_START_GAIN = 0.02


class FullHead(nn.Module):
    """Features at half the side in, one raw quantity over the whole patch out.

    Most filters stay at half the side: at the full side every filter costs four times as much. What patterns propagate
    back to, where the network makes it, comes in at the full side: no detail of it must pass the bottleneck.
    """

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        features = decoder_ladder(model)[-1]
        self.conv1 = conv3x3(features, features // 2)
        self.conv2 = conv3x3(features // 2 + input_count(model) - channel_count(model), features // 4)
        self.conv3 = conv3x3(features // 4, channel_count(model))

    def forward(self, features: Tensor, back: Tensor) -> Tensor:
        """Return the raw quantity ``(B, channels, N, N)``; ``back`` may have no channels."""
        features = convolve_relu(self.conv1, features)
        features = functional.interpolate(features, scale_factor=2, mode="nearest")
        features = torch.cat((features, back), dim=1) if back.shape[1] else features
        raw: Tensor = self.conv3(convolve_relu(self.conv2, features))
        return raw

    def start_at_zero(self) -> None:
        """Set the last layer to start near zero."""
        with torch.no_grad():
            self.conv3.weight.mul_(_START_GAIN)
            nn.init.zeros_(self.conv3.bias)  # type: ignore[arg-type]


class FullDecoder(Ascent):
    """Bottleneck to one raw quantity over the whole patch."""

    def __init__(self, model: ModelConfig, *, batch_norm: bool) -> None:
        super().__init__(model, batch_norm=batch_norm)
        self.head = FullHead(model)

    def forward(self, features: Tensor, back: Tensor) -> Tensor:
        """Return the raw quantity ``(B, channels, N, N)``; ``back`` may have no channels."""
        raw: Tensor = self.head(self.climb(features), back)
        return raw


class FullPatchCnn(PatchModule):
    """One encoder, one decoder for the amplitude, one for the phase, all over the whole patch."""

    output_scale: Tensor
    """(1,) network amplitude of a transparent object; kept in the state, not trained."""
    input_mean: Tensor
    """(N, N) mean pattern of the training, where the input is standardised; kept in the state, not trained."""
    input_deviation: Tensor
    """(1,) root mean square of what patterns differ from it by."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        if model.output != "amp_phase":
            raise ConfigError(
                "the network 'full_patch_cnn' draws amplitude and phase, not real and imaginary part",
                "Choose the architecture cnn.",
            )
        self.transform = model.input_transform
        if self.transform in TRANSFORMS_WITH_STATE:
            self.register_buffer("input_mean", torch.zeros(model.n, model.n))
            self.register_buffer("input_deviation", torch.ones(1))
        if self.transform == "backpropagated":
            self.backpropagation = Backpropagation(model.n)
        self.register_buffer("output_scale", torch.ones(1))
        self.encoder = Encoder(model)
        self.decoder_amp = FullDecoder(model, batch_norm=False)
        self.decoder_phase = FullDecoder(model, batch_norm=model.batch_norm)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return amplitude and phase of ``images``, all ``(B, channels, N, N)``."""
        seen = self._seen(images)
        bottleneck, back = self.encoder(seen), seen[:, images.shape[1] :]
        amplitude = self.output_scale * 2.0 * torch.sigmoid(self.decoder_amp(bottleneck, back).float())
        return amplitude, math.pi * torch.tanh(self.decoder_phase(bottleneck, back).float())

    def set_standard(self, mean: Tensor, deviation: float, light: Tensor) -> None:
        """Set what patterns are compared with: the (N, N) mean pattern, the spread about it, and the (N, N) probe."""
        self.input_mean.copy_(mean)
        self.input_deviation.fill_(deviation)
        if self.transform == "backpropagated":
            self.backpropagation.set_light(light)

    def _seen(self, images: Tensor) -> Tensor:
        if self.transform not in TRANSFORMS_WITH_STATE:
            return transform_input(images, self.transform)
        differences = (images - self.input_mean) / self.input_deviation
        if self.transform == "standardised":
            return differences
        seen: Tensor = self.backpropagation(differences)
        return seen

    def start_transparent(self, amplitude: float) -> None:
        """Set the amplitude of a transparent object, and the heads to start there."""
        draw_open_he(self)
        self.output_scale.fill_(amplitude)
        self.decoder_amp.head.start_at_zero()
        self.decoder_phase.head.start_at_zero()
