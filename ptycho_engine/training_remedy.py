"""What a training does by itself against a collapse, a divergence and a lack of memory, and says.

A network that collapses in its first epochs starts anew from another draw; a loss that runs away sends the training
back to the end of the last epoch, with half the learning rate. Both follow from the seed and the numbers alone, so that
a training with the same seed does the same again. Where the memory runs out it goes back as well, and computes each
batch in parts from there.
"""

import math
from dataclasses import replace

import numpy as np

from ptycho_engine.device import MAX_HALVINGS, out_of_memory, reclaim
from ptycho_engine.diagnostics.diagnoses.loss import divergence
from ptycho_engine.diagnostics.readings import Reading
from ptycho_engine.documents import Diagnosis
from ptycho_engine.errors import OutputError, TrainingDiverged
from ptycho_engine.events import CheckpointSaved, DiagnosisFound, EngineEvent, MessageLogged
from ptycho_engine.training_job import TrainingJob
from ptycho_engine.training_state import GoodState, Progress
from ptycho_engine.training_watch import collapses

MAX_RESTARTS = 2
"""Where half of the starts collapse, one of three holds in seven of eight trainings; more would hide bad settings."""
MAX_SETBACKS = 3
"""After three the rate is an eighth: what still diverges does not do so for its rate."""
FIRST_EPOCHS = 4
"""A collapse in these epochs, or in the first quarter of the training if that is longer, belongs to the start."""


def start_seed(seed: int, attempt: int) -> int:
    """Return the seed of a start: that of the training, then others that follow from it."""
    return seed if attempt == 0 else int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0])


def may_mend(job: TrainingJob) -> bool:
    """Whether the training may help itself; PtychoPINN's recipe may not, since it is there to be compared with."""
    return job.config.remedy and job.config.recipe != "upstream"


