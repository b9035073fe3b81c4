"""What can be wrong, by name: each diagnosis is a function in a file of its family, and one line here."""

from dataclasses import replace
from typing import Any

from ptycho_engine.diagnostics.diagnoses import bundle, density, detector, levels, pairing, placed, positions, result
from ptycho_engine.diagnostics.diagnoses.amplitude import flat_amplitude, partly_flat, saturated_amplitude
from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.evidence import TrainingEvidence
from ptycho_engine.diagnostics.diagnoses.loss import diverged, overfit, plateau, weights_untrained
from ptycho_engine.diagnostics.diagnoses.not_learning import not_learning
from ptycho_engine.diagnostics.diagnoses.output import dead_output, saturated_phase
from ptycho_engine.diagnostics.diagnoses.scan_axes import SCAN_AXES
from ptycho_engine.documents import Diagnosis
from ptycho_engine.registry import Registry

_COLLAPSES = ("dead-output", "flat-amplitude", "saturated-phase", "saturated-amplitude")

DIAGNOSES: Registry[Check] = Registry("diagnosis", "ptychoscope.diagnoses")
for _check in (
    Check("dead-output", TrainingEvidence, dead_output, "patches", collapse=True),
    Check("flat-amplitude", TrainingEvidence, flat_amplitude, "patches", collapse=True),
    Check("partly-flat", TrainingEvidence, partly_flat, "patches"),
    Check("saturated-phase", TrainingEvidence, saturated_phase, "patches", collapse=True),
    Check("saturated-amplitude", TrainingEvidence, saturated_amplitude, "patches", collapse=True),
    Check("diverged", TrainingEvidence, diverged, "loss"),
    Check("not-learning", TrainingEvidence, not_learning, "loss", explained_by=(*_COLLAPSES, "diverged")),
    Check("plateau", TrainingEvidence, plateau, "loss", explained_by=(*_COLLAPSES, "not-learning")),
    Check("overfit", TrainingEvidence, overfit, "loss"),
    Check("weights-untrained", TrainingEvidence, weights_untrained, "loss"),
    positions.POSITIONS_MISMATCH,
    positions.POSITIONS_UNITS,
    density.LOW_OVERLAP,
    density.ISOLATED_POSITIONS,
    positions.DUPLICATE_POSITIONS,
    levels.INTENSITY_NOT_AMPLITUDE,
    detector.NOT_CENTRED,
    SCAN_AXES,
    detector.UNUSABLE_PATTERNS,
    levels.PROBE_ENERGY_MISMATCH,
    detector.SATURATED_PIXELS,
    detector.DEAD_PIXELS,
    detector.DUPLICATE_PATTERNS,
    levels.UNNORMALIZED_DATASET,
    levels.INTEGER_OVERFLOW_RISK,
    bundle.NON_FINITE_WEIGHTS,
    bundle.BUNDLE_UNTRAINED,
    bundle.SCALE_IS_FALLBACK,
    pairing.PAIRING,
    result.INPUT_SCALE_MISMATCH,
    result.DEAD_RESULT,
    result.FLAT_RESULT,
    placed.MIRRORED_PLACEMENT,
    placed.SWAPPED_RESULT,
    result.CANVAS_COVERAGE,
    result.POOR_FIT,
):
    DIAGNOSES.register(_check.key, _check)


def diagnose(evidence: Any) -> list[Diagnosis]:
    """Return what the registered diagnoses of this kind of evidence find, in their order.

    A finding that another one explains is not told as well.
    """
    found = [
        (check, replace(finding, place=finding.place or check.place))
        for check in DIAGNOSES
        if isinstance(evidence, check.evidence) and (finding := check.examine(evidence)) is not None
    ]
    told = {finding.id for _, finding in found}
    return [finding for check, finding in found if not told.intersection(check.explained_by)]


def is_collapse(name: str) -> bool:
    """Whether an error of this id means that a training is lost from its start on."""
    return any(check.collapse for check in DIAGNOSES if check.id == name)
