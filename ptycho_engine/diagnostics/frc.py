"""Fourier ring correlation of two pictures of one object: up to which spatial frequency they agree.

Follows van Heel and Schatz, "Fourier shell correlation threshold criteria", J. Struct. Biol. 151 (2005) 250-262.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import frozen_array
from ptycho_engine.diagnostics.registration import soft_window

Curve = NDArray[np.float64]
ONE_SEVENTH = 1 / 7
"""Where two halves of the data that correlate by this much make a whole with a correlation of a half to the truth."""


@dataclass(frozen=True, slots=True, eq=False)
class RingCorrelation:
    """The correlation of two Fourier transforms on rings of one spatial frequency."""

    frequency: Curve
    """(n_rings,) cycles per pixel, without the constant, up to 0.5."""
    correlation: Curve
    """(n_rings,) -1 to 1, NaN where one of the two has nothing."""
    n_independent: Curve
    """(n_rings,) independent Fourier coefficients of a ring, for the part of the rectangle that was compared."""

    @property
    def half_bit(self) -> Curve:
        """(n_rings,) the correlation from which on a ring carries half a bit of information a pixel."""
        root = 1 / np.sqrt(np.maximum(self.n_independent, 1))
        return np.asarray((0.2071 + 1.9102 * root) / (1.2071 + 0.9102 * root))

    def crossing(self, threshold: Curve | float) -> float | None:
        """Return the frequency where the correlation first falls below a threshold.

        Parameters
        ----------
        threshold
            (n_rings,) or one for all.

        Returns
        -------
        float | None
            Cycles per pixel; 0 if the first ring lies below, ``None`` if none does.
        """
        above = self.correlation - threshold
        below = np.flatnonzero(~(above >= 0))
        if below.size == 0:
            return None
        first = int(below[0])
        if first == 0:
            return 0.0
        # Between two rings the curve is taken to be straight.
        high, low = above[first - 1], above[first]
        part = high / (high - low) if np.isfinite(low) else 0.0
        return float(self.frequency[first - 1] + part * (self.frequency[first] - self.frequency[first - 1]))

    def resolution_px(self, threshold: Curve | float) -> float:
        """Return the full period at the crossing [px]; infinite if nothing agrees, 2 if all rings do."""
        frequency = self.crossing(threshold)
        if frequency is None:
            return 2.0
        return 1 / frequency if frequency > 0 else float("inf")


def ring_correlation(
    a: NDArray[np.complexfloating], b: NDArray[np.complexfloating], common: NDArray[np.bool_]
) -> RingCorrelation:
    """Correlate two registered pictures, ring by ring of their Fourier transforms.

    ``FRC(r) = Re sum_r A conj(B) / sqrt(sum_r |A|^2 sum_r |B|^2)``. Before the transform both lose their mean and are
    faded out towards the edge of the common area: its sharp outline, which both share, would correlate at all
    frequencies. A ring is one Fourier pixel of the shorter side wide.

    Parameters
    ----------
    a, b
        (H, W) complex or real, of one shape.
    common
        (H, W) which pixels both show.

    Raises
    ------
    ValueError
        If fewer than 8 rows or columns are common.
    """
    rows, columns = (np.flatnonzero(common.any(axis=axis)) for axis in (1, 0))
    if min(rows.size, columns.size) < 8:
        raise ValueError("the common area is smaller than 8 x 8 pixels")
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    window = soft_window(common[box])
    first, second = (_spectrum(each[box], common[box], window) for each in (a, b))
    height, width = window.shape
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    step = 1 / min(height, width)
    ring = np.rint(radius / step).astype(np.int64).ravel()
    n_rings = int(np.floor(0.5 / step)) + 1

    def total(values: NDArray[np.float64]) -> Curve:
        return np.asarray(np.bincount(ring, values.ravel(), minlength=n_rings)[1:n_rings], np.float64)

    shared = total((first * np.conj(second)).real)
    powers = total(np.abs(first) ** 2) * total(np.abs(second) ** 2)
    correlation = np.divide(shared, np.sqrt(powers), out=np.full(n_rings - 1, np.nan), where=powers > 0)
    n_pixels = np.bincount(ring, minlength=n_rings)[1:n_rings]
    # A window correlates neighbouring coefficients: there are as many independent ones as pixels that it lets through.
    share = float(np.sum(window**2)) ** 2 / float(np.sum(window**4)) / window.size
    twins = 1 if np.iscomplexobj(a) or np.iscomplexobj(b) else 2
    return RingCorrelation(
        frozen_array(np.arange(1, n_rings) * step, np.float64),
        frozen_array(np.clip(correlation, -1, 1), np.float64),
        frozen_array(n_pixels * share / twins, np.float64),
    )


def _spectrum(
    values: NDArray[np.complexfloating], common: NDArray[np.bool_], window: NDArray[np.float64]
) -> NDArray[np.complexfloating]:
    filled = np.where(common, values, 0)
    mean = np.sum(filled * window) / np.sum(window)
    return np.asarray(np.fft.fft2((filled - mean) * window))
