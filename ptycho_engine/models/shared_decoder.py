"""The decoder of PtychoPINN's ``cnn`` that draws both quantities together."""

from torch import Tensor, nn
from torch.nn import functional

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.blocks import Ascent, EfficientAttention, channel_count, conv3x3, decoder_ladder
from ptycho_engine.models.heads import Head, amplitude_outputs, first_activation, second_activation


class Refinement(nn.Module):
    """Three convolutions whose result is added to what came in."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * channels
        layers = (conv3x3(channels, wide), nn.ReLU(), conv3x3(wide, wide), nn.ReLU(), conv3x3(wide, channels))
        self.block = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Return the refined features, of the same shape."""
        return functional.relu(features + self.block(features))


class SharedDecoder(Ascent):
    """Bottleneck to both quantities: each level refined, one head for all, the two halves bounded by themselves."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__(model, batch_norm=model.batch_norm)
        levels = decoder_ladder(model)[1:]
        self.refinement_blocks = nn.ModuleList(
            Refinement(channels, 2 if level == len(levels) - 1 else 1) for level, channels in enumerate(levels)
        )
        self.eca = EfficientAttention()
        self.n_first = amplitude_outputs(model)
        outputs = self.n_first + channel_count(model)
        self.head = Head(model, outputs, lambda values: values, batch_norm=model.batch_norm)
        self.activations = (first_activation(model), second_activation(model))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return both quantities, ``(B, channels, N, N)`` each."""
        for block, refine in zip(self.blocks, self.refinement_blocks, strict=True):
            features = refine(block(features))
        raw = self.head(self.eca(features))
        first, second = self.activations
        return first(raw[:, : self.n_first]), second(raw[:, self.n_first :])
