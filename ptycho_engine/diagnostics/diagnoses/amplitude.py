"""``flat-amplitude``: the network draws a constant; ``partly-flat``: it does in places; ``saturated-amplitude``."""

from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence, fits_like_nothing, fits_worse_than_nothing
from ptycho_engine.diagnostics.readings import SILU_MINIMUM, TROUGH, Reading
from ptycho_engine.documents import Diagnosis

TROUGH_SHARE = 0.5
"""Part of the light that SiLU's trough must hold. PtychoPINN's network draws the centre of a patch apart from its
border: collapsed trainings of a real scan had their centre alone in it, with 63 to 72 % of the light, or all."""
PART = 0.1
"""Part of the light that makes ``partly-flat``. Three of fourteen starts lost the border of the patch alone, which has
28 % of the light of that probe, and went on to learn the centre."""
OUT_OF_REACH = 2.0
"""Times SiLU's minimum that the data must demand. Where the probe is so strong that 0.28 is enough, a negative
amplitude is only another sign of the phase."""
FLAT = 0.1
"""Part of the spread of |O|² that the measured energies demand (a lower bound already), below which it is missing."""
CONSTANT = 1e-3
"""Relative spread of |O|² of patches that are constant to the eye, whatever the data demand."""
BOUNDED_SHARE = 0.5
"""Part of the light at a bound that makes a finding. Objects may have opaque parts; one that is opaque or twice as
bright as the transparent start over half of the light hardly transmits a pattern that could be phased."""


def flat_amplitude(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find an amplitude that has collapsed.

    In SiLU's trough: over ``TROUGH_SHARE`` of the light the amplitude is below zero and near the minimum, although the
    data demand at least ``OUT_OF_REACH`` times as much, and the patterns are explained no better than by an empty
    object. Within the trough a network may still learn to draw: the picture then shows the specimen, at a wrong level.
    Anywhere: relative spread of ``|O|²`` below ``FLAT`` times what the energies of the patterns demand, or below
    ``CONSTANT`` in a network that has learned nothing; both only if it lasts, and if the loss gains little meanwhile: a
    network that starts as the empty object is flat, too, but learns.
    """
    drawn, loss = evidence.now.drawn, evidence.now.train_loss
    if drawn.finite < 1.0:
        return None
    if drawn.in_trough >= TROUGH_SHARE and _out_of_reach(evidence.now) and fits_worse_than_nothing(evidence.now):
        fit = evidence.now.fit
        return Diagnosis(
            "flat-amplitude",
            "error",
            f"Over {100 * drawn.in_trough:.0f} % of the light the amplitude is in the trough of its activation SiLU, "
            f"between {TROUGH:.2f} and {SILU_MINIMUM:.3f}, where {drawn.demanded_amplitude:.3g} is needed: it is "
            f"negative, and cannot reach the level of the patterns (R-factor {fit.r_factor:.2f}, that of an empty "
            f"object {fit.empty_r_factor:.2f}).",
            "Train with another seed, or with the recipe reliable or compatible: they start as the transparent object.",
            {
                "in_trough": drawn.in_trough,
                "demanded_amplitude": drawn.demanded_amplitude,
                "r_factor": fit.r_factor,
                "loss": loss,
            },
        )
    if not (evidence.standing_still and evidence.lasting(_is_flat)):
        return None
    return Diagnosis(
        "flat-amplitude",
        evidence.severity_of_collapse,
        f"The network draws a constant amplitude: |O|² varies by {100 * drawn.amplitude_variation:.2g} %, the patterns "
        f"demand at least {100 * drawn.demanded_variation:.2g} %; the loss stays at about {loss:.3g}.",
        "Train with another seed, with a lower learning rate, or with the recipe reliable.",
        {
            "amplitude_variation": drawn.amplitude_variation,
            "demanded_variation": drawn.demanded_variation,
            "loss": loss,
        },
    )


def partly_flat(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find a part of the light, from ``PART`` on, that stays in SiLU's trough, where the rest does not."""
    share = evidence.now.drawn.in_trough
    if share >= TROUGH_SHARE and fits_worse_than_nothing(evidence.now):
        return None
    if not evidence.lasting(lambda one: one.drawn.in_trough >= PART and _out_of_reach(one)):
        return None
    return Diagnosis(
        "partly-flat",
        "info",
        f"Over {100 * share:.0f} % of the light the amplitude has collapsed into the trough of its activation SiLU and "
        "draws nothing there; the rest of the patch is drawn.",
        "The recipes reliable and compatible draw the whole patch.",
        {"in_trough": share},
    )


def saturated_amplitude(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find a bounded amplitude that stays at its bounds over ``BOUNDED_SHARE`` of the light or more."""
    share = evidence.now.drawn.amplitude_at_bound
    if not evidence.lasting(lambda one: one.drawn.amplitude_at_bound >= BOUNDED_SHARE):
        return None
    return Diagnosis(
        "saturated-amplitude",
        evidence.severity_of_collapse,
        f"The amplitude is at its bounds over {100 * share:.0f} % of the light, where it can hardly change any more.",
        "Check that probe and patterns are in the same units, or train with another seed or a lower learning rate.",
        {"share": share},
    )


def _out_of_reach(reading: Reading) -> bool:
    return reading.drawn.demanded_amplitude > OUT_OF_REACH * -SILU_MINIMUM


def _is_flat(reading: Reading) -> bool:
    drawn = reading.drawn
    limit = FLAT * drawn.demanded_variation
    return drawn.amplitude_variation < (max(limit, CONSTANT) if fits_like_nothing(reading) else limit)
