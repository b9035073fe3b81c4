"""Refine a stitched object against the measured patterns: the same likelihood that trains the network, on pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from ptycho_engine.arrays import ComplexArray, PositionArray, frozen_array
from ptycho_engine.documents import Canvas, Rectangle
from ptycho_engine.events import CanvasUpdated
from ptycho_engine.inference_job import InferenceJob, first_members
from ptycho_engine.models.losses import poisson_loss
from ptycho_engine.physics.forward import predict_amplitude
from ptycho_engine.physics.scaling import intensity_scale
from ptycho_engine.preview import RateLimit

RATE = 0.03
"""First step of a pixel, in mean amplitudes of the object: small against its contrast, so that noise does not grow."""
FINAL_RATE = 0.1
"""Part of the first step that the last one is."""
_DEFAULT_PHOTONS = 1e9


@dataclass(slots=True)
class _Field:
    """The object under refinement, with room for whole patches around the canvas."""

    pixels: torch.Tensor
    """(H, W, 2) real and imaginary part, network scale."""
    origin: tuple[int, int]
    margin: tuple[int, int]
    """Rows and columns of room before the canvas."""

    def patches(self, positions: PositionArray, n: int) -> torch.Tensor:
        """Cut (k, 1, N, N) patches out, bilinear; gradients flow back."""
        corners = np.asarray(positions, np.float64) - n // 2 - np.array(self.origin)
        whole = np.floor(corners).astype(np.int64)
        fraction = torch.from_numpy((corners - whole).astype(np.float32)).to(self.pixels.device)
        steps = np.arange(n + 1)
        rows, columns = (torch.from_numpy(whole[:, axis, None] + steps).to(self.pixels.device) for axis in (0, 1))
        wide = self.pixels[rows[:, :, None], columns[:, None, :]]
        down, right = fraction[:, 0, None, None, None], fraction[:, 1, None, None, None]
        tall = wide[:, :-1] + down * (wide[:, 1:] - wide[:, :-1])
        cut = tall[:, :, :-1] + right * (tall[:, :, 1:] - tall[:, :, :-1])
        return torch.view_as_complex(cut.contiguous())[:, None]

    def inside(self, shape: tuple[int, ...]) -> ComplexArray:
        """Return the part under the canvas."""
        (top, left), (height, width) = self.margin, shape
        window = self.pixels.detach()[top : top + height, left : left + width].cpu().contiguous()
        return torch.view_as_complex(window).numpy()


def refine(job: InferenceJob, canvas: Canvas) -> Iterator[CanvasUpdated]:
    """Lower the misfit of a canvas to the measured patterns, pass by pass.

    Every pass goes once over the first members of all groups in batches; each batch moves the pixels under its patches
    by one step of Adam on the Poisson likelihood. Beyond the canvas, where the probe still falls, the object starts at
    the mean amplitude of the canvas.

    Parameters
    ----------
    job
        The inference that made the canvas.
    canvas
        The canvas at network scale.

    Yields
    ------
    CanvasUpdated
        As often as is due, and at the end.
    """
    alone = first_members(job)
    model = replace(job.bundle.model, gridsize=1)
    photons = job.bundle.n_photons or job.dataset.n_photons or _DEFAULT_PHOTONS
    scale = intensity_scale(photons, model.n)
    field = _field_around(canvas, alone, alone.network_per_physical / canvas.network_per_physical)
    amplitude = float(field.pixels.detach().square().sum(dim=2).sqrt().mean())
    optimiser = torch.optim.Adam([field.pixels], lr=RATE * amplitude, betas=(0.9, 0.99))
    n_passes, n_batches = job.config.refine, alone.batches.n_batches
    limit, done, n_total = RateLimit(job.config.preview_interval_s), 0, job.config.refine * alone.n_patches
    for number in range(n_passes):
        order = alone.batches.order(job.config.seed, number)
        for index, groups in enumerate(alone.batches.slices(order)):
            part = (number + index / n_batches) / n_passes
            optimiser.param_groups[0]["lr"] = RATE * amplitude * FINAL_RATE**part
            batch = alone.batches.batch(groups)
            optimiser.zero_grad(set_to_none=True)
            drawn = field.patches(alone.batches.positions(groups)[:, 0], model.n)
            predicted = predict_amplitude(drawn, batch.local_offsets, job.probe, model)
            poisson_loss(predicted, batch.images, scale).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            done += len(groups)
            if limit.due() or done == n_total:
                limit.begin()
                update = _update(field, canvas, alone.network_per_physical, done, n_total)
                limit.end()
                yield update


def _field_around(canvas: Canvas, job: InferenceJob, level: float) -> _Field:
    """Return the canvas with room for whole patches, brought to the level of the normalised patterns."""
    n, positions = job.bundle.model.n, job.dataset.scan_positions[job.batches.grouping.group_indices[:, 0]]
    low = np.floor(positions.min(axis=0)).astype(int) - n // 2
    high = np.floor(positions.max(axis=0)).astype(int) + n // 2 + 1
    top, left = (int(min(low[axis], canvas.origin_px[axis])) for axis in (0, 1))
    height, width = canvas.object_.shape
    bottom = int(max(high[0], canvas.origin_px[0] + height))
    right = int(max(high[1], canvas.origin_px[1] + width))
    covered = canvas.covered
    seen = canvas.object_[covered]
    fill = complex(float(np.abs(seen).mean()), 0.0) if seen.size else 1.0
    values = np.full((bottom - top, right - left), fill, np.complex64)
    margin = (canvas.origin_px[0] - top, canvas.origin_px[1] - left)
    window = values[margin[0] : margin[0] + height, margin[1] : margin[1] + width]
    window[covered] = seen
    pixels = torch.view_as_real(torch.from_numpy(values * np.float32(level))).to(job.device).contiguous()
    return _Field(pixels.requires_grad_(True), (top, left), margin)


def _update(field: _Field, canvas: Canvas, network_per_physical: float, done: int, total: int) -> CanvasUpdated:
    object_ = np.where(canvas.weight > 0, field.inside(canvas.object_.shape), 0)
    refined = replace(canvas, object_=frozen_array(object_, np.complex64), network_per_physical=network_per_physical)
    height, width = object_.shape
    return CanvasUpdated(refined, Rectangle(0, 0, height, width), done, total)
