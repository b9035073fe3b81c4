"""Which pixels of a detector are dead, at their limit, or without a finite value."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANCE = 1e-6
"""Probability, over all pixels, that as bright a pixel as its neighbours stays dark in every pattern."""
PILE = 10
"""Pixels that must share the greatest value exactly: clipping piles them up there."""
FINE_LEVELS = 100
"""Different values below which a shared greatest one means nothing: a handful of photons has few values."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PixelMask:
    """Pixels that cannot be trusted; all ``(N, N)`` bool."""

    dead: BoolArray
    """Dark in every pattern although their neighbours are not."""
    saturated: BoolArray
    """At the limit of the detector, or of the file's type, in at least one pattern."""
    not_finite: BoolArray
    """NaN or infinite in at least one pattern."""

    @property
    def any(self) -> BoolArray:
        """(N, N) all of them."""
        return np.asarray(self.dead | self.saturated | self.not_finite)


def dead_mask(lit_share: NDArray[np.float64], n_patterns: int) -> BoolArray:
    """Return the pixels that are dark in every pattern although their neighbours are not, ``(N, N)`` bool.

    With ``m`` the median over the eight neighbours of the part of the patterns in which they are lit, a pixel like them
    is dark in all of k patterns with the chance ``(1 - m)^k``; those below ``CHANCE`` over all pixels are dead.

    Parameters
    ----------
    lit_share
        (N, N) part of the patterns in which a pixel is above zero.
    n_patterns
        Number k of patterns that were looked at.
    """
    lit = np.clip(median_of_neighbours(lit_share), 0.0, 1.0)
    chance = n_patterns * np.log1p(-np.minimum(lit, 1.0 - 1e-12))
    return np.asarray((lit_share == 0) & (chance < math.log(CHANCE / lit.size)))


def median_of_neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over the eight neighbours of each pixel, ``(N, N)``; the rim is taken to go on."""
    # Late: scipy is not needed to open a scan.
    from scipy.ndimage import median_filter

    around = np.ones((3, 3), bool)
    around[1, 1] = False
    return np.asarray(median_filter(values, footprint=around, mode="nearest"))


def is_at_limit(n_greatest: int, n_nearly: int, n_levels: int) -> bool:
    """Return whether the greatest value of a scan is one at which values were cut.

    Parameters
    ----------
    n_greatest, n_nearly
        Pixels, in all patterns, that hold exactly the greatest value, and that lie within a tenth below it.
    n_levels
        Different values in a sample of the patterns.
    """
    return n_levels >= FINE_LEVELS and n_greatest >= PILE and n_greatest >= n_nearly
