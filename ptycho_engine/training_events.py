"""What a training tells: its events, made from the state of the job."""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from ptycho_engine.arrays import frozen_array
from ptycho_engine.diagnostics.patch_stats import patch_stats
from ptycho_engine.errors import TrainingDiverged
from ptycho_engine.events import LossMeasured, PatchPreview, StatsMeasured, StepDone
from ptycho_engine.trainer import Step, measured_numbers
from ptycho_engine.training_job import TrainingJob


class TimeLeft:
    """Estimates the time left from the steps done since the job began or was resumed.

    Parameters
    ----------
    step
        Steps that were done before.
    clock
        Seconds from any origin.
    """

    def __init__(self, step: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.begin(step)

    def begin(self, step: int) -> None:
        """Count from this step on."""
        self._first = step
        self._started = self._clock()

    def seconds(self, step: int, n_steps: int) -> float | None:
        """Return the seconds left [s], ``None`` before the first step is done."""
        done = step - self._first
        return (self._clock() - self._started) / done * (n_steps - step) if done > 0 else None


def step_done(job: TrainingJob, left: TimeLeft) -> StepDone:
    """Return the counters of this moment."""
    progress = job.progress
    epoch = min(progress.epoch, job.config.epochs - 1)
    seconds = left.seconds(progress.step, job.n_steps)
    return StepDone(progress.step, job.n_steps, epoch, job.config.epochs, seconds)


def loss_measured(job: TrainingJob, step: Step, learning_rate: float, started: float) -> LossMeasured | None:
    """Read the loss of the step just done where it is due, and keep it in the history.

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
    progress, config = job.progress, job.config
    due = progress.step % config.log_every == 0 or progress.batch == job.scans.n_steps
    loss, norm = measured_numbers(step.loss, step.gradient_norm) if due else (0.0, 0.0)
    job.meter.add(int(step.patches.shape[0] * step.patches.shape[1]), time.perf_counter() - started)
    if not due:
        return None
    index = progress.step - 1
    require_finite(job, loss, f"step {index}")
    progress.steps.append(index)
    progress.step_losses.append(loss)
    return LossMeasured(index, progress.epoch, loss, learning_rate, norm, job.meter.rate())


def stats_measured(job: TrainingJob, step: Step) -> Iterator[StatsMeasured]:
    """Yield the statistics of the patches of this step, while batches are to be logged."""
    progress, config = job.progress, job.config
    limit = config.patch_stats_limit
    if not config.log_patch_stats or (limit is not None and progress.logged >= limit):
        return
    amplitude = step.patches.abs().cpu().numpy()
    progress.logged += 1
    yield StatsMeasured(progress.step - 1, patch_stats(amplitude, "train", progress.step - 1))


def preview(job: TrainingJob) -> PatchPreview:
    """Return the chosen patches as the network draws them now, one for each chosen group."""
    chosen, batches = job.preview_groups, job.batches
    pieces = []
    job.previews.begin()
    for groups in batches.slices(chosen):
        batch = batches.batch(groups)
        patches, predicted = job.trainer.predict(batch)
        shown = (patches, job.trainer.profile.measured_amplitude(batch.images), predicted)
        pieces.append([one[:, 0].cpu().numpy() for one in shown])
    patches_, measured, predicted_ = (np.concatenate(part) for part in zip(*pieces, strict=True))
    frames = batches.grouping.group_indices[chosen, 0]
    event = PatchPreview(
        phase="train",
        step=job.progress.step,
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
