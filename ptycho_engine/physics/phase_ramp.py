"""The phase ramp over a whole canvas that the patterns of a scan ask for.

A ramp of phase on the object shifts all its patterns. A network trained on small pieces of the object gets the mean
slope of the phase slightly wrong, nothing in the overlaps of patches can tell (their constants take it up), and over
the width of a canvas it adds up. The slope that brings predicted and measured amplitudes together best is a fit of two
numbers to many patterns: Gauss and Newton's, on amplitudes because their photon noise is the same everywhere.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.config import ModelConfig
from ptycho_engine.going_on import GoOn, always
from ptycho_engine.physics.forward import light_on_object, seen_patches
from ptycho_engine.ranks import ALONE, Ranks

SAMPLE_BYTES = 128 << 20
"""Memory that the patterns of the fit and what was drawn of them may take: about 2700 at N = 64."""
PASSES = 6
"""Each pass brings the slope about five times nearer to where it settles."""
_PIECE = 64
_SINGULAR = 1e-9
"""Part of its trace that is added to the normal matrix: patterns that cannot tell a slope give none."""


class PhaseRamp:
    """Keeps an even sample of what is drawn, and fits the slope to it.

    Parameters
    ----------
    probe
        (n_modes, N, N) complex64 of the scan.
    model
        The network's configuration: how its patches diffract.
    n_patches
        How many patches will come in all; of many, every second, third … group is kept.
    ranks
        The processes that draw them.
    n_before
        Groups that the processes before this one draw.
    """

    def __init__(
        self, probe: torch.Tensor, model: ModelConfig, n_patches: int, ranks: Ranks = ALONE, n_before: int = 0
    ) -> None:
        self._probe, self._model, self._ranks = probe, model, ranks
        self._light = light_on_object(probe, model)
        n = probe.shape[-1]
        steps = torch.arange(n, device=probe.device, dtype=torch.float32) - n / 2
        self._axes = torch.stack([steps[:, None].expand(n, n), steps[None, :].expand(n, n)])
        room = max(1, SAMPLE_BYTES // (12 * n * n))
        self._every = -(-n_patches // room)
        self._n_seen = n_before
        self._sample: list[tuple[torch.Tensor, torch.Tensor]] = []

    def take(self, patches: torch.Tensor, local_offsets: torch.Tensor, measured: torch.Tensor) -> None:
        """Take in a batch; nothing is read from the device.

        Parameters
        ----------
        patches
            (B, C, N, N) complex64 as drawn, network scale.
        local_offsets
            (B, C, 2) float32 [px] position minus the centre of its group.
        measured
            (B, C, N, N) float32 normalised amplitude.
        """
        chosen = slice(-self._n_seen % self._every, None, self._every)
        self._n_seen += len(patches)
        if chosen.start >= len(patches):
            return
        # Whole groups, because only these can be merged, and merging is what takes time.
        seen = seen_patches(patches[chosen], local_offsets[chosen], self._probe, self._model)
        # Cloned, because a slice would keep all of the batch alive.
        self._sample.append((seen.flatten(0, 1).clone(), measured[chosen].flatten(0, 1).clone()))

    def rescale(self, s1: float, s2: float) -> None:
        """Multiply the real part of what was drawn by s1 and the imaginary part by s2."""
        self._sample = [(torch.complex(s1 * drawn.real, s2 * drawn.imag), one) for drawn, one in self._sample]

    def slope(self, go_on: GoOn = always) -> NDArray[np.float64]:
        """Return the slope ``(y, x)`` by which the phase of the drawn object should rise more [rad/px].

        (0, 0) where the patterns cannot tell, or what was drawn is not finite. ``go_on`` is called between blocks.
        """
        slope = torch.zeros(2, dtype=torch.float64, device=self._probe.device)
        if not any(self._ranks.all(len(self._sample))):
            return slope.cpu().numpy()
        # A process may have drawn none of the sample, and still takes its part in the sums.
        nothing = torch.zeros((0, *self._light.shape[-2:]), device=slope.device)
        sample = self._sample or [(nothing.to(torch.complex64), nothing)]
        drawn, measured = (torch.cat(part) for part in zip(*sample, strict=True))
        for _ in range(PASSES):
            slope = slope + self._step(drawn, measured, slope, go_on)
        return torch.nan_to_num(slope, posinf=0.0, neginf=0.0).cpu().numpy()

    def _step(self, drawn: torch.Tensor, measured: torch.Tensor, slope: torch.Tensor, go_on: GoOn) -> torch.Tensor:
        """Return the change of the slope that one linear fit asks for."""
        normal = torch.zeros(2, 2, dtype=torch.float64, device=slope.device)
        right = torch.zeros(2, 2, dtype=torch.float64, device=slope.device)
        level = torch.zeros(2, dtype=torch.float64, device=slope.device)
        phase = torch.einsum("i,iyx->yx", slope.float(), self._axes)
        # A ramp over the object and one over each patch differ by a constant for each patch, which no pattern shows.
        light = self._light * torch.polar(torch.ones_like(phase), phase)
        for piece, pattern in zip(torch.split(drawn, _PIECE), torch.split(measured, _PIECE), strict=True):
            go_on()
            waves = piece * light
            field = torch.fft.fft2(waves, norm="ortho")
            slopes = torch.fft.fft2(waves[:, None] * (1j * self._axes), norm="ortho")
            amplitude = field.abs()
            direction = field.conj() / amplitude.clamp(min=torch.finfo(amplitude.dtype).tiny)
            change = (direction[:, None] * slopes).real
            both = torch.stack([torch.fft.ifftshift(pattern, dim=(-2, -1)), amplitude])
            normal += torch.einsum("kiyx,kjyx->ij", change, change)
            right += torch.einsum("kiyx,bkyx->bi", change, both)
            level += torch.einsum("bkyx,kyx->b", both, amplitude)
        self._ranks.add_up(normal, right, level)
        # An object that is too bright as a whole is no reason for a slope: measured and predicted are brought level.
        lacking = right[0] * (level[1] / level[0]) - right[1]
        held = _SINGULAR * normal.diagonal().sum() + torch.finfo(torch.float64).tiny
        step: torch.Tensor = torch.linalg.solve(normal + held * torch.eye(2).to(normal), lacking)
        return step
