"""The building blocks that the convolutional networks share, and their ladders of filters.

Attribute names are those of the tensors in a bundle: a renamed attribute is a bundle that does not open.
"""

import warnings
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import ConfigError
from ptycho_engine.models.backpropagation import BACKPROPAGATED_CHANNELS
from ptycho_engine.models.fused_convolution import convolve_relu
from ptycho_engine.models.reductions import greatest_over, mean_over
from ptycho_engine.models.releases import RELEASES

# In units of n_filters_scale; the encoder's first entry, the input channels, is put before.
_ENCODER_LADDERS = {64: (32, 64, 128), 128: (16, 32, 64, 128), 256: (8, 16, 32, 64, 128)}
_DECODER_LADDERS = {64: (128, 64, 32), 128: (128, 128, 64, 32), 256: (128, 256, 128, 64, 32)}
_GATE_REDUCTION = 16


def channel_count(model: ModelConfig) -> int:
    """Return the channels in and out of the network: all members of a group, or one pattern at a time."""
    return model.channels if model.object_big else 1


def input_count(model: ModelConfig) -> int:
    """Return the channels that the first layer reads."""
    return channel_count(model) * (BACKPROPAGATED_CHANNELS if model.input_transform == "backpropagated" else 1)


def encoder_ladder(model: ModelConfig) -> tuple[int, ...]:
    """Return the filters before, between and after the encoder blocks."""
    return (input_count(model), *_scaled(_ENCODER_LADDERS, model))


def decoder_ladder(model: ModelConfig) -> tuple[int, ...]:
    """Return the filters before, between and after the decoder blocks."""
    return _scaled(_DECODER_LADDERS, model)


def _scaled(ladders: dict[int, tuple[int, ...]], model: ModelConfig) -> tuple[int, ...]:
    if model.n not in ladders:
        sides = ", ".join(str(side) for side in ladders)
        raise ConfigError(f"there is no network for patches of side {model.n}", f"The side must be one of {sides}.")
    return tuple(model.n_filters_scale * filters for filters in ladders[model.n])


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)


class DoubleConv(nn.Module):
    """Two convolutions, each with an optional normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.normalised = batch_norm
        self.conv1 = conv3x3(inputs, outputs)
        self.conv2 = conv3x3(outputs, outputs)
        self.bn1 = nn.BatchNorm2d(outputs) if batch_norm else nn.Identity()
        self.bn2 = nn.BatchNorm2d(outputs) if batch_norm else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Return the features ``(B, outputs, H, W)``."""
        if not self.normalised:
            return convolve_relu(self.conv2, convolve_relu(self.conv1, features))
        features = functional.relu(self.bn1(self.conv1(features)))
        return functional.relu(self.bn2(self.conv2(features)))


class ChannelGate(nn.Module):
    """Weighs each channel by its mean and its maximum, through one small shared network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // _GATE_REDUCTION
        with warnings.catch_warnings():
            # Eight channels leave no hidden unit; the layer is then empty and torch warns that it cannot fill it.
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
            self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighed features, of the same shape."""
        # Both at once: the gradients of shared weights are one sum, in halves of a batch as in two processes.
        seen = self.mlp(torch.cat((mean_over(features, 2, 3), greatest_over(features, 2, 3))))
        mean, greatest = seen.chunk(2)
        return features * torch.sigmoid(mean + greatest)[:, :, None, None]


