"""``diverged``, ``plateau``, ``overfit``: what the course of the loss tells; ``weights-untrained``: nothing moves."""

import math

from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence, fits_like_nothing, gain
from ptycho_engine.documents import Diagnosis

ABOVE_START = 3.0
"""Mean loss, in the loss that the training began with, from which on it is lost: the start is an empty object or a
random one, and to be three times worse over a whole epoch takes an amplitude that runs away."""
ABOVE_LOWEST = 10.0
"""The same in the lowest mean loss of an epoch. The loss of a training that learns moves up and down by tens of per
cent; ten times is all that it had gained, and more."""
PATIENCE_EPOCHS = 3
"""Epochs that must agree before there is a plateau, or overfitting."""
PLATEAU_STEPS = 96
"""Steps that they must hold: short epochs gain little each."""
PLATEAU_GAIN = 0.01
"""Part of the loss that less is no progress over these epochs."""
AT_THE_NOISE = 2.0
"""Poisson deviance per pixel up to which nothing is left to be learned."""
OVERFIT_RISE = 0.1
"""Part of its lowest by which the validation loss must have risen in each of these epochs."""
OVERFIT_FALL = 0.02
"""Part by which the training loss must have fallen meanwhile."""
UNMOVED = 1e-8
"""Change of the weights, in their own norm: less than one unit in the last place of each of them."""


def diverged(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find a loss that is not finite, or above ``ABOVE_START`` and ``ABOVE_LOWEST`` of what it was."""
    now, start, lowest = evidence.now, evidence.start_loss, evidence.lowest_loss
    finding = divergence(now.train_loss, start, lowest)
    if finding is None:
        return None
    return Diagnosis(
        "diverged",
        "error",
        f"{finding[0].upper()}{finding[1:]} (epoch {now.epoch}).",
        "Lower the learning rate; go on from the last checkpoint before this epoch.",
        {"loss": now.train_loss, "start_loss": start, "lowest_loss": lowest},
    )


def divergence(loss: float, start: float, lowest: float) -> str | None:
    """Return in words why this loss is a divergence, ``None`` if it is none.

    Parameters
    ----------
    loss
        Mean over the newest steps.
    start
        What the training began with; infinite where that is not known.
    lowest
        Least mean of an epoch so far; infinite before the first.
    """
    if not math.isfinite(loss):
        return "the loss is not finite any more"
    if loss > ABOVE_START * abs(start):
        return f"the loss is {loss:.3g}, {loss / abs(start):.2g} times that of the start"
    if loss > ABOVE_LOWEST * abs(lowest):
        return f"the loss is {loss:.3g}, {loss / abs(lowest):.2g} times its lowest"
    return None


def plateau(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find a loss that gains nothing although the patterns are explained no better than by an empty object.

    Over ``PATIENCE_EPOCHS`` and ``PLATEAU_STEPS`` it gained less than ``PLATEAU_GAIN``, the R-factor is not below nine
    tenths of the empty object's, and the deviance is above ``AT_THE_NOISE``. A training that has learned what there is
    gains nothing either, but passes the other two.
    """
    now = evidence.now
    old = [
        one
        for one in evidence.readings
        if one.epoch <= now.epoch - PATIENCE_EPOCHS and one.step <= now.step - PLATEAU_STEPS
    ]
    if not old or not fits_like_nothing(now) or now.fit.poisson_deviance <= AT_THE_NOISE:
        return None
    gained = gain(old[-1].train_loss, now.train_loss)
    if gained >= PLATEAU_GAIN:
        return None
    return Diagnosis(
        "plateau",
        "warning",
        f"The loss stays at about {now.train_loss:.3g} since epoch {old[-1].epoch}, and the patterns are explained no "
        f"better than by an empty object (R-factor {now.fit.r_factor:.3f}, empty {now.fit.empty_r_factor:.3f}).",
        "Train with another seed, with another learning rate, or with the recipe reliable.",
        {"gain": gained, "r_factor": now.fit.r_factor, "empty_r_factor": now.fit.empty_r_factor},
    )


def overfit(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find a validation loss that rises while the training loss falls.

    In each of the last ``PATIENCE_EPOCHS`` epochs it was ``OVERFIT_RISE`` above its lowest, which came before them, and
    the training loss is ``OVERFIT_FALL`` lower than it was then.
    """
    ends = [one for one in evidence.readings if math.isfinite(one.validation_loss)]
    if len(ends) <= PATIENCE_EPOCHS:
        return None
    lowest = min(ends[:-PATIENCE_EPOCHS], key=lambda one: one.validation_loss)
    now, limit = ends[-1], (1.0 + OVERFIT_RISE) * lowest.validation_loss
    rising = all(one.validation_loss > limit for one in ends[-PATIENCE_EPOCHS:])
    if not rising or gain(lowest.train_loss, now.train_loss) < OVERFIT_FALL:
        return None
    rise = -gain(lowest.validation_loss, now.validation_loss)
    return Diagnosis(
        "overfit",
        "warning",
        f"The validation loss is {100 * rise:.0f} % above that of epoch {lowest.epoch} while the training loss has "
        f"fallen by {100 * gain(lowest.train_loss, now.train_loss):.0f} %: the network learns these patterns by heart.",
        "Train on more groups, or for fewer epochs; the bundle holds the best epoch.",
        {"rise": rise, "best_epoch": float(lowest.epoch)},
    )


def weights_untrained(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find weights that changed by less than ``UNMOVED`` of their norm since the reading before."""
    change = evidence.now.weight_change
    if not change < UNMOVED:
        return None
    return Diagnosis(
        "weights-untrained",
        "error",
        f"The weights have not moved since epoch {max(0, evidence.now.epoch - 1)} (change {change:.1g} of their norm).",
        "Check the learning rate: it may be zero, or too small for the weights' precision.",
        {"weight_change": change},
    )
