"""What a pattern says of its patch, to first order: its difference from the mean, propagated back to the specimen.

To draw a patch from a pattern, a network of small kernels has to learn the Fourier transform before anything else: what
lies at one place of the specimen is spread over the whole detector. The probe is known, so this need not be learned.
With P the probe, F the unitary Fourier transform and A the amplitude, the gradient of half the squared misfit of
amplitudes by a patch O, taken at the empty object O = 1, is

    conj(P) F⁻¹[ (A_empty - A_measured) F[P]/|F[P]| ]

(the gradient of Guizar-Sicairos and Fienup, Opt. Express 16, 7264 (2008), for amplitudes). Its negative shows the
specimen where it is, blurred and mixed with its twin, with the noise of the pattern: a picture that a network can set
right from one pixel to the next. The mean pattern of the scan stands for the empty one.
"""

import torch
from torch import Tensor, nn

from ptycho_engine.physics.forward import checkerboard

BACKPROPAGATED_CHANNELS = 3
"""Made of one pattern: itself, real and imaginary part of what it propagates back to."""
_LEAST_MODULUS = 1e-12
"""Of the far field of the probe, below which its phase is taken to be zero."""


class Backpropagation(nn.Module):
    """Adds to patterns what they propagate back to, under a probe that is kept in the state and not trained."""

    light: Tensor
    """(2, N, N) real and imaginary part of the probe."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("light", torch.ones(2, n, n))

    def set_light(self, light: Tensor) -> None:
        """Set the (N, N) complex probe; its scale does not matter."""
        self.light.copy_(torch.stack((light.real, light.imag)))

    def forward(self, differences: Tensor) -> Tensor:
        """Return patterns with what they propagate back to.

        Parameters
        ----------
        differences
            ``(B, C, N, N)`` float32, what amplitudes differ from those of the empty object by; zero frequency in the
            middle.

        Returns
        -------
        Tensor
            ``(B, 3 C, N, N)`` float32: the differences, then real and imaginary parts of what they propagate back to,
            which have together the mean square of the differences if these are noise.
        """
        signs = checkerboard(differences.shape[-1], self.light)
        light = torch.complex(self.light[0], self.light[1])
        far = torch.fft.fft2(light * signs, norm="ortho")
        carried = torch.fft.ifft2(differences * (far / far.abs().clamp(min=_LEAST_MODULUS)), norm="ortho")
        strength = light.abs().square().mean().sqrt().clamp(min=_LEAST_MODULUS)
        back = carried * (light.conj() * signs / strength)
        return torch.cat((differences, back.real, back.imag), dim=1)
