"""``mirrored-placement`` and ``swapped-axes`` of a result: under which placement neighbouring patches agree."""

import numpy as np

from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.placements import AS_GIVEN, MIRRORED, PLACEMENTS
from ptycho_engine.diagnostics.diagnoses.result_evidence import ResultEvidence
from ptycho_engine.documents import Diagnosis

LEAST_AGREEMENT = 0.3
"""Correlation that the best placement must reach: below it the patches agree nowhere, and say nothing of placement."""
MARGIN = 0.1
"""By which it must exceed the placement that was used. Healthy results were seen to have the given placement best."""


def mirrored_placement(evidence: ResultEvidence) -> Diagnosis | None:
    """Find patches that agree better with their neighbours at minus the offset than where they were placed.

    A release that mirrors is known to do so: patches that agree nowhere do not hide it.
    """
    best = better_placement(evidence)
    if best is None and _mirrors_unseen(evidence):
        return _by_request(evidence)
    if best is None or best[0] != MIRRORED:
        return None
    _, agreed, given = best
    return Diagnosis(
        "mirrored-placement",
        "error",
        f"Neighbouring patches agree by {agreed:.2f} when placed at minus their offset from the scan's centre, and by "
        f"{given:.2f} where they were placed: the canvas is stitched mirrored.",
        "Stitch with compatibility none; with that setting, change the sign of both xcoords and ycoords.",
        {"agreement_mirrored": agreed, "agreement_as_placed": given},
    )


def _mirrors_unseen(evidence: ResultEvidence) -> bool:
    """Tell whether patches were placed at minus their offset, and do not agree there: else the file is mirrored too."""
    agreement = evidence.agreements.get(AS_GIVEN, 0.0)
    return np.array_equal(evidence.placed_with, PLACEMENTS[MIRRORED]) and not agreement >= LEAST_AGREEMENT


def _by_request(evidence: ResultEvidence) -> Diagnosis:
    mirrored, given = (evidence.agreements.get(name, float("nan")) for name in (MIRRORED, AS_GIVEN))
    return Diagnosis(
        "mirrored-placement",
        "error",
        "The release that was asked for places patches at minus their offset from the scan's centre: the canvas is "
        f"stitched mirrored. The patches themselves do not show it: neighbours agree by {given:.2f} there, and by "
        f"{mirrored:.2f} at plus.",
        "Stitch with compatibility none.",
        {"agreement_mirrored": mirrored, "agreement_as_placed": given},
    )


def swapped_result(evidence: ResultEvidence) -> Diagnosis | None:
    """Find patches that agree better with x and y swapped, or with one of them negated."""
    best = better_placement(evidence)
    if best is None or best[0] == MIRRORED:
        return None
    name, agreed, given = best
    return Diagnosis(
        "swapped-axes",
        "error",
        f"Neighbouring patches agree by {agreed:.2f} when placed with {name}, and by {given:.2f} where they were "
        "placed.",
        f"Write the positions with {name}; x is the column, y the row.",
        {"agreement_at_best": agreed, "agreement_as_placed": given, "best": name},
    )


def better_placement(evidence: ResultEvidence) -> tuple[str, float, float] | None:
    """Return the placement at which neighbours agree clearly better, its agreement, and that as placed; or ``None``."""
    found = {name: value for name, value in evidence.agreements.items() if np.isfinite(value)}
    if AS_GIVEN not in found:
        return None
    best = max(found, key=found.__getitem__)
    if best == AS_GIVEN or found[best] < max(LEAST_AGREEMENT, found[AS_GIVEN] + MARGIN):
        return None
    return best, found[best], found[AS_GIVEN]


MIRRORED_PLACEMENT = Check("mirrored-placement", ResultEvidence, mirrored_placement, "canvas")
SWAPPED_RESULT = Check("swapped-axes", ResultEvidence, swapped_result, "canvas")
