"""One curve of a plot: its values, and the two lines that show them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PySide6.QtGui import QPen

from app.display.curves import Curve, running_mean
from app.display.envelope import LONG_CURVE, Range, fits, neighbourhood, thinned


@dataclass(eq=False)
class DrawnSeries:
    """A curve, and the lines that show it: itself, and its running mean."""

    x: Curve
    y: Curve
    secondary: bool
    """Whether it is measured on the axis at the right."""
    number: int
    raw: Any
    smooth: Any
    pen: QPen = field(default_factory=QPen)
    """With which the legend draws it."""
    _fine: Range = (0.0, 0.0)

    def draw(self, log: bool, smoothing: int, view: Range) -> None:
        """Draw the mean over ``smoothing`` points, and the curve itself behind it; finely what is in view."""
        window = smoothing if self.y.size > 2 * smoothing else 1
        self._fine = neighbourhood(view)
        mean = running_mean(self.y, window) if window > 1 else self.y
        _set_curve(self.smooth, *thinned(self.x, mean, log, self._fine))
        raw = (self.x, self.y) if window > 1 else (np.zeros(0), np.zeros(0))
        _set_curve(self.raw, *thinned(*raw, log, self._fine))

    def suits(self, view: Range) -> bool:
        """Whether what is drawn has the detail that a view shows."""
        return self.x.size <= LONG_CURVE or fits(self._fine, view)


def _set_curve(curve: Any, x: Curve, y: Curve) -> None:
    finite = np.isfinite(y)
    if not finite.any():
        curve.setData(np.zeros(0), np.zeros(0))
    elif finite.all():
        curve.setData(x, y, connect="all", skipFiniteCheck=True)
    else:
        curve.setData(x, y, connect="finite", skipFiniteCheck=False)
