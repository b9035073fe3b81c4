"""One training of a study, tested on another scan of the same specimen, and what is kept of it."""

import hashlib
import json
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ptycho_engine.artefacts.strict_json import json_text
from ptycho_engine.config import InferConfig, TrainConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import TrainingDiverged
from ptycho_engine.events import (
    DiagnosisFound,
    DiagnosisWithdrawn,
    EngineEvent,
    EpochDone,
    InferenceCompleted,
    LossMeasured,
    StepDone,
    TrainingCompleted,
)
from ptycho_engine.inference import infer
from ptycho_engine.studies.variants import VARIANTS
from ptycho_engine.training import train


@dataclass(frozen=True, slots=True)
class Trial:
    """What is trained: it is the same trial as long as all of this is the same."""

    table: str
    row: str
    """What it is compared under."""
    scan: str
    """Fingerprints of the scans that it is trained and tested on."""
    config: TrainConfig
    variant: str = "as it is"
    """A name of :data:`~ptycho_engine.studies.variants.VARIANTS`."""

    @property
    def key(self) -> str:
        """A digest that is the same for the same trial."""
        text = json_text({"scan": self.scan, "config": self.config.as_dict(), "variant": self.variant})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial."""

    key: str
    seed: int
    amplitude: float
    phase: float
    complex: float
    psnr_db: float
    ssim: float
    train_seconds: float
    steps: int
    last_loss: float
    collapsed: bool
    """Whether at the end the network is told to be ill: an error stands, or the loss was lost."""
    named_in_epoch: int | None
    """The first epoch, from 1, at whose end an error was told."""
    findings: Mapping[str, int] = field(default_factory=dict)
    """Diagnoses of severity error or warning, and the epoch in which each was first told."""
    standing: tuple[str, ...] = ()
    """The errors that stand at the end: a collapse, or a network that has learned nothing."""

    def as_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self), allow_nan=True)

    @classmethod
    def from_json(cls, line: str) -> "Outcome":
        """Return what :meth:`as_json` wrote.

        Raises
        ------
        ValueError
            If the line is not complete.
        """
        values: Any = json.loads(line)
        try:
            return cls(**values | {"standing": tuple(values.get("standing", ()))})
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error


def run_trial(trial: Trial, dataset: Dataset, test: Dataset) -> Generator[EngineEvent, None, Outcome]:
    """Train and infer, passing on the counters of the steps; returns what came of it.

    Parameters
    ----------
    trial
        What to train.
    dataset, test
        The scans to train and to test on; the second one carries the object to compare with.
    """
    watched = _Watched()
    started = time.perf_counter()
    try:
        for event in train(dataset, trial.config, adapt=VARIANTS[trial.variant].plan):
            watched.take(event)
            if isinstance(event, StepDone):
                yield event
    except TrainingDiverged:
        watched.lost = True
    seconds = time.perf_counter() - started
    figures = dict.fromkeys(("amplitude", "phase", "complex", "psnr_db", "ssim"), float("nan"))
    if watched.completed is not None:
        config = InferConfig(accelerator=trial.config.accelerator, preview_interval_s=3600.0)
        for event in infer(test, watched.completed.bundle, config):
            if isinstance(event, InferenceCompleted) and event.metrics is not None:
                metrics = event.metrics
                figures = {
                    "amplitude": metrics.amplitude_correlation,
                    "phase": metrics.phase_correlation,
                    "complex": metrics.complex_correlation,
                    "psnr_db": metrics.psnr_db,
                    "ssim": metrics.ssim,
                }
    return Outcome(
        key=trial.key,
        seed=trial.config.seed,
        **figures,
        train_seconds=seconds,
        steps=watched.steps,
        last_loss=watched.loss,
        collapsed=watched.lost or bool(watched.standing),
        named_in_epoch=min(watched.errors.values(), default=None),
        findings=watched.errors | watched.warnings,
        standing=tuple(sorted(watched.standing)),
    )


class _Watched:
    """Follows a training."""

    def __init__(self) -> None:
        self.completed: TrainingCompleted | None = None
        self.errors: dict[str, int] = {}
        self.warnings: dict[str, int] = {}
        self.standing: set[str] = set()
        """Errors that were not withdrawn."""
        self.epoch, self.steps, self.loss, self.lost = 1, 0, float("nan"), False

    def take(self, event: EngineEvent) -> None:
        if isinstance(event, LossMeasured):
            self.steps, self.loss = event.step + 1, event.loss
        elif isinstance(event, EpochDone):
            # Findings of an epoch are told after it.
            self.epoch = event.epoch + 1
        elif isinstance(event, DiagnosisFound):
            found = event.diagnosis
            self.standing.discard(found.id)
            if found.severity == "error":
                self.errors.setdefault(found.id, self.epoch)
                self.standing.add(found.id)
            elif found.severity == "warning":
                self.warnings.setdefault(found.id, self.epoch)
        elif isinstance(event, DiagnosisWithdrawn):
            self.standing.discard(event.id)
        elif isinstance(event, TrainingCompleted):
            self.completed = event
