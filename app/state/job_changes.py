"""What a job leaves in the state while it runs: whether it waits, its previews."""

from dataclasses import replace

from app.state.app_events import JobHeld, JobPausing
from app.state.app_state import AppState, JobState
from app.state.examinations import finding_key
from app.state.preview_history import PreviewHistory
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
    source = state.shown_run or (job.id if job is not None else "")
    before = state.previews if state.previews.source == source else PreviewHistory(source)
    dataset_id = job.dataset_id if job is not None else None
    return replace(
        state,
        preview=event,
        training_preview=event if event.phase == "train" else state.training_preview,
        preview_dataset_id=dataset_id,
        previews=before.with_preview(event),
    )


def without_finding(state: AppState, name: str) -> AppState:
    """Return the state without a finding of the job, and without its notice."""
    return replace(
        state,
        diagnoses=tuple(one for one in state.diagnoses if one.id != name),
        notices=tuple(one for one in state.notices if one.key != finding_key("job", name)),
    )
