"""``low-overlap`` and ``isolated-positions``: whether neighbours see enough of the same object."""

import numpy as np

from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.scan_evidence import PositionEvidence
from ptycho_engine.documents import Diagnosis

LEAST_OVERLAP = 0.5
"""1 - distance/diameter. Ptychography is at its best near 0.6 (Bunk et al., Ultramicroscopy 108 (2008) 481), and below
a half a point of the object is hardly seen more than once."""
FEW = 0.01
"""Part of the positions that may be isolated before it is more than a remark: a scan may have lost some frames."""


def low_overlap(evidence: PositionEvidence) -> Diagnosis | None:
    """Find a median overlap, with the neighbour that completes a group, below ``LEAST_OVERLAP``."""
    distances = evidence.distances_px
    if not distances.size or evidence.diameter_px <= 0:
        return None
    distance = float(np.median(distances))
    overlap = 1.0 - distance / evidence.diameter_px
    if overlap >= LEAST_OVERLAP:
        return None
    return Diagnosis(
        "low-overlap",
        "warning" if overlap > 0 else "error",
        f"Neighbours are {distance:.3g} px apart and the probe is {evidence.diameter_px:.3g} px wide: "
        + (f"an overlap of {overlap:.0%}, at least {LEAST_OVERLAP:.0%} are needed." if overlap > 0 else "no overlap."),
        "Take smaller steps or a wider probe; if the scan is dense, its positions are not in object pixels."
        + ("" if evidence.gridsize == 1 else " Gridsize 1 needs no neighbours in a group."),
        {"overlap": overlap, "distance_px": distance, "diameter_px": evidence.diameter_px},
    )


def isolated_positions(evidence: PositionEvidence) -> Diagnosis | None:
    """Find positions whose group reaches farther than the diameter of the probe, so that nothing is seen twice."""
    distances = evidence.distances_px
    isolated = np.flatnonzero(distances > evidence.diameter_px)
    if not isolated.size or evidence.diameter_px <= 0:
        return None
    share = isolated.size / len(distances)
    named = ", ".join(str(index) for index in isolated[:5]) + (" …" if isolated.size > 5 else "")
    return Diagnosis(
        "isolated-positions",
        "warning" if share > FEW else "info",
        f"{isolated.size} of {len(distances)} positions are farther than the probe is wide "
        f"({evidence.diameter_px:.3g} px) from the neighbours of their group: {named}.",
        "Leave these patterns out, or correct their positions; their groups see nothing in common.",
        {"n_isolated": int(isolated.size), "share": share, "first": int(isolated[0])},
    )


LOW_OVERLAP = Check("low-overlap", PositionEvidence, low_overlap, "scan", explained_by=("positions-units",))
ISOLATED_POSITIONS = Check(
    "isolated-positions", PositionEvidence, isolated_positions, "scan", explained_by=("low-overlap",)
)
