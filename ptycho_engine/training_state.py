"""How far a training has come: everything that a resumed one needs besides weights and moments."""

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ptycho_engine.arrays import frozen_array
from ptycho_engine.diagnostics.readings import Reading
from ptycho_engine.documents import Diagnosis, LossHistory
from ptycho_engine.trainer import TrainerState


@dataclass(slots=True)
class Progress:
    """Counters and losses of a training, host numbers only."""

    epoch: int = 0
    """Complete epochs."""
    batch: int = 0
    """Batches done in the epoch that has begun."""
    step: int = 0
    """Optimiser steps done."""
    logged: int = 0
    """Batches whose patch statistics were told."""
    steps: list[int] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)
    train_losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    """NaN where there is no test scan."""
    best_loss: float = math.inf
    best_epoch: int = -1
    readings: list[Reading] = field(default_factory=list)
    """What was measured of this attempt, for the diagnoses."""
    findings: list[Diagnosis] = field(default_factory=list)
    """Diagnoses that held at the newest reading."""
    rehearsed: int = 0
    """Steps on made-up objects that this start has behind it; they are not among its own."""
    attempt: int = 0
    """Starts before this one that collapsed."""
    setbacks: int = 0
    """Times that the training went back to the last good state; each halves the learning rate."""
    halvings: int = 0
    """Times that the memory ran out; each halves what is computed at once."""
    remedies: list[str] = field(default_factory=list)
    """What was done by itself, one sentence each."""

    def end_epoch(self, train_loss: float, validation_loss: float | None) -> bool:
        """Count a complete epoch; return whether it is the best so far."""
        decisive = train_loss if validation_loss is None else validation_loss
        best = decisive < self.best_loss
        if best:
            self.best_loss, self.best_epoch = decisive, self.epoch
        self.train_losses.append(train_loss)
        self.validation_losses.append(math.nan if validation_loss is None else validation_loss)
        self.epoch += 1
        self.batch = 0
        return best

    @property
    def epochs_since_best(self) -> int:
        """Complete epochs after the best one."""
        return self.epoch - 1 - self.best_epoch

    @property
    def rate_factor(self) -> float:
        """What the learning rates of the schedule are multiplied by."""
        return float(0.5**self.setbacks)

    @property
    def n_parts(self) -> int:
        """In how many parts a batch is computed."""
        return int(2**self.halvings)

    @property
    def start_loss(self) -> float:
        """The loss that the training began with: of the first step or the first epoch, whichever is greater.

        Infinite in the first epoch. A first batch may lie where the object is empty, and have hardly any loss.
        """
        return max(self.step_losses[0], self.train_losses[0]) if self.train_losses and self.step_losses else math.inf

    @property
    def read_batches(self) -> int:
        """Batches of the epoch that has begun which the newest reading covers."""
        newest = self.readings[-1] if self.readings else None
        begun = self.step - self.batch
        return newest.step - begun if newest is not None and newest.step > begun else 0

    def copy(self) -> "Progress":
        """Return progress that shares nothing with this."""
        return copy.deepcopy(self)

    def history(self) -> LossHistory:
        """Return the losses so far as a document."""
        return LossHistory(
            steps=frozen_array(self.steps, np.int64),
            step_losses=frozen_array(self.step_losses, np.float64),
            epochs=frozen_array(np.arange(len(self.train_losses)), np.int64),
            train_losses=frozen_array(self.train_losses, np.float64),
            validation_losses=frozen_array(self.validation_losses, np.float64),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data fit for strict JSON: no NaN, no infinity."""
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "logged": self.logged,
            "steps": list(self.steps),
            "step_losses": list(self.step_losses),
            "train_losses": list(self.train_losses),
            "validation_losses": [None if math.isnan(loss) else loss for loss in self.validation_losses],
            "best_loss": None if math.isinf(self.best_loss) else self.best_loss,
            "best_epoch": self.best_epoch,
            "readings": [one.as_dict() for one in self.readings],
            "findings": [asdict(one) for one in self.findings],
            "rehearsed": self.rehearsed,
            "attempt": self.attempt,
            "setbacks": self.setbacks,
            "halvings": self.halvings,
            "remedies": list(self.remedies),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Progress":
        """Read what :meth:`as_dict` wrote; raises ``KeyError``, ``TypeError`` or ``ValueError`` on anything else."""
        best = values["best_loss"]
        return cls(
            epoch=int(values["epoch"]),
            batch=int(values["batch"]),
            step=int(values["step"]),
            logged=int(values["logged"]),
            steps=[int(step) for step in values["steps"]],
            step_losses=[float(loss) for loss in values["step_losses"]],
            train_losses=[float(loss) for loss in values["train_losses"]],
            validation_losses=[math.nan if loss is None else float(loss) for loss in values["validation_losses"]],
            best_loss=math.inf if best is None else float(best),
            best_epoch=int(values["best_epoch"]),
            readings=[Reading.from_dict(one) for one in values["readings"]],
            findings=[Diagnosis(**one) for one in values["findings"]],
            rehearsed=int(values.get("rehearsed", 0)),
            attempt=int(values["attempt"]),
            setbacks=int(values["setbacks"]),
            halvings=int(values.get("halvings", 0)),
            remedies=[str(one) for one in values["remedies"]],
        )


@dataclass(slots=True)
class GoodState:
    """The end of the last epoch, or the start: what a training goes back to when it diverges."""

    trainer: TrainerState
    progress: Progress


@dataclass(slots=True)
class Meter:
    """How fast the steps are, without what lies between them."""

    patches: int = 0
    seconds: float = 0.0
    known: float = 0.0
    """Patches per second, as last measured."""

    def add(self, patches: int, seconds: float) -> None:
        """Count the patches of a step and its time [s]."""
        self.patches += patches
        self.seconds += seconds

    def rate(self) -> float:
        """Return patches per second since the last call, and begin anew; what was known where there were none."""
        if self.seconds > 0:
            self.known = self.patches / self.seconds
        self.patches, self.seconds = 0, 0.0
        return self.known
