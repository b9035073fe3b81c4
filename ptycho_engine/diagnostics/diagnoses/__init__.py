"""What can be wrong, by name: each diagnosis is a function in a file of its family, and one line here."""

from typing import Any

from ptycho_engine.diagnostics.diagnoses.amplitude import flat_amplitude, partly_flat, saturated_amplitude
from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence
from ptycho_engine.diagnostics.diagnoses.loss import diverged, overfit, plateau, weights_untrained
from ptycho_engine.diagnostics.diagnoses.output import dead_output, saturated_phase
from ptycho_engine.documents import Diagnosis
from ptycho_engine.registry import Registry

DIAGNOSES: Registry[Check] = Registry("diagnosis", "ptychoscope.diagnoses")
for _check in (
    Check("dead-output", TrainingEvidence, dead_output, collapse=True),
    Check("flat-amplitude", TrainingEvidence, flat_amplitude, collapse=True),
    Check("partly-flat", TrainingEvidence, partly_flat),
    Check("saturated-phase", TrainingEvidence, saturated_phase, collapse=True),
    Check("saturated-amplitude", TrainingEvidence, saturated_amplitude, collapse=True),
    Check("diverged", TrainingEvidence, diverged),
    Check("plateau", TrainingEvidence, plateau),
    Check("overfit", TrainingEvidence, overfit),
    Check("weights-untrained", TrainingEvidence, weights_untrained),
):
    DIAGNOSES.register(_check.id, _check)


def diagnose(evidence: Any) -> list[Diagnosis]:
    """Return what the registered diagnoses of this kind of evidence find, in their order.

    A plateau that another finding explains is not told as well.
    """
    found = [
        finding
        for check in DIAGNOSES
        if isinstance(evidence, check.evidence) and (finding := check.examine(evidence)) is not None
    ]
    explained = any(DIAGNOSES.get(one.id).collapse for one in found)
    return [one for one in found if not (explained and one.id == "plateau")]
