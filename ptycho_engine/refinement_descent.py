"""The steps of a refinement: each pixel moves by what the light on it says."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ptycho_engine.arrays import FloatArray, IndexArray
from ptycho_engine.physics.forward import predict_amplitude
from ptycho_engine.refinement_field import ObjectField, Places
from ptycho_engine.refinement_misfit import Misfit
from ptycho_engine.refinement_task import RefinementTask

MOMENTUM = 0.9
FIRST_STEP = 0.5
"""Part of the preconditioned step that is taken; with this momentum, five of it in the long run."""
LAST_STEP = 0.05
"""Part of the first step that the last one is: the jitter of steps on few patterns each dies away."""
HELD = 0.5
"""Part of the passes that are made at the full step, before it falls."""
LIT_TIMES = 2.0
"""Patterns that light an average lit pixel in one step: as few as still give steps that agree with each other."""
DAMPING = 0.6
"""Added to the light on a pixel, in mean lights of the probe: a pixel that is hardly lit hardly moves."""
SLOW = 0.125
"""Width of the neighbourhood in which a change counts as slow, in sides of a patch."""
LEAST_EXCESS = 1e-3
"""Deviance of a pixel beyond noise that a start is held for having at least: less cannot be told from none."""
PROXIMITY = 1.0
"""Weight of the old amplitude in the Poisson step, in curvatures of the squared distance."""
_TINY = 1e-12


class Descent:
    """Accelerated, preconditioned descent on object and, if asked, probe.

    A step looks at ``n_together`` patterns, in pieces that memory has room for. Their gradient is that of the distance
    between the predicted amplitude m and the proximal point t of the Poisson likelihood,
    ``t = argmin r² - I log r² + p (r - m)²  = (p m + sqrt(p² m² + 4 (1 + p) I)) / (2 (1 + p))``,
    which is finite where the likelihood's own gradient is not (N. Parikh and S. Boyd, Proximal Algorithms, 2014; for
    ptychography: T. Bian et al., Opt. Express 24, 2016). Each pixel of the object moves by the gradient over the light
    that fell on it in this step, ``sum |P|²``, as in the iterative engine of A. Maiden and J. Rodenburg
    (Ultramicroscopy 109, 2009), but summed over the patterns of a step (P. Thibault and M. Guizar-Sicairos, New J.
    Phys. 14, 2012) and with the momentum of A. Maiden, D. Johnson and P. Li (Optica 4, 2017) in Nesterov's form.

    Parameters
    ----------
    task
        The patterns.
    field
        The object where the descent starts; it is moved.
    """

    def __init__(self, task: RefinementTask, field: ObjectField) -> None:
        self.task = task
        self.field = field
        self.illumination = task.illumination.clone()
        self._prior = field.pixels.clone()
        self._prior_weight = 0.0
        self._start = field.pixels.clone()
        self._strength: FloatArray | None = None
        """Light of the start, smoothed; made when it is asked for."""
        self._velocity = torch.zeros_like(field.pixels)
        self._probe_velocity = torch.zeros_like(self.illumination)
        self._probe_power = float(_power(self.illumination).sum())
        self.n_together = _patterns_together(task, field)

    def trust_the_start(self, misfit: Misfit) -> None:
        """Hold on to the object as it is now by as much as its misfit to the patterns is explained by noise.

        A start that misses every pixel of the object by a variance v, at random, raises the mean deviance of a pixel by
        ``4 S² v/2 sum |P|² / N²`` over that of noise alone: the count of a pixel with rate m² S² has its square root
        spread by 1/2, and half of the error is in the phase of the wave, which nobody measures. So the excess says v,
        and the likelihood with a normal prior of this variance about the start has the weight ``sum |P|² / (2 N²
        excess)`` beside squared distances of amplitudes. Where photons are many this is nothing beside the light; where
        they are few it keeps the noise out.
        """
        excess = misfit.excess
        self._prior.copy_(self.field.pixels)
        self._start.copy_(self.field.pixels)
        self._strength = None
        if excess is None:
            self._prior_weight = 0.0
            return
        light = float(_power(self.task.illumination).mean())
        self._prior_weight = light / (2 * max(excess, LEAST_EXCESS))

    def follow_slow_change(self) -> None:
        """Let what the descent is held to take up every slow change that the patterns have asked for so far.

        Noise differs from pixel to pixel, and so do the errors that the prior allows for; but a good network errs
        slowly as well: the phase that it draws bends over the scan, which the patterns show clearly and a prior for
        each pixel resists. So the start is multiplied by the complex factor, smooth over ``SLOW`` of the side of a
        patch, that brings it nearest to the object as it is now. The noise in a factor is that of a mean over all
        pixels of its neighbourhood.
        """
        from scipy.ndimage import gaussian_filter

        if not self._prior_weight:
            return
        now, start = (torch.view_as_complex(parts).cpu().numpy() for parts in (self.field.pixels, self._start))
        width = SLOW * self.task.model.n
        turned = now * start.conj()
        if self._strength is None:
            self._strength = np.maximum(gaussian_filter(np.square(np.abs(start)), width), _TINY)
        factor = (gaussian_filter(turned.real, width) + 1j * gaussian_filter(turned.imag, width)) / self._strength
        followed = torch.from_numpy((start * factor).astype(np.complex64))
        self._prior.copy_(torch.view_as_real(followed))

    def looked_at(self, patterns: IndexArray, misfit: Misfit) -> Iterator[int]:
        """Measure the misfit of some patterns, piece by piece; yields how many each piece held."""
        for piece in _pieces(patterns, self.task.piece):
            self._look(piece, misfit)
            yield len(piece)

    def stepped(self, patterns: IndexArray, rate: float, misfit: Misfit, *, with_probe: bool) -> Iterator[int]:
        """Make one step on some patterns, piece by piece; yields how many each piece held, the last when it is made."""
        sums = torch.zeros(self.field.pixels.shape[0] * self.field.pixels.shape[1], 3, device=self.field.pixels.device)
        probe_sums = torch.zeros(2, *self.illumination.shape, dtype=torch.complex64, device=sums.device)
        pieces = list(_pieces(patterns, self.task.piece))
        for piece in pieces[:-1]:
            self._gather(piece, sums, probe_sums if with_probe else None, misfit)
            yield len(piece)
        self._gather(pieces[-1], sums, probe_sums if with_probe else None, misfit)
        self._move(sums, rate, len(patterns) / self.task.n_patterns)
        if with_probe:
            self._move_probe(probe_sums, rate)
        yield len(pieces[-1])

    def settle(self) -> None:
        """Take back the look ahead that the momentum had, and give the probe its light back."""
        self.field.pixels -= MOMENTUM * self._velocity
        self._velocity.zero_()
        self.illumination -= MOMENTUM * self._probe_velocity
        self._probe_velocity.zero_()
        if self.task.refine_probe:
            self.fix_probe()

    def fix_probe(self) -> None:
        """Take from the probe what the patterns cannot tell from the object: its light, mean phase and phase ramp.

        The same patterns come from a brighter probe on a darker object, and from a ramp of phase on the probe with the
        opposite one on the object. The probe keeps what it started with of all three, and the object takes the rest.
        The ramp is the mean of the probe's spectrum, which a wrong focus, the commonest fault, does not move.
        """
        slopes = [
            now - before
            for now, before in zip(*map(_mean_slopes, (self.illumination, self.task.illumination)), strict=True)
        ]
        light = self.illumination * _ramp(self.illumination.shape, slopes, -1.0)
        overlap = (self.task.illumination.conj() * light).sum()
        size = torch.sqrt(_power(light).sum() / self._probe_power)
        factor = overlap / overlap.abs().clamp(min=_TINY) * size
        on_probe = _ramp(self.illumination.shape, slopes, -1.0) / factor
        on_object = _ramp(self.field.shape, slopes, 1.0) * factor
        for values in (self.illumination, self._probe_velocity):
            values.mul_(on_probe)
        for parts in (self.field.pixels, self._velocity):
            torch.view_as_complex(parts).mul_(on_object)

    def _look(self, piece: IndexArray, misfit: Misfit) -> None:
        with torch.inference_mode():
            batch = self.task.batches.batch(piece)
            drawn = self.field.cut(self._places(piece))[:, None]
            misfit.take(
                predict_amplitude(drawn, batch.local_offsets, self.illumination[None], self.task.model), batch.images
            )

    def _gather(self, piece: IndexArray, sums: torch.Tensor, probe_sums: torch.Tensor | None, misfit: Misfit) -> None:
        batch, places = self.task.batches.batch(piece), self._places(piece)
        drawn = self.field.cut(places)[:, None].requires_grad_(True)
        light = self.illumination.detach().requires_grad_(probe_sums is not None)
        predicted = predict_amplitude(drawn, batch.local_offsets, light[None], self.task.model)
        with torch.no_grad():
            misfit.take(predicted, batch.images)
            target = proximal_amplitude(predicted, batch.images)
            # The proximal distance is stretched so that its curvature is one where prediction and count agree.
            pull = (predicted - target) * ((2 + PROXIMITY) / 2)
        wanted = (drawn,) if probe_sums is None else (drawn, light)
        gradients = torch.autograd.grad(predicted, wanted, grad_outputs=pull)
        weight = _power(self.illumination).expand(len(piece), -1, -1)[..., None]
        self.field.spread(torch.cat((torch.view_as_real(gradients[0][:, 0]), weight), dim=-1), places, sums)
        if probe_sums is not None:
            probe_sums[0] += gradients[1]
            probe_sums[1] += _power(drawn.detach()[:, 0]).sum(dim=0)

    def _move(self, sums: torch.Tensor, rate: float, part: float) -> None:
        light = _power(self.illumination)
        floor = DAMPING * light.square().sum() / light.sum()
        prior = part * self._prior_weight
        pull = sums[:, :2].reshape(self.field.pixels.shape) + prior * (self.field.pixels - self._prior)
        move = pull * (-rate / (sums[:, 2:] + floor + prior)).reshape(*self.field.shape, 1)
        self._velocity.mul_(MOMENTUM).add_(move)
        # Pixels are kept ahead of the descent by one momentum, where the next gradient is wanted.
        self.field.pixels.add_(move).add_(self._velocity, alpha=MOMENTUM)

    def _move_probe(self, probe_sums: torch.Tensor, rate: float) -> None:
        lit = probe_sums[1].real
        move = probe_sums[0] * (-rate / (lit + DAMPING * lit.mean().clamp(min=_TINY)))
        self._probe_velocity.mul_(MOMENTUM).add_(move)
        self.illumination.add_(move).add_(self._probe_velocity, alpha=MOMENTUM)

    def _places(self, patterns: IndexArray) -> Places:
        return self.field.places(self.task.positions(patterns), self.task.model.n)


def proximal_amplitude(predicted: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
    """Return the proximal point of the Poisson likelihood, of the shape of both amplitudes; see :class:`Descent`."""
    p = PROXIMITY
    root = torch.sqrt((p * predicted).square() + 4 * (1 + p) * measured.square())
    return (p * predicted + root) / (2 * (1 + p))


def step_size(part: float) -> float:
    """Return the step at a part, from 0 to 1, of all passes: full at first, then falling geometrically."""
    return float(FIRST_STEP * LAST_STEP ** max(0.0, (part - HELD) / (1 - HELD)))


def _patterns_together(task: RefinementTask, field: ObjectField) -> int:
    """Return how many patterns, drawn at random, light an average lit pixel :data:`LIT_TIMES` times.

    The count follows from the scan alone, not from the memory: results do not depend on the size of the pieces. The
    work on the whole object in a step then stays in proportion to the patterns of the step.
    """
    n = task.model.n
    corners = np.floor(task.positions(task.batches.all_groups())).astype(np.int64) - n // 2 - np.array(field.origin)
    counts = torch.zeros(field.shape, device=field.pixels.device)
    flat = torch.from_numpy(corners[:, 0] * field.shape[1] + corners[:, 1]).to(counts.device)
    counts.view(-1).index_add_(0, flat, torch.ones(len(flat), device=counts.device))
    light = _power(task.illumination)
    # Convolution of the corners with the probe's light: no pixel wraps, as the field has room for whole patches.
    lit = torch.fft.irfft2(torch.fft.rfft2(counts) * torch.fft.rfft2(light, s=field.shape), s=field.shape)
    once = light.square().sum() / light.sum()
    overlap = float((lit.square().sum() / lit.sum()) / once)
    return int(np.clip(round(LIT_TIMES * task.n_patterns / max(overlap, 1.0)), 1, task.n_patterns))


def _pieces(patterns: IndexArray, size: int) -> Iterator[IndexArray]:
    for first in range(0, len(patterns), size):
        yield patterns[first : first + size]


def _power(values: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(values).square().sum(dim=-1)


def _mean_slopes(light: torch.Tensor) -> list[torch.Tensor]:
    """Return the mean rise of the phase along both axes [rad/px]."""
    return [
        torch.angle((light.narrow(axis, 1, n - 1) * light.narrow(axis, 0, n - 1).conj()).sum())
        for axis, n in enumerate(light.shape)
    ]


def _ramp(shape: Sequence[int], slopes: list[torch.Tensor], sign: float) -> torch.Tensor:
    """Return (H, W) complex64 of magnitude one whose phase rises by the slopes [rad/px] along both axes."""
    rows, columns = (
        torch.arange(n, device=slope.device) * slope * sign for n, slope in zip(shape, slopes, strict=True)
    )
    return torch.exp(1j * (rows[:, None] + columns[None, :]))
