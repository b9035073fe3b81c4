"""What a job leaves in the state while it runs: whether it waits, its previews, its curves."""

from dataclasses import replace

from app.state.app_events import JobHeld, JobPausing
from app.state.app_state import FIT_COLUMNS, AppState, JobState, Losses
from app.state.preview_history import PreviewHistory
from ptycho_engine import events as engine
from ptycho_engine.events import PatchPreview


def held_job(job: JobState, event: JobPausing | JobHeld) -> JobState:
    """Return the job after it was asked to wait, came to rest, or went on; one that is stopping goes on stopping."""
    if job.state not in ("starting", "running", "pausing", "paused"):
        return job
    if isinstance(event, JobPausing):
        return job if job.state == "paused" else replace(job, state="pausing")
    if not event.waits:
        return replace(job, state="running")
    # Whoever has changed his mind before the job came to rest sees it run, whatever it tells late.
    return replace(job, state="paused") if job.state == "pausing" else job


def with_preview(state: AppState, event: PatchPreview) -> AppState:
    """Show a preview, and keep it among the earlier ones of its job."""
    job = state.job
    source = job.id if job is not None else ""
    before = state.previews if state.previews.source == source else PreviewHistory(source)
    dataset_id = job.dataset_id if job is not None else None
    return replace(state, preview=event, preview_dataset_id=dataset_id, previews=before.with_preview(event))


def with_loss(losses: Losses, event: engine.LossMeasured | engine.EpochDone | engine.ValidationMeasured) -> Losses:
    """Return the curves with what a training has measured."""
    # A training that goes on from a checkpoint measures the steps after it again: the new figures replace the old.
    if isinstance(event, engine.ValidationMeasured):
        row = (event.step, event.epoch, *(getattr(event.figures, name) for name in FIT_COLUMNS))
        return replace(losses, fit=losses.fit.before("step", event.step).append(*row))
    if isinstance(event, engine.LossMeasured):
        table = losses.steps.before("step", event.step)
        row = (event.step, event.epoch, event.loss, event.learning_rate, event.gradient_norm, event.patches_per_s)
        epochs, fit = (part.before("step", event.step) for part in (losses.epochs, losses.fit))
        return Losses(table.append(*row), epochs, fit)
    validation = float("nan") if event.validation_loss is None else event.validation_loss
    table = losses.epochs.before("epoch", event.epoch)
    epoch_row = (event.epoch, event.step, event.train_loss, validation, event.learning_rate, float(event.best))
    return replace(losses, epochs=table.append(*epoch_row))
