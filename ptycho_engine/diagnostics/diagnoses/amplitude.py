"""``flat-amplitude``: the network draws a constant. ``saturated-amplitude``: its amplitude is at its bounds."""

from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence, fits_like_nothing
from ptycho_engine.diagnostics.readings import Reading
from ptycho_engine.documents import Diagnosis

SILU_MINIMUM = -0.2785
"""min x/(1 + exp(-x)), at x = -1.278."""
NEAR_MINIMUM = 0.7 * SILU_MINIMUM
"""Mean amplitude from which on SiLU holds it. Below zero a greater modulus is deeper in the trough, where the slope
ends: the loss drives every pixel into it, and none out. 14 collapsed trainings of a real scan were beyond this one
epoch after they turned negative."""
DARK = 0.5
"""Part of the measured energy below which a negative amplitude is a fault. Where the probe is so strong that 0.28 is
enough for the data, a negative amplitude is only another sign of the phase."""
FLAT = 0.1
"""Part of the spread of |O|² that the measured energies demand (a lower bound already), below which it is missing."""
CONSTANT = 1e-3
"""Relative spread of |O|² of patches that are constant to the eye, whatever the data demand."""
BOUNDED_SHARE = 0.5
"""Part of the light at a bound that makes a finding. Objects may have opaque parts; one that is opaque or twice as
bright as the transparent start over half of the light hardly transmits a pattern that could be phased."""


def flat_amplitude(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find an amplitude that has collapsed to a constant.

    In SiLU's trough: mean amplitude of the head below ``NEAR_MINIMUM`` and less than ``DARK`` of the measured energy.
    Anywhere: relative spread of ``|O|²`` below ``FLAT`` times what the energies of the patterns demand, or below
    ``CONSTANT`` in a network that has learned nothing; both only if it lasts, and if the loss gains little meanwhile: a
    network that starts as the empty object is flat, too, but learns.
    """
    drawn, loss = evidence.now.drawn, evidence.now.train_loss
    if drawn.finite < 1.0:
        return None
    if drawn.mean_amplitude < NEAR_MINIMUM and drawn.energy_ratio < DARK:
        return Diagnosis(
            "flat-amplitude",
            "error",
            f"The amplitude is held at {drawn.mean_amplitude:.3f}, in the trough of its activation SiLU (minimum "
            f"{SILU_MINIMUM:.3f}): it explains {100 * drawn.energy_ratio:.2g} % of the measured light, and the loss "
            f"stays at about {loss:.3g}.",
            "Train with another seed, or with the recipe reliable or compatible: they start as the transparent object.",
            {"mean_amplitude": drawn.mean_amplitude, "energy_ratio": drawn.energy_ratio, "loss": loss},
        )
    if not (evidence.standing_still and evidence.lasting(_is_flat)):
        return None
    return Diagnosis(
        "flat-amplitude",
        "error" if evidence.nothing_learned else "warning",
        f"The network draws a constant amplitude: |O|² varies by {100 * drawn.amplitude_variation:.2g} %, the patterns "
        f"demand at least {100 * drawn.demanded_variation:.2g} %; the loss stays at about {loss:.3g}.",
        "Train with another seed, with a lower learning rate, or with the recipe reliable.",
        {
            "amplitude_variation": drawn.amplitude_variation,
            "demanded_variation": drawn.demanded_variation,
            "loss": loss,
        },
    )


def saturated_amplitude(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find a bounded amplitude that stays at its bounds over ``BOUNDED_SHARE`` of the light or more."""
    share = evidence.now.drawn.amplitude_at_bound
    if not evidence.lasting(lambda one: one.drawn.amplitude_at_bound >= BOUNDED_SHARE):
        return None
    return Diagnosis(
        "saturated-amplitude",
        "error" if evidence.nothing_learned else "warning",
        f"The amplitude is at its bounds over {100 * share:.0f} % of the light, where it can hardly change any more.",
        "Check that probe and patterns are in the same units, or train with another seed or a lower learning rate.",
        {"share": share},
    )


def _is_flat(reading: Reading) -> bool:
    drawn = reading.drawn
    limit = FLAT * drawn.demanded_variation
    return drawn.amplitude_variation < (max(limit, CONSTANT) if fits_like_nothing(reading) else limit)
