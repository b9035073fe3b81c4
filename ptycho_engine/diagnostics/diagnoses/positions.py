"""``positions-mismatch``, ``positions-units``, ``duplicate-positions``: what the list of positions itself tells."""

import numpy as np

from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.scan_evidence import CountEvidence, PositionEvidence
from ptycho_engine.documents import Diagnosis

LEAST_EXTENT_PX = 1.0
"""A scan that stays within one object pixel has seen one patch only; in metres, a scan of a metre would pass."""
TYPICAL_PIXEL_M = 1e-8
"""A common object pixel, to say what the numbers would mean as metres."""


def positions_mismatch(evidence: CountEvidence) -> Diagnosis | None:
    """Find numbers of rows, columns and patterns that are not all the same."""
    if evidence.n_y == evidence.n_x == evidence.n_patterns:
        return None
    return Diagnosis(
        "positions-mismatch",
        "error",
        f"There are {evidence.n_patterns} patterns, but {evidence.n_y} ycoords and {evidence.n_x} xcoords.",
        "Write the file again with one position for each pattern; which of them belong together cannot be told.",
        {"n_patterns": evidence.n_patterns, "n_y": evidence.n_y, "n_x": evidence.n_x},
    )


def positions_units(evidence: PositionEvidence) -> Diagnosis | None:
    """Find a scan of several patterns that stays within ``LEAST_EXTENT_PX``."""
    extent = evidence.extent_px
    if evidence.dataset.n_scan < 2 or extent >= LEAST_EXTENT_PX:
        return None
    if extent == 0:
        message = f"All {evidence.dataset.n_scan} positions are the same."
        hint = "Write the measured positions into the file, in object pixels."
    else:
        message = (
            f"All {evidence.dataset.n_scan} positions lie within {extent:.3g} px: they look like metres "
            f"(that would be {extent * 1e6:.3g} µm), not object pixels."
        )
        hint = (
            "Divide the positions by the side of an object pixel, wavelength x distance / (N x detector pixel); "
            f"with {1e9 * TYPICAL_PIXEL_M:g} nm this scan would be {extent / TYPICAL_PIXEL_M:.3g} px wide."
        )
    return Diagnosis("positions-units", "error", message, hint, {"extent_px": extent})


def duplicate_positions(evidence: PositionEvidence) -> Diagnosis | None:
    """Find positions that are the same to the last digit; one may well be measured twice, so it is a remark."""
    positions = evidence.dataset.scan_positions
    different = len(np.unique(positions, axis=0))
    repeated = len(positions) - different
    if repeated == 0 or different < 2:
        return None
    return Diagnosis(
        "duplicate-positions",
        "info",
        f"{repeated} of {len(positions)} positions repeat another one exactly.",
        "Fine for repeated exposures; otherwise look whether positions were written twice.",
        {"n_repeated": repeated, "n_different": different},
    )


POSITIONS_MISMATCH = Check("positions-mismatch", CountEvidence, positions_mismatch, "dataset")
POSITIONS_UNITS = Check("positions-units", PositionEvidence, positions_units, "scan")
DUPLICATE_POSITIONS = Check("duplicate-positions", PositionEvidence, duplicate_positions, "scan")
