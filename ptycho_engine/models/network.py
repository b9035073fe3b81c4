"""What every architecture is to the rest of the engine: patterns in, complex patches out, and a start."""

import torch
from torch import Tensor, nn

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.blocks import channel_count


class PatchModule(nn.Module):
    """The trained part of a network.

    ``forward`` takes ``(B, channels, N, N)`` and returns two quantities of the same shape: amplitude and phase, or real
    and imaginary part, as ``ModelConfig.output`` says.
    """

    def start_transparent(self, amplitude: float) -> None:
        """Set the last layers so that every patch starts as a transparent object of this amplitude."""
        raise NotImplementedError


class _RectangularScaler(nn.Module):
    """Two constants that bundles carry for a forward model that is not used here."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("s1", torch.ones(1))
        self.register_buffer("s2", torch.ones(1))


class _ForwardConstants(nn.Module):
    """The constants of the forward model that are part of a bundle's state; never trained."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("alpha", torch.ones(1))
        self.register_buffer("beta", torch.ones(1))
        self.rect_scaler = _RectangularScaler()


class _Inner(nn.Module):
    def __init__(self, autoencoder: PatchModule) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.forward_model = _ForwardConstants()


class PatchNetwork(nn.Module):
    """A network with all the tensors of a bundle, under the bundle's names.

    Parameters
    ----------
    model
        The configuration it was built from.
    autoencoder
        The trained part.
    """

    def __init__(self, model: ModelConfig, autoencoder: PatchModule) -> None:
        super().__init__()
        self.model = _Inner(autoencoder)
        self.config = model
        self.channels = channel_count(model)

    @property
    def autoencoder(self) -> PatchModule:
        """The trained part."""
        return self.model.autoencoder

    def forward(self, images: Tensor) -> Tensor:
        """Return the patches of normalised patterns.

        Parameters
        ----------
        images
            ``(B, C, N, N)`` float, amplitude times the input scale.

        Returns
        -------
        Tensor
            ``(B, C, N, N)`` complex64, network scale.
        """
        batch, members, height, width = images.shape
        inputs = images if members == self.channels else images.reshape(-1, self.channels, height, width)
        first, second = self.model.autoencoder(inputs)
        # In 32 bits whatever the network computed in: complex numbers of half precision hardly exist.
        first, second = first.float(), second.float()
        if self.config.output == "real_imag":
            patches = torch.complex(first, second)
        else:
            patches = torch.complex(first * torch.cos(second), first * torch.sin(second))
        return patches.reshape(batch, members, height, width)
