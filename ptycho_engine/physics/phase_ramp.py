"""The phase ramp over a whole canvas that the patterns of a scan ask for.

A ramp of phase on the object shifts all its patterns. A network trained on small pieces of the object gets the mean
slope of the phase slightly wrong, nothing in the overlaps of patches can tell (their constants take it up), and over
the width of a canvas it adds up. The slope that brings predicted and measured amplitudes together best is a fit of two
numbers to many patterns: Gauss and Newton's, on amplitudes because their photon noise is the same everywhere.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.config import ModelConfig
from ptycho_engine.physics.forward import light_on_object, seen_patches
from ptycho_engine.ranks import ALONE, Ranks

SAMPLE_BYTES = 128 << 20
"""Memory that the patterns of the fit and what was drawn of them may take: about 2700 at N = 64."""
PASSES = 6
"""At most; each pass brings the slope about five times nearer to where it settles."""
_SETTLED = 2e-6
"""Change of the slope that ends the fit [rad/px]: a hundredth of a radian over the widest canvas."""
_PIECE_PIXELS = 1 << 18
"""Of the patterns that are computed at once."""
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
        self._n_patches, self._n_kept = n_patches, 0
        self._fit_s: float | None = None
        self._drawn, self._measured = self._nothing(0)

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
        seen = seen_patches(patches[chosen], local_offsets[chosen], self._probe, self._model).flatten(0, 1)
        if not self._n_kept:
            # Taken at once: pieces that stay among arrays that come and go would break up the memory.
            self._drawn, self._measured = self._nothing(self._n_patches // self._every + patches.shape[1])
        block = slice(self._n_kept, self._n_kept + len(seen))
        self._drawn[block], self._measured[block] = seen, measured[chosen].flatten(0, 1)
        self._n_kept += len(seen)

    def seconds_to_fit(self, clock: Callable[[], float]) -> float:
        """Return how long the fit will take at most [s], from a piece of it; 0 on a GPU, which has it done at once."""
        if self._fit_s is None and self._n_kept and self._probe.device.type == "cpu":
            count = min(self._n_kept, max(1, _PIECE_PIXELS // self._axes[0].numel()))
            begun = clock()
            self._sums(self._drawn[:count], self._measured[:count], torch.zeros(2, dtype=torch.float64))
            self._fit_s = (clock() - begun) / count * PASSES * len(self._drawn)
        return self._fit_s or 0.0

    def rescale(self, s1: float, s2: float) -> None:
        """Multiply the real part of what was drawn by s1 and the imaginary part by s2."""
        parts = torch.view_as_real(self._drawn[: self._n_kept])
        parts[..., 0] *= s1
        parts[..., 1] *= s2

    def _nothing(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return room for what is drawn, and for what was measured, of ``count`` patches."""
        shape, device = (count, *self._light.shape[-2:]), self._probe.device
        # Batches come in inference mode; what is kept is changed outside of it.
        with torch.inference_mode(mode=False):
            return torch.empty(shape, dtype=torch.complex64, device=device), torch.empty(shape, device=device)

    def slope(self) -> NDArray[np.float64]:
        """Return the slope ``(y, x)`` by which the phase of the drawn object should rise more [rad/px].

        (0, 0) where the patterns cannot tell, or what was drawn is not finite.
        """
        slope = torch.zeros(2, dtype=torch.float64, device=self._probe.device)
        if not any(self._ranks.all(self._n_kept)):
            return slope.cpu().numpy()
        # A process may have drawn none of the sample, and still takes its part in the sums.
        drawn, measured = self._drawn[: self._n_kept], self._measured[: self._n_kept]
        for _ in range(PASSES):
            step = self._step(drawn, measured, slope)
            slope = slope + step
            if float(step.abs().max()) < _SETTLED:
                break
        return torch.nan_to_num(slope, posinf=0.0, neginf=0.0).cpu().numpy()

    def _step(self, drawn: torch.Tensor, measured: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        """Return the change of the slope that one linear fit asks for."""
        normal, right, level = self._sums(drawn, measured, slope)
        self._ranks.add_up(normal, right, level)
        # An object that is too bright as a whole is no reason for a slope: measured and predicted are brought level.
        lacking = right[0] * (level[1] / level[0]) - right[1]
        held = _SINGULAR * normal.diagonal().sum() + torch.finfo(torch.float64).tiny
        step: torch.Tensor = torch.linalg.solve(normal + held * torch.eye(2).to(normal), lacking)
        return step

    def _sums(
        self, drawn: torch.Tensor, measured: torch.Tensor, slope: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the normal matrix, its right sides of what was measured and predicted, and the levels of both."""
        normal = torch.zeros(2, 2, dtype=torch.float64, device=slope.device)
        right = torch.zeros(2, 2, dtype=torch.float64, device=slope.device)
        level = torch.zeros(2, dtype=torch.float64, device=slope.device)
        phase = torch.einsum("i,iyx->yx", slope.float(), self._axes)
        # A ramp over the object and one over each patch differ by a constant for each patch, which no pattern shows.
        light = self._light * torch.polar(torch.ones_like(phase), phase)
        count = max(1, _PIECE_PIXELS // phase.numel())
        for piece, pattern in zip(torch.split(drawn, count), torch.split(measured, count), strict=True):
            waves = piece * light
            field = torch.fft.fft2(waves, norm="ortho")
            slopes = torch.fft.fft2(waves * (1j * self._axes[:, None]), norm="ortho")
            amplitude = field.abs()
            direction = field.conj() / amplitude.clamp(min=torch.finfo(amplitude.dtype).tiny)
            change = (direction * slopes).real.reshape(2, -1)
            both = torch.stack([torch.fft.ifftshift(pattern, dim=(-2, -1)), amplitude]).reshape(2, -1)
            normal += change @ change.T
            right += both @ change.T
            level += both @ amplitude.reshape(-1)
        return normal, right, level