class SpatialGate(nn.Module):
    """Weighs each pixel by the maximum and the mean over its channels."""

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.compress = nn.Conv2d(2, 1, kernel_size=kernel, padding=kernel // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighed features, of the same shape."""
        summary = torch.stack((greatest_over(features, 1), mean_over(features, 1)), dim=1)
        return features * torch.sigmoid(self.compress(summary))


class Attention(nn.Module):
    """A channel gate, then a spatial gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels)
        self.SpatialGate = SpatialGate()

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighed features, of the same shape."""
        weighed: Tensor = self.SpatialGate(self.ChannelGate(features))
        return weighed


class EfficientAttention(nn.Module):
    """Weighs each channel by the means of itself and its two neighbours (ECA)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel_size=3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighed features, of the same shape."""
        means = mean_over(features, 2, 3)[:, None]
        return features * torch.sigmoid(self.conv(means))[:, 0, :, None, None]


class SpatialAttention(nn.Module):
    """A spatial gate alone."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.spatial_gate = SpatialGate(kernel)

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighed features, of the same shape."""
        weighed: Tensor = self.spatial_gate(features)
        return weighed


class DownBlock(DoubleConv):
    """Double convolution, attention, and half the size."""

    def __init__(self, inputs: int, outputs: int, model: ModelConfig) -> None:
        super().__init__(inputs, outputs, batch_norm=model.batch_norm)
        self.applies_attention = model.cbam_encoder
        # The other kind has its tensors in the state and no effect: upstream asks for the first before it applies any.
        kept = EfficientAttention() if model.eca_encoder else nn.Identity()
        self.attention = Attention(outputs) if model.cbam_encoder else kept

    def before_pooling(self, features: Tensor) -> Tensor:
        """Return the features ``(B, outputs, H, W)``."""
        features = super().forward(features)
        return self.attention(features) if self.applies_attention else features

    def forward(self, features: Tensor) -> Tensor:
        """Return the features ``(B, outputs, H/2, W/2)``."""
        return functional.max_pool2d(self.before_pooling(features), 2)


class UpBlock(DoubleConv):
    """Double convolution, then twice the size by repeating pixels."""

    def forward(self, features: Tensor) -> Tensor:
        """Return the features ``(B, outputs, 2H, 2W)``."""
        return functional.interpolate(super().forward(features), scale_factor=2, mode="nearest")


class Encoder(nn.Module):
    """From patterns to the bottleneck of 8 x 8 pixels."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            DownBlock(inputs, outputs, model) for inputs, outputs in pairwise(encoder_ladder(model))
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the bottleneck ``(B, 128 s, 8, 8)``."""
        for block in self.blocks:
            images = block(images)
        return images

    @property
    def first_layer(self) -> nn.Conv2d:
        """What reads the patterns."""
        first = self.blocks[0]
        assert isinstance(first, DownBlock)
        return first.conv1

    def descend(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the bottleneck, and for each block but the last its features before they are halved."""
        wide: list[Tensor] = []
        for block in self.blocks:
            assert isinstance(block, DownBlock)
            wide.append(block.before_pooling(images))
            images = functional.max_pool2d(wide[-1], 2)
        return images, wide[:-1]


class Merge(nn.Sequential):
    """Two convolutions with ReLU, of features beside those of the encoder."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(conv3x3(inputs, outputs), nn.ReLU(), conv3x3(outputs, outputs), nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        """Return the features ``(B, outputs, H, W)``."""
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                features = convolve_relu(layer, features)
        return features


class Ascent(nn.Module):
    """From the bottleneck to features of half the patch's side; the base of the decoders."""

    def __init__(self, model: ModelConfig, *, batch_norm: bool) -> None:
        super().__init__()
        ladder = decoder_ladder(model)
        self.blocks = nn.ModuleList(
            UpBlock(inputs, outputs, batch_norm=batch_norm) for inputs, outputs in pairwise(ladder)
        )
        self.uses_skips = RELEASES[model.release].skips
        if self.uses_skips:
            seen = reversed(encoder_ladder(model)[1:-1])
            self.merge_blocks = nn.ModuleList(
                Merge(outputs + skipped, outputs) for outputs, skipped in zip(ladder[1:], seen, strict=True)
            )
        if model.decoder_attention != "none":
            self.attention_blocks = nn.ModuleList(decoder_attention(model, outputs) for outputs in ladder[1:])

    def climb(self, features: Tensor, skips: list[Tensor] | None = None) -> Tensor:
        """Return the features ``(B, 32 s, N/2, N/2)``.

        ``skips`` are the encoder's features, from the widest to the deepest, where the release merges them.
        """
        if not self.uses_skips or skips is None:
            for block in self.blocks:
                features = block(features)
            return features
        attention = getattr(self, "attention_blocks", [nn.Identity()] * len(skips))
        for block, merge, weigh, seen in zip(self.blocks, self.merge_blocks, attention, reversed(skips), strict=True):
            features = block(features)
            if seen.shape[-2:] != features.shape[-2:]:
                seen = functional.interpolate(seen, size=features.shape[-2:], mode="bilinear", align_corners=False)
            features = weigh(merge(torch.cat((features, seen), dim=1)))
        return features


def decoder_attention(model: ModelConfig, channels: int) -> nn.Module:
    """Return the attention that follows a decoder block of so many channels."""
    if model.decoder_attention == "cbam":
        return Attention(channels)
    return EfficientAttention() if model.decoder_attention == "eca" else SpatialAttention(model.spatial_kernel)
