"""Measuring a training as it goes, and telling what is wrong with it."""

import math
from collections.abc import Iterable

from ptycho_engine.diagnostics.diagnoses import diagnose, is_collapse
from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence
from ptycho_engine.diagnostics.readings import Reading
from ptycho_engine.documents import Diagnosis
from ptycho_engine.events import DiagnosisFound, DiagnosisWithdrawn, EngineEvent, ValidationMeasured
from ptycho_engine.trainer import mean_loss
from ptycho_engine.training_job import TrainingJob

LOOK_EVERY = 500
"""Steps of an epoch between two readings, besides that at its end."""


def look_is_due(job: TrainingJob) -> bool:
    """Whether a long epoch is to be looked at before its next step."""
    progress = job.progress
    # Asked before a step and not after one: a training that is cut in between looks when it goes on.
    return progress.batch > 0 and progress.batch % LOOK_EVERY == 0 and progress.read_batches < progress.batch


def read(job: TrainingJob, validation_loss: float | None = None, *, complete: bool = False) -> Reading:
    """Measure the training on its fixed sample; the device is waited for.

    Parameters
    ----------
    job
        The training; it is not changed.
    validation_loss
        The loss on the test scan, where it was computed.
    complete
        Whether an epoch is complete which is not counted yet.
    """
    progress = job.progress
    first = progress.read_batches
    drawn, fit = job.sample.measure(job.trainer)
    return Reading(
        step=progress.step,
        epoch=progress.epoch + complete,
        train_loss=mean_loss(job.epoch_losses[first:], job.step_sizes()[first : progress.batch]),
        validation_loss=math.nan if validation_loss is None else validation_loss,
        weight_change=job.trainer.weight_change(job.good.trainer),
        drawn=drawn,
        fit=fit,
    )


def look(job: TrainingJob, reading: Reading) -> list[EngineEvent]:
    """Take in a reading; return it as an event, with what it shows to be wrong now and no longer."""
    progress = job.progress
    lowest = min(progress.train_losses, default=math.inf)
    progress.readings.append(reading)
    found = diagnose(TrainingEvidence(tuple(progress.readings), progress.start_loss, lowest))
    told: list[EngineEvent] = [ValidationMeasured(reading.step - 1, progress.epoch, reading.fit)]
    before = {one.id: one.severity for one in progress.findings}
    told += [DiagnosisFound(one) for one in found if before.get(one.id) != one.severity]
    gone = sorted(set(before) - {one.id for one in found})
    told += [DiagnosisWithdrawn(name, progress.epoch + 1) for name in gone]
    progress.findings = found
    return told


def collapses(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Return the findings that only another start can mend."""
    return [one for one in found if one.severity == "error" and is_collapse(one.id)]
