"""Layers that weigh the low spatial frequencies of their input: what Fourier neural operators are made of.

Li et al., "Fourier Neural Operator for Parametric Partial Differential Equations", ICLR 2021, and for the factorised
form Tran et al., "Factorized Fourier Neural Operators", ICLR 2023.
"""

import torch
from torch import Tensor, nn

from ptycho_engine.models.blocks import conv3x3


def _small_random(*shape: int) -> nn.Parameter:
    # Li et al. draw real and imaginary parts between 0 and one over the product of the channel numbers.
    return nn.Parameter(torch.rand(*shape, dtype=torch.complex64) / (shape[0] * shape[1]))


class SpectralConv(nn.Module):
    """Multiply the low frequencies of both axes by one matrix of channels for each frequency; drop the others.

    Along the rows' axis too only the frequencies 0 … modes-1 are kept, not the negative ones, as PtychoPINN does. The
    spectrum is then not that of a real image where the column frequency is zero; its real part is taken there, as
    numpy's ``irfft2`` does. Vendors' transforms of two axes disagree about it, so the axes are transformed one by one,
    which also leaves out the frequencies that are dropped.

    Parameters
    ----------
    channels
        Channels in and out.
    modes
        Frequencies that are kept along each axis.
    """

    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.weights = _small_random(channels, channels, modes, modes)
        """(channels in, channels out, row frequencies, column frequencies) complex64."""

    def forward(self, features: Tensor) -> Tensor:
        """Return the features ``(B, channels, H, W)`` float32."""
        height, width = features.shape[-2:]
        # Transforms of half precision hardly exist.
        columns = torch.fft.rfft(features.float())[..., : self.modes]
        spectrum = torch.fft.fft(columns, dim=-2)[..., : self.modes, :]
        mixed = torch.einsum("bixy,ioxy->boxy", spectrum, self.weights)
        columns = torch.fft.ifft(mixed, n=height, dim=-2)
        constant = torch.complex(columns[..., :1].real, torch.zeros_like(columns[..., :1].real))
        result: Tensor = torch.fft.irfft(torch.cat((constant, columns[..., 1:]), dim=-1), n=width)
        return result


class FactorisedSpectralConv(nn.Module):
    """Weigh the low frequencies along the columns and along the rows apart, and add both.

    Parameters
    ----------
    channels
        Channels in and out.
    modes
        Frequencies that are kept along each axis.
    """

    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.weights_x = _small_random(channels, channels, modes)
        """(channels in, channels out, frequencies) complex64, of the last axis."""
        self.weights_y = _small_random(channels, channels, modes)
        """As ``weights_x``, of the last axis but one."""

    def forward(self, features: Tensor) -> Tensor:
        """Return the features ``(B, channels, H, W)`` float32."""
        features = features.float()
        along_x = self._along_last(features, self.weights_x)
        along_y = self._along_last(features.transpose(-2, -1), self.weights_y)
        return along_x + along_y.transpose(-2, -1)

    def _along_last(self, features: Tensor, weights: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(features)[..., : self.modes]
        # Frequencies that are not given count as zero.
        result: Tensor = torch.fft.irfft(torch.einsum("bihm,iom->bohm", spectrum, weights), n=features.shape[-1])
        return result


class FnoBlock(nn.Module):
    """A spectral layer beside a convolution, added to what came in.

    Parameters
    ----------
    channels
        Channels in and out.
    modes
        Frequencies that are kept along each axis.
    """

    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        self.spectral = SpectralConv(channels, modes)
        self.local_conv = conv3x3(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features, of the same shape."""
        return features + nn.functional.gelu(self.spectral(features) + self.local_conv(features))
