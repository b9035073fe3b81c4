"""The convolutional network of PtychoPINN, of all its releases: the configuration says which, and with what options."""

from torch import Tensor, nn

from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.models.blocks import Ascent, Attention, Encoder, channel_count, encoder_ladder
from ptycho_engine.models.heads import (
    Head,
    amplitude_outputs,
    first_activation,
    second_activation,
    start_transparent,
)
from ptycho_engine.models.network import PatchModule
from ptycho_engine.models.releases import RELEASES
from ptycho_engine.models.shared_decoder import SharedDecoder
from ptycho_engine.models.starts import draw_differences, draw_open_he


class AmplitudeDecoder(Ascent):
    """Bottleneck to amplitude, or to the real part."""

    def __init__(self, model: ModelConfig) -> None:
        # Upstream never normalises this decoder.
        super().__init__(model, batch_norm=False)
        self.amp = Head(model, amplitude_outputs(model), first_activation(model), batch_norm=False)

    def forward(self, features: Tensor, skips: list[Tensor] | None = None) -> Tensor:
        """Return the amplitude ``(B, channels, N, N)``, or one for all channels."""
        amplitude: Tensor = self.amp(self.climb(features, skips))
        return amplitude


class PhaseDecoder(Ascent):
    """Bottleneck to phase, or to the imaginary part."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model, batch_norm=model.batch_norm)
        self.phase = Head(model, channel_count(model), second_activation(model), batch_norm=model.batch_norm)

    def forward(self, features: Tensor, skips: list[Tensor] | None = None) -> Tensor:
        """Return the phase ``(B, channels, N, N)`` [rad]."""
        phase: Tensor = self.phase(self.climb(features, skips))
        return phase


class Cnn(PatchModule):
    """One encoder, and one decoder for each quantity or one for both."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        _require_possible(model)
        self.config = model
        self.uses_skips = RELEASES[model.release].skips
        self.encoder = Encoder(model)
        self.bottleneck_cbam = Attention(encoder_ladder(model)[-1]) if model.cbam_bottleneck else nn.Identity()
        if model.shared_decoder:
            self.decoder_shared = SharedDecoder(model)
        else:
            self.decoder_amp = AmplitudeDecoder(model)
            self.decoder_phase = PhaseDecoder(model)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return amplitude and phase, or real and imaginary part, of ``images``, all ``(B, channels, N, N)``."""
        if self.uses_skips:
            bottleneck, skips = self.encoder.descend(images)
            bottleneck = self.bottleneck_cbam(bottleneck)
            first, second = self.decoder_amp(bottleneck, skips), self.decoder_phase(bottleneck, skips)
        elif self.config.shared_decoder:
            first, second = self.decoder_shared(self.bottleneck_cbam(self.encoder(images)))
        else:
            bottleneck = self.bottleneck_cbam(self.encoder(images))
            first, second = self.decoder_amp(bottleneck), self.decoder_phase(bottleneck)
        # Older releases draw one amplitude for all patterns of a group.
        return first.expand_as(second), second

    def start_transparent(self, amplitude: float) -> None:
        """Set the heads to start at this amplitude and at phase zero."""
        if self.config.shared_decoder or self.config.release != "2026-07":
            raise ConfigError(
                "only networks of 2026-07 with a decoder for each quantity can be trained from a new start",
                "Continue from the weights of a bundle.",
            )
        draw_open_he(self)
        draw_differences(self.encoder.first_layer)
        start_transparent(self.decoder_amp.amp, self.config, amplitude)
        self.decoder_phase.phase.start_at(0.0, 0.0)


def _require_possible(model: ModelConfig) -> None:
    if model.input_transform != "none":
        raise ConfigError(
            f"the network 'cnn' takes its input as it is, not through {model.input_transform}",
            "Choose input_transform none, or the architecture full_patch_cnn.",
        )
    outputs = amplitude_outputs(model)
    if outputs not in (1, channel_count(model)):
        raise ConfigError(
            f"{outputs} amplitudes cannot be matched with {channel_count(model)} phases",
            "There must be one amplitude, or one for each phase.",
        )
    if RELEASES[model.release].skips and model.shared_decoder:
        raise ConfigError(
            f"the release {model.release} has no decoder for both quantities", "Choose one for each, or 2026-07."
        )
