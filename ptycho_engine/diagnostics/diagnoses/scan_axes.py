"""``swapped-axes`` of a scan: whether its patterns are deflected as one phase would deflect them."""

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import PositionArray
from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.placements import AS_GIVEN, PLACEMENTS
from ptycho_engine.diagnostics.diagnoses.scan_evidence import PatternEvidence
from ptycho_engine.documents import Diagnosis

MARGIN = 1.5
"""Times what the best placement leaves unexplained that the given one leaves, from which on it is wrong. Over 200
healthy simulated scans it left at most 1.3 times (``tests/benchmarks/diagnosis_counts.py``)."""
DIFFERENCE = 0.08
"""Part of the variance that the best placement explains beyond the given one, from which on it is wrong too: counting
noise, which no placement explains, hides a ratio and no difference. Over these scans it was 0.03 at most."""
EXPLAINED = 0.6
"""Part that even the best placement may leave: above it the deflections are noise, and tell nothing. Of noise alone a
series with half as many terms as positions leaves 0.75 with a standard deviation of 0.04."""
LEAST_POSITIONS = 36
MOST_POSITIONS = 400
_RIDGE = 1e-2
_TOLD_APART = {
    AS_GIVEN: "",
    "x negated": "one axis negated",
    "x and y swapped": "x and y swapped",
    "x and y swapped, then x negated": "x and y swapped, and one of them negated",
}
"""A gradient stays one when both axes are negated, so four pairs of placements are told apart; their names in words."""


def swapped_axes(evidence: PatternEvidence) -> Diagnosis | None:
    """Find deflections that are a gradient only when the axes of the positions are swapped, or one is negated.

    The centre of mass of a pattern is the mean phase gradient under the probe (differential phase contrast), so over
    the scan it is the gradient of one potential. A cosine series is fitted to it under each placement; the one with
    the least left over has the right axes, as in the search for the scan's rotation in electron microscopy.
    """
    figures = evidence.figures
    usable = figures.good & np.isfinite(figures.centres).all(axis=1)
    positions = evidence.dataset.scan_positions[figures.indices[usable]]
    centres = figures.centres[usable]
    chosen = _compact(positions)
    if len(chosen) < LEAST_POSITIONS or float(np.ptp(positions[chosen], axis=0).min()) <= 0:
        return None
    positions, centres = positions[chosen], centres[chosen]
    left = {name: unexplained(positions @ PLACEMENTS[name].T, centres) for name in _TOLD_APART}
    best = min(left, key=left.__getitem__)
    given = left[AS_GIVEN]
    if best == AS_GIVEN or left[best] > EXPLAINED or given < min(MARGIN * left[best], left[best] + DIFFERENCE):
        return None
    return Diagnosis(
        "swapped-axes",
        "error",
        f"The beam is deflected as one phase would do it if the positions were read with {_TOLD_APART[best]}: "
        f"that leaves {left[best]:.0%} unexplained, the positions as given {given:.0%}.",
        f"Write the positions with {_TOLD_APART[best]}, or turn the patterns accordingly; x is the column, y the row.",
        {"left_as_given": given, "left_at_best": left[best], "best": best, "n_patterns": len(positions)},
    )


def unexplained(positions: PositionArray, deflections: NDArray[np.float64]) -> float:
    """Return which part of the variance of deflections no potential explains.

    The potential is a cosine series over the box around the positions, with half as many terms as positions, the
    smoothest first; its gradient is fitted in least squares with a slight ridge.

    Parameters
    ----------
    positions
        (k, 2) ``(y, x)``, on any scale.
    deflections
        (k, 2) in the same order.
    """
    low = positions.min(axis=0)
    side = np.maximum(positions.max(axis=0) - low, 1e-300)
    count = max(4, len(positions) // 2)
    most = int(np.ceil(np.sqrt(2 * count)))
    waves = np.stack(np.divmod(np.arange(1, (most + 1) ** 2), most + 1), axis=1).astype(np.float64)
    # On the scale of the longer side, so that the series is as fine along both axes.
    aspect = side / side.max()
    waves = waves[np.argsort(np.square(waves / aspect).sum(axis=1), kind="stable")[:count]]
    phase = np.pi * ((positions - low) / side)[:, None, :] * waves[None]
    slope = np.pi * waves / aspect
    down = -slope[:, 0] * np.sin(phase[..., 0]) * np.cos(phase[..., 1])
    right = -slope[:, 1] * np.cos(phase[..., 0]) * np.sin(phase[..., 1])
    matrix = np.concatenate([down, right])
    matrix /= np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    wanted = (deflections - deflections.mean(axis=0)).T.reshape(-1)
    total = float(wanted @ wanted)
    if total <= 0:
        return 1.0
    normal = matrix.T @ matrix + _RIDGE * np.eye(count)
    rest = wanted - matrix @ np.linalg.solve(normal, matrix.T @ wanted)
    return float(rest @ rest) / total


def _compact(positions: PositionArray) -> NDArray[np.int64]:
    """Return the positions nearest to the middle of the scan, as many as are fitted."""
    if len(positions) <= MOST_POSITIONS // 2:
        return np.arange(len(positions))
    distance = np.square(positions - np.median(positions, axis=0)).sum(axis=1)
    return np.sort(np.argsort(distance, kind="stable")[: MOST_POSITIONS // 2])


SCAN_AXES = Check(
    "swapped-axes", PatternEvidence, swapped_axes, "scan", explained_by=("positions-units", "not-centred")
)