def restart_if_collapsed(job: TrainingJob, told: list[EngineEvent]) -> list[EngineEvent]:
    """Begin again from another start if the newest reading shows a collapse that belongs to the start.

    Parameters
    ----------
    job
        The training.
    told
        What the newest reading gave.

    Returns
    -------
    list of EngineEvent
        The same, with what was done; the finding then says so too, and is no more than a warning.
    """
    progress = job.progress
    found = collapses(progress.findings)
    early = progress.epoch <= max(FIRST_EPOCHS, job.config.epochs // 4)
    if not found or not early or not may_mend(job) or job.fine_tunes:
        return told
    if progress.attempt >= MAX_RESTARTS:
        text = f"{MAX_RESTARTS + 1} starts have collapsed; the training goes on with the last of them"
        return told if text in progress.remedies else [*told, _noted(job, text)]
    seed = start_seed(job.config.seed, progress.attempt + 1)
    done = (
        f"Collapsed in epoch {max(1, progress.epoch)} ({', '.join(one.id for one in found)}): begun again from the "
        f"start of seed {seed} (restart {progress.attempt + 1} of {MAX_RESTARTS})"
    )
    job.progress = Progress(
        logged=progress.logged,
        attempt=progress.attempt + 1,
        setbacks=progress.setbacks,
        halvings=progress.halvings,
        remedies=list(progress.remedies),
    )
    job.epoch_losses.clear()
    job.underway.forget()
    job.best_state = None
    job.trainer.start_anew(seed, job.scans.all_batches)
    job.good = GoodState(job.trainer.snapshot(), job.progress.copy())
    names = {one.id for one in found}
    told = [
        DiagnosisFound(replace(event.diagnosis, severity="warning", hint=f"{done}."))
        if isinstance(event, DiagnosisFound) and event.diagnosis.id in names
        else event
        for event in told
    ]
    return [*told, _noted(job, done), *_kept(job)]


def require_bounded(job: TrainingJob, reading: Reading) -> None:
    """Raise ``TrainingDiverged`` if a weight is not finite, or if the loss ran away and may be mended."""
    words = None if math.isfinite(reading.weight_change) else "a weight is not finite any more"
    if words is None and may_mend(job) and job.progress.setbacks < MAX_SETBACKS:
        lowest = min(job.progress.train_losses, default=math.inf)
        words = divergence(reading.train_loss, job.progress.start_loss, lowest)
    if words is not None:
        raise TrainingDiverged(words, "Lower the learning rate.", file=job.dataset.path)


def go_back_after(job: TrainingJob, error: TrainingDiverged) -> list[EngineEvent]:
    """Go back to the last good state and halve the learning rate; return what was done.

    Raises
    ------
    TrainingDiverged
        The error itself, if the training may not help itself, or has done so too often.
    """
    progress = job.progress
    if not may_mend(job) or progress.setbacks >= MAX_SETBACKS:
        raise error
    progress.setbacks += 1
    where = go_back(job)
    done = (
        f"Diverged in epoch {progress.epoch + 1}: back to {where}, on with {job.trainer.rate_factor:g} times the "
        f"learning rate (time {job.progress.setbacks} of {MAX_SETBACKS})"
    )
    return [divergence_finding(progress, error, f"{done}."), _noted(job, done)]


def halve_after(job: TrainingJob, lacking: str) -> list[EngineEvent]:
    """Go back to the last good state and compute batches in halves; return what was done.

    The end of the last epoch, and not the step that failed: what comes out then depends on the epoch alone in which the
    memory ran out, and nothing that the failed step has half changed is kept. Gradients of the parts are added up, so
    that steps, their number and their learning rates are those of whole batches.

    Parameters
    ----------
    job
        The training; the exception must not be handled any more, since it would keep the memory taken.
    lacking
        How much memory was wanted, in words; may be empty.

    Raises
    ------
    DeviceError
        If the training may not help itself, has done so too often, or computes single groups already.
    """
    job.trainer.optimiser.zero_grad(set_to_none=True)
    reclaim(job.device)
    progress, batch_size = job.progress, job.plan.batch_size
    if not job.config.remedy or progress.halvings >= MAX_HALVINGS or progress.n_parts >= batch_size:
        raise out_of_memory(job.device, lacking)
    progress.halvings += 1
    where = go_back(job)
    wanted = f" ({lacking} more were needed)" if lacking else ""
    done = (
        f"Out of memory in epoch {progress.epoch + 1}{wanted}: back to {where}, on with batches of {batch_size} groups "
        f"computed in {job.progress.n_parts} parts (time {progress.halvings} of {MAX_HALVINGS})"
    )
    return [_noted(job, done, shown=True)]


def go_back(job: TrainingJob) -> str:
    """Put a training to its last good state, and return in words where that is. What was mended stays mended."""
    progress, good = job.progress, job.good.progress
    job.progress = good.copy()
    job.progress.logged, job.progress.remedies = progress.logged, list(progress.remedies)
    job.progress.setbacks, job.progress.halvings = progress.setbacks, progress.halvings
    job.epoch_losses.clear()
    job.underway.forget()
    job.trainer.go_back(job.good.trainer)
    job.trainer.rate_factor, job.trainer.n_parts = job.progress.rate_factor, job.progress.n_parts
    if job.files is not None:
        job.files.forget_after(job.progress.epoch, job.progress.step)
    return f"the end of epoch {good.epoch}" if good.epoch else "the start"


def divergence_finding(progress: Progress, error: TrainingDiverged, hint: str | None = None) -> DiagnosisFound:
    """Return a divergence as a diagnosis."""
    message = f"{error.message[0].upper()}{error.message[1:]}."
    values = {"start_loss": progress.start_loss, "epoch": float(progress.epoch + 1)}
    return DiagnosisFound(Diagnosis("diverged", "error", message, hint or error.hint, values))


def _noted(job: TrainingJob, text: str, *, shown: bool = False) -> MessageLogged:
    job.progress.remedies.append(text)
    return MessageLogged("warning", text, shown)


def _kept(job: TrainingJob) -> list[EngineEvent]:
    """Put the new start in the place of the checkpoints of the one that collapsed."""
    if job.files is None:
        return []
    try:
        path = job.files.begin_anew(job)
    except OutputError as error:
        return [MessageLogged("warning", f"The training goes on, but cannot be saved: {error}", shown=True)]
    return [CheckpointSaved(path, 0, 0, best=False)]
