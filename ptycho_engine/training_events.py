"""What a training tells: its events, made from the state of the job."""

import math
import time
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from ptycho_engine.arrays import frozen_array
from ptycho_engine.diagnostics.patch_stats import patch_stats
from ptycho_engine.errors import TrainingDiverged
from ptycho_engine.events import LossMeasured, PatchPreview, StatsMeasured, StepDone
from ptycho_engine.time_left import TimeLeft
from ptycho_engine.trainer import Step
from ptycho_engine.training_job import TrainingJob
from ptycho_engine.training_underway import LossUnderway, PreviewUnderway
from ptycho_engine.transfers import HostCopy


def step_done(job: TrainingJob, left: TimeLeft) -> StepDone:
    """Return the counters of this moment."""
    progress = job.progress
    epoch = min(progress.epoch, job.config.epochs - 1)
    seconds = left.seconds(progress.step, job.n_steps)
    return StepDone(progress.step, job.n_steps, epoch, job.config.epochs, seconds)


def losses_measured(job: TrainingJob, step: Step, learning_rate: float, started: float) -> Iterator[LossMeasured]:
    """Ask for the loss of the step just done where it is due; keep and yield the losses that have arrived.

    Parameters
    ----------
    job
        The training, with the step counted.
    step
        What the step left.
    learning_rate
        The rate of the step.
    started
        ``time.perf_counter()`` before the step [s].
    """
    progress = job.progress
    if _is_logged(job):
        values = HostCopy([torch.stack((step.loss, step.gradient_norm.to(step.loss.dtype)))])
        job.underway.losses.append(LossUnderway(progress.step - 1, progress.epoch, learning_rate, values))
    arrived = list(job.underway.arrived())
    # Of a GPU, the wait for the loss of an earlier step is what the steps take.
    job.meter.add(int(step.patches.shape[0] * step.patches.shape[1]), time.perf_counter() - started)
    yield from _kept(job, arrived)


def _is_logged(job: TrainingJob) -> bool:
    """Whether the step just done is one whose figures are told."""
    return job.progress.step % job.config.log_every == 0 or job.progress.batch == job.scans.n_steps


def losses_settled(job: TrainingJob) -> Iterator[LossMeasured]:
    """Wait for all losses that were asked for; keep and yield them."""
    yield from _kept(job, job.underway.arrived(wait=True))


def _kept(job: TrainingJob, arrived: Iterable[tuple[LossUnderway, float, float]]) -> Iterator[LossMeasured]:
    """Keep all losses before one is told, since whoever stops there must lose none; and tell those before a bad one."""
    events: list[LossMeasured] = []
    try:
        for one, loss, norm in arrived:
            require_finite(job, loss, f"step {one.index}")
            job.progress.steps.append(one.index)
            job.progress.step_losses.append(loss)
            events.append(LossMeasured(one.index, one.epoch, loss, one.learning_rate, norm, job.meter.rate()))
    except TrainingDiverged:
        yield from events
        raise
    yield from events


def stats_measured(job: TrainingJob, step: Step) -> Iterator[StatsMeasured]:
    """Yield the statistics of the patches of this step, while batches are to be logged."""
    progress, config = job.progress, job.config
    limit = config.patch_stats_limit
    if not config.log_patch_stats or not _is_logged(job) or (limit is not None and progress.logged >= limit):
        return
    amplitude = step.patches.abs().cpu().numpy()
    progress.logged += 1
    yield StatsMeasured(progress.step - 1, patch_stats(amplitude, "train", progress.step - 1))


def preview(job: TrainingJob) -> PatchPreview:
    """Return the chosen patches as the network draws them now, one for each chosen group; waits for the device."""
    return _shown(job, _drawn(job))


def previews_due(job: TrainingJob) -> Iterator[PatchPreview]:
    """Have the chosen patches drawn where it is time for it, and yield those that have arrived."""
    underway = job.underway
    if underway.preview is None and job.previews.due():
        underway.preview = _drawn(job)
    if underway.preview is not None and underway.preview.ready:
        drawn, underway.preview = underway.preview, None
        yield _shown(job, drawn)


def _drawn(job: TrainingJob) -> PreviewUnderway:
    job.previews.begin()
    pieces = []
    for groups in job.batches.slices(job.preview_groups):
        batch = job.batches.batch(groups)
        patches, predicted = job.trainer.predict(batch)
        with torch.inference_mode():
            shown = (patches, job.trainer.profile.measured_amplitude(batch.images), predicted)
            pieces.append(HostCopy([one[:, 0] for one in shown]))
    frames = job.batches.grouping.group_indices[job.preview_groups, 0]
    return PreviewUnderway(job.progress.step, frames, tuple(pieces))


def _shown(job: TrainingJob, drawn: PreviewUnderway) -> PatchPreview:
    parts = zip(*(piece.arrays() for piece in drawn.pieces), strict=True)
    patches_, measured, predicted_ = (np.concatenate(part) for part in parts)
    frames = drawn.frames
    event = PatchPreview(
        phase="train",
        step=drawn.step,
        patches=frozen_array(patches_, np.complex64),
        measured=frozen_array(measured, np.float32),
        predicted=frozen_array(predicted_, np.float32),
        frame_indices=frozen_array(frames, np.int64),
        scan_positions=frozen_array(job.dataset.scan_positions[frames], np.float64),
        network_per_physical=job.network_per_physical,
        intensity_scale=job.intensity_scale,
    )
    job.previews.end()
    return event


def require_finite(job: TrainingJob, loss: float, where: str) -> None:
    """Raise ``TrainingDiverged`` with what is known about the cause unless ``loss`` is finite."""
    if math.isfinite(loss):
        return
    files = job.files
    rate = job.trainer.optimiser.param_groups[0]["lr"]
    kept = "Nothing was saved yet."
    if files is not None and files.newest() is not None:
        kept = f"The last good state is kept in {files.newest()}."
    raise TrainingDiverged(
        f"the loss is not finite any more at {where} (epoch {job.progress.epoch + 1}, learning rate {rate:.2g})",
        "Likely causes: a learning rate that is too high, patterns that hold infinite or huge values, or a number of "
        f"photons that is far off. {kept}",
        file=job.dataset.path,
    )
