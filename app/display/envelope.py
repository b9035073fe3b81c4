"""Very long curves as the range of their values in each short piece: as many points as a screen can show.

What is in view is divided finely and the rest coarsely, so that the whole curve keeps its extent at any zoom.
"""

import numpy as np
from numpy.typing import NDArray

from app.display.curves import Curve, drawable

LONG_CURVE = 100_000
"""Curves of fewer points are left as they are."""
FINE_PIECES, COARSE_PIECES = 12_000, 500
"""Pieces of the part in view with its neighbourhood, and of each of the two others."""

Range = tuple[float, float]


def neighbourhood(view: Range) -> Range:
    """Return the part of a curve that is divided finely: what is in view, and as much again on both sides."""
    span = view[1] - view[0]
    return view[0] - span, view[1] + span


def fits(fine: Range, view: Range) -> bool:
    """Whether a curve that was divided finely over one range can be shown in a view."""
    return fine[0] <= view[0] and view[1] <= fine[1] and (view[1] - view[0]) * 12 >= fine[1] - fine[0]


def thinned(x: Curve, y: Curve, log: bool, fine: Range) -> tuple[Curve, Curve]:
    """Return what is drawn of a curve.

    Parameters
    ----------
    x
        (n,) ascending.
    y
        (n,) values.
    log
        Whether the axis is logarithmic: only values above zero can be shown then.
    fine
        The part that is divided finely.

    Returns
    -------
    tuple of numpy.ndarray
        (m,) places and values, NaN for what cannot be shown; of a long curve the least and the greatest value of each
        piece, both at its first place.
    """
    if y.size <= LONG_CURVE or not _ascending(x):
        return x, drawable(y, log)
    low, high = (int(place) for place in np.searchsorted(x, fine))
    parts = [
        _extremes(x[part], y[part], pieces, log)
        for part, pieces in (
            (slice(0, low), COARSE_PIECES),
            (slice(low, high), FINE_PIECES),
            (slice(high, y.size), COARSE_PIECES),
        )
    ]
    places, values = (np.concatenate(one) for one in zip(*parts, strict=True))
    # The last place too: an axis is to end where the curve does.
    return np.append(places, x[-1]), np.append(values, drawable(y[-1:], log))


def _ascending(x: Curve) -> bool:
    """Whether the places rise, by a sample of them."""
    sample = x[:: max(1, x.size // 10_000)]
    return bool(np.all(np.diff(sample) > 0))


def _extremes(x: Curve, y: Curve, pieces: int, log: bool) -> tuple[Curve, Curve]:
    length = max(1, -(-y.size // pieces))
    whole = y.size - y.size % length
    rows = y[:whole].reshape(-1, length)
    low, high = _least_and_greatest(rows, log)
    places = x[:whole:length]
    if whole < y.size:
        last = _least_and_greatest(y[whole:].reshape(1, -1), log)
        low, high, places = np.append(low, last[0]), np.append(high, last[1]), np.append(places, x[whole])
    return np.repeat(places, 2), np.stack([low, high], axis=1).ravel()


def _least_and_greatest(rows: NDArray[np.float64], log: bool) -> tuple[Curve, Curve]:
    """Return the least and greatest value of each row that can be shown, NaN where there is none."""
    if not rows.size:
        return np.zeros(0), np.zeros(0)
    low, high = rows.min(axis=1), rows.max(axis=1)
    # Seldom any: these rows alone are looked at value by value.
    doubtful = ~np.isfinite(low) | ~np.isfinite(high) | (low <= 0 if log else False)
    if doubtful.any():
        shown = drawable(rows[doubtful], log)
        low[doubtful], high[doubtful] = np.fmin.reduce(shown, axis=1), np.fmax.reduce(shown, axis=1)
    return low, high
