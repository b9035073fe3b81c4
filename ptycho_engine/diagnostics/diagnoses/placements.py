"""The eight ways in which positions may be placed: with axes swapped, negated, or both."""

import numpy as np
from numpy.typing import NDArray

AS_GIVEN = "as given"
MIRRORED = "both axes negated"
PLACEMENTS: dict[str, NDArray[np.float64]] = {
    AS_GIVEN: np.array([[1.0, 0.0], [0.0, 1.0]]),
    MIRRORED: np.array([[-1.0, 0.0], [0.0, -1.0]]),
    "x negated": np.array([[1.0, 0.0], [0.0, -1.0]]),
    "y negated": np.array([[-1.0, 0.0], [0.0, 1.0]]),
    "x and y swapped": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "x and y swapped and both negated": np.array([[0.0, -1.0], [-1.0, 0.0]]),
    "x and y swapped, then x negated": np.array([[0.0, 1.0], [-1.0, 0.0]]),
    "x and y swapped, then y negated": np.array([[0.0, -1.0], [1.0, 0.0]]),
}
"""(2, 2) matrices that ``(y, x)`` is multiplied by from the left."""
