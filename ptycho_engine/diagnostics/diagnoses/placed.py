"""``mirrored-placement`` and ``swapped-axes`` of a result: under which placement neighbouring patches agree."""

import numpy as np

from ptycho_engine.arrays import IndexArray
from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.placements import AS_GIVEN, MIRRORED, PLACEMENTS
from ptycho_engine.diagnostics.diagnoses.result_evidence import ResultEvidence
from ptycho_engine.diagnostics.illumination import probe_diameter
from ptycho_engine.diagnostics.overlap import agreement_at
from ptycho_engine.documents import Diagnosis

LEAST_AGREEMENT = 0.3
"""Correlation that the best placement must reach: below it the patches agree nowhere, and say nothing of placement."""
MARGIN = 0.1
"""By which it must exceed the placement that was used. Healthy results were seen to have the given placement best."""
NEAR, FAR = 0.05, 0.5
"""Distance of two patches to compare, in diameters of the probe: too near, every placement is the same; too far, both
see little of the same place."""
MOST_PAIRS = 160
LEAST_PAIRS = 8


def mirrored_placement(evidence: ResultEvidence) -> Diagnosis | None:
    """Find patches that agree better with their neighbours at minus the offset than where they were placed."""
    best = better_placement(evidence)
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
    if not evidence.finite:
        return None
    pairs = comparable_pairs(evidence)
    if len(pairs) < LEAST_PAIRS:
        return None
    positions = evidence.positions @ evidence.placed_with.T
    shifts = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    found = {
        name: agreement_at(evidence.patches, pairs, shifts @ matrix.T, evidence.light)
        for name, matrix in PLACEMENTS.items()
    }
    finite = {name: value for name, value in found.items() if np.isfinite(value)}
    if AS_GIVEN not in finite:
        return None
    best = max(finite, key=finite.__getitem__)
    if best == AS_GIVEN or finite[best] < max(LEAST_AGREEMENT, finite[AS_GIVEN] + MARGIN):
        return None
    return best, finite[best], finite[AS_GIVEN]


def comparable_pairs(evidence: ResultEvidence) -> IndexArray:
    """Return (m, 2) patches between ``NEAR`` and ``FAR`` diameters apart, evenly chosen, the same ones each time."""
    first, second = np.triu_indices(len(evidence.positions), 1)
    apart = np.linalg.norm(evidence.positions[first] - evidence.positions[second], axis=1)
    diameter = probe_diameter(evidence.dataset.probe)
    good = np.flatnonzero((apart > max(1.0, NEAR * diameter)) & (apart < FAR * diameter))
    if len(good) > MOST_PAIRS:
        good = good[np.linspace(0, len(good) - 1, MOST_PAIRS).astype(np.int64)]
    return np.stack([first[good], second[good]], axis=1)


MIRRORED_PLACEMENT = Check("mirrored-placement", ResultEvidence, mirrored_placement, "canvas")
SWAPPED_RESULT = Check("swapped-axes", ResultEvidence, swapped_result, "canvas")
