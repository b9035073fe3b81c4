"""What the diagnoses of a training look at."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ptycho_engine.diagnostics.readings import Reading

SETTLING_STEPS = 32
"""Optimiser steps that two readings must lie apart to say that nothing moves: Adam forgets in about as many."""
LITTLE = 0.02
"""Part of the loss by which it must fall between two such readings: epochs of a training that learns gain more, until
it fits the data; so this alone never makes a finding."""
LEARNED = 0.9
"""Part of the empty object's R-factor below which a network has learned something of the object."""
AGREEING = 0.2
"""Overlap beyond chance from which on it has, too: a network that draws the same for every pattern has 0, random starts
of groups were seen between -0.34 and 0.13. Where noise or a fine object keep the R-factor high, this still tells."""


NEAR_THE_NOISE = 5.0
"""Poisson deviance per pixel up to which the R-factor is one of rare photons: a network that predicts them rightly has
a greater one than an empty object that predicts none. Healthy trainings at 1e5 photons were seen at 2.5 meanwhile."""
BELOW_STRANGERS = 0.98
"""Part of the deviance with strangers below which a network has learned something of rare photons. Of 1e3 photons a
pattern, networks that learned nothing were seen at 1.000 and 1.001, one that learned at 0.90."""


@dataclass(frozen=True, slots=True)
class TrainingEvidence:
    """A training as far as it has come."""

    readings: tuple[Reading, ...]
    """In order; at least one."""
    start_loss: float
    """Loss that the training began with; infinite in its first epoch, when there is nothing to compare with."""
    lowest_loss: float
    """Least mean loss of an epoch before the newest reading; infinite where there is none."""

    @property
    def now(self) -> Reading:
        """The newest reading."""
        return self.readings[-1]

    @property
    def earlier(self) -> Reading | None:
        """The newest of the readings that are enough steps old to compare with; ``None`` if there is none."""
        old = [one for one in self.readings if one.step <= self.now.step - SETTLING_STEPS]
        return old[-1] if old else None

    def lasting(self, holds: Callable[[Reading], bool]) -> bool:
        """Whether something holds of every reading from the earlier one to the newest."""
        earlier = self.earlier
        return earlier is not None and all(holds(one) for one in self.readings if one.step >= earlier.step)

    @property
    def standing_still(self) -> bool:
        """Whether the training loss gained little since the earlier reading."""
        earlier = self.earlier
        return earlier is not None and gain(earlier.train_loss, self.now.train_loss) < LITTLE

    @property
    def nothing_learned(self) -> bool:
        """Whether the network tells the patterns no better than an empty object does."""
        return fits_like_nothing(self.now)

    @property
    def severity_of_collapse(self) -> Literal["error", "warning"]:
        """An error where nothing is learned; a warning where a network is held back but tells something."""
        return "error" if self.nothing_learned else "warning"


def gain(before: float, after: float) -> float:
    """Return the part by which a loss fell, negative where it rose."""
    return (before - after) / abs(before) if before else 0.0


def fits_worse_than_nothing(reading: Reading) -> bool:
    """Whether the patterns are explained no better than by an empty object, by their R-factor alone."""
    return not reading.fit.r_factor < reading.fit.empty_r_factor


def tells_rare_photons(reading: Reading) -> bool:
    """Whether a network predicts few photons better than what it predicts for other patterns does."""
    fit = reading.fit
    return fit.poisson_deviance <= NEAR_THE_NOISE and fit.poisson_deviance < BELOW_STRANGERS * fit.stranger_deviance


def fits_like_nothing(reading: Reading) -> bool:
    """Whether a network fits no better than an empty object, and its patches agree no better than by chance."""
    fit = reading.fit
    if fit.overlap_consistency >= AGREEING or tells_rare_photons(reading):
        return False
    return not math.isfinite(fit.r_factor) or fit.r_factor >= LEARNED * fit.empty_r_factor
