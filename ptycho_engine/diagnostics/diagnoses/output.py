"""``dead-output``: the network draws nothing, or nothing finite. ``saturated-phase``: its phase is at +-pi."""

from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence
from ptycho_engine.documents import Diagnosis

DEAD_ENERGY = 1e-6
"""Part of the measured energy below which nothing is drawn: an amplitude of a thousandth of what is needed. The
worst collapse that still draws something, SiLU's, has about a hundredth of the energy."""
PI_SHARE = 0.5
"""Part of the light at +-pi that makes a finding. A phase that runs through all angles is within 1 % of pi over 1 %
of the light; over half of it only where pi tanh has saturated."""


def dead_output(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find patches that are not finite, or whose patterns have less than ``DEAD_ENERGY`` of the measured energy."""
    drawn = evidence.now.drawn
    if drawn.finite < 1.0:
        share = 100 * (1.0 - drawn.finite)
        finding = f"{share:.2g} % of what the network draws is not finite."
        hint = "Lower the learning rate, and check that the patterns are finite."
    elif drawn.energy_ratio < DEAD_ENERGY:
        finding = f"The patches are zero: their patterns have {drawn.energy_ratio:.1g} of the measured energy."
        hint = "Train with another seed, or with the recipe reliable, which starts as the transparent object."
    else:
        return None
    return Diagnosis(
        "dead-output", "error", finding, hint, {"finite": drawn.finite, "energy_ratio": drawn.energy_ratio}
    )


def saturated_phase(evidence: TrainingEvidence) -> Diagnosis | None:
    """Find a phase that stays at +-pi over ``PI_SHARE`` of the light or more.

    It must last: PtychoPINN's recipe was seen to run into pi in one epoch and to leave it in the next.
    """
    share = evidence.now.drawn.phase_at_pi
    if not evidence.lasting(lambda one: one.drawn.phase_at_pi >= PI_SHARE):
        return None
    return Diagnosis(
        "saturated-phase",
        evidence.severity_of_collapse,
        f"The phase is at +-pi over {100 * share:.0f} % of the light, where it can hardly change any more.",
        "Lower the learning rate, or train with another seed.",
        {"share": share},
    )
