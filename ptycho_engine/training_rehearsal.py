"""What a training does before its first step where noise hides the object: rehearse on made-up objects."""

import math
from collections.abc import Generator
from itertools import count

from ptycho_engine.events import REHEARSAL, EngineEvent, MessageLogged, Progressed
from ptycho_engine.rehearsal import NOISY, rehearsed, share_of_noise
from ptycho_engine.time_left import TimeLeft
from ptycho_engine.training_events import preview, previews_due
from ptycho_engine.training_job import TrainingJob
from ptycho_engine.training_scans import ScanStep
from ptycho_engine.training_state import GoodState


def rehearse(job: TrainingJob, left: TimeLeft) -> Generator[EngineEvent, None, None]:
    """Teach a fresh network the way from detector to specimen on made-up objects, where the recipe and the scan ask it.

    The steps are those of the training, with its batches and its schedule, but they are none of it: nothing of them
    is in its losses, and what the optimiser has seen is forgotten. A start that collapses and is drawn anew rehearses
    anew.
    """
    n_steps = job.plan.rehearsal_steps
    if job.fine_tunes or job.progress.step or job.progress.rehearsed or not n_steps:
        return
    noise = job.ranks.from_first(lambda: share_of_noise(job.scans.scans))
    if noise < NOISY:
        return
    yield MessageLogged(
        "info",
        f"{noise:.0%} of what patterns differ by is the noise of few photons: the network rehearses on patterns of "
        f"made-up objects under this probe, {n_steps} steps, before it is trained on the scan. The network of the "
        "recipe reliable does without.",
        shown=True,
    )
    trainer = job.trainer
    left.begin(0)
    for done, planned in zip(range(n_steps), _steps(job), strict=False):
        trainer.set_learning_rate(done / n_steps)
        batch = planned.scan.batches.batch(planned.groups)
        seed = (job.config.seed, job.progress.attempt, done)
        trainer.step(rehearsed(batch, planned.scan, seed, done / n_steps), planned.scan.scene)
        seconds = left.seconds(done + 1, n_steps + job.n_steps)
        yield Progressed(done + 1, n_steps, REHEARSAL, seconds)
        if job.ranks.first:
            yield from previews_due(job)
    over = MessageLogged("info", "The rehearsal is over; from here on the network is trained on the scan.")
    if not math.isfinite(trainer.weight_change(job.good.trainer)):
        trainer.go_back(job.good.trainer)
        over = MessageLogged("warning", "The rehearsal ran away; the network is trained without it.", shown=True)
    trainer.forget_moments()
    job.progress.rehearsed = n_steps
    left.begin(0)
    job.underway.forget()
    job.good = GoodState(trainer.snapshot(), job.progress.copy())
    yield over
    if job.ranks.first:
        yield preview(job)


def _steps(job: TrainingJob) -> Generator[ScanStep, None, None]:
    """Yield the steps of one epoch after another."""
    for epoch in count():
        yield from job.scans.steps(job.config.seed, epoch, neighbouring=job.plan.shared_object)
