"""``not-learning``: after its first epochs a network explains the patterns worse than an empty object does."""

import math

from ptycho_engine.diagnostics.diagnoses.evidence import (
    AGREEING,
    NEAR_THE_NOISE,
    TrainingEvidence,
    fits_worse_than_nothing,
    tells_rare_photons,
)
from ptycho_engine.diagnostics.readings import Reading
from ptycho_engine.documents import Diagnosis

FIRST_EPOCH = 2
"""Epochs that a training is given; with ``FIRST_STEPS``."""
FIRST_STEPS = 96
"""Steps that it is given. Trainings of a real scan that came to a reconstruction were below 0.85 of the empty object's
R-factor after 51 steps, and those that did not were above 1.04 of it after 153."""


def not_learning(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find a network that has learned nothing when others have.

    From ``FIRST_EPOCH`` and ``FIRST_STEPS`` on, at every reading over some steps: neighbouring patches agree no better
    than by chance, and the R-factor is not below the empty object's; or, where photons are rare, patterns are
    explained no better than by what is predicted for others.
    """
    now = evidence.now
    if now.epoch < FIRST_EPOCH or now.step < FIRST_STEPS or not evidence.lasting(_learned_nothing):
        return None
    fit = now.fit
    if fit.poisson_deviance <= NEAR_THE_NOISE:
        nothing = "what is predicted for another one"
        explained = f"Poisson deviance {fit.poisson_deviance:.4g}, with strangers {fit.stranger_deviance:.4g}"
    else:
        nothing = "an empty object"
        explained = f"R-factor {fit.r_factor:.3f}, empty {fit.empty_r_factor:.3f}"
    return Diagnosis(
        "not-learning",
        "error",
        f"After {now.epoch} epochs ({now.step} steps) the network has learned nothing: the patterns are explained no "
        f"better than by {nothing} ({explained}), and "
        f"neighbouring patches agree no better than by chance (overlap {fit.overlap_consistency:z.2f}).",
        "Train with the recipe reliable, whose network learns weak objects and few photons best, with another seed, or "
        "with a lower learning rate. If these do not learn either, check the probe, the positions and the units of the "
        "patterns.",
        {
            "r_factor": fit.r_factor,
            "empty_r_factor": fit.empty_r_factor,
            "deviance": fit.poisson_deviance,
            "stranger_deviance": fit.stranger_deviance,
            "overlap": fit.overlap_consistency,
            "steps": float(now.step),
        },
    )


def _learned_nothing(reading: Reading) -> bool:
    fit = reading.fit
    if fit.overlap_consistency >= AGREEING:
        return False
    if fit.poisson_deviance <= NEAR_THE_NOISE:
        return math.isfinite(fit.stranger_deviance) and not tells_rare_photons(reading)
    return fits_worse_than_nothing(reading)
