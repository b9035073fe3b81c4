"""The figures of patterns, and pixels that cannot be trusted, in words, units and colours."""

import math

import numpy as np
from numpy.typing import NDArray

from app.display.complex_image import ByteArray
from app.display.wording import number, whole
from ptycho_engine.diagnostics.pixel_mask import PixelMask
from ptycho_engine.diagnostics.scan_figures import FrameFigure

FIGURE_NAMES: dict[FrameFigure, str] = {
    "total": "Total intensity",
    "maximum": "Greatest amplitude",
    "centre_y": "Centre of mass, y",
    "centre_x": "Centre of mass, x",
    "width": "Width (rms radius)",
    "zeros": "Pixels without light",
    "correlation": "Correlation with the mean",
}
FIGURE_LABELS: dict[FrameFigure, str] = {
    "total": "Σ amplitude² [counts]",
    "maximum": "greatest amplitude [√counts]",
    "centre_y": "centre of mass, y from the middle [px]",
    "centre_x": "centre of mass, x from the middle [px]",
    "width": "rms radius of amplitude² [px]",
    "zeros": "pixels without light",
    "correlation": "correlation with the mean pattern",
}
"""For colour bars: the quantity and its unit."""
UNITS: dict[FrameFigure, str] = {
    "total": "counts",
    "maximum": "√counts",
    "centre_y": "px",
    "centre_x": "px",
    "width": "px",
    "zeros": "pixels",
    "correlation": "",
}
REGION_NAME = "Light in the rectangle"
REGION_LABEL = "Σ amplitude² in the rectangle [counts]"

_DEAD, _SATURATED, _NOT_FINITE = (255, 77, 77, 255), (255, 255, 255, 255), (25, 195, 255, 255)
"""Red, white and light blue: none of them is in the map of the patterns, and they differ in lightness as well."""


def value_text(value: float, unit: str) -> str:
    """Return a value with its unit, or that there is none."""
    return f"{number(value, 5)} {unit}".rstrip() if math.isfinite(value) else "not read yet, or not defined"


def spread_text(figures: NDArray[np.float64], unit: str) -> str:
    """Return mean, spread and range of a figure over the patterns that have it."""
    known = figures[np.isfinite(figures)]
    if not known.size:
        return ""
    low, high = number(float(known.min())), number(float(known.max()))
    words = f"mean {number(float(known.mean()))} ± {number(float(known.std()))}, {low} to {high}"
    return f"{words} {unit}".rstrip()


def mask_picture(mask: PixelMask) -> ByteArray:
    """Return (N, N, 4) colours of the pixels that cannot be trusted, clear elsewhere."""
    picture = np.zeros((*mask.dead.shape, 4), np.uint8)
    for pixels, colour in ((mask.dead, _DEAD), (mask.saturated, _SATURATED), (mask.not_finite, _NOT_FINITE)):
        picture[pixels] = colour
    return picture


def mask_text(mask: PixelMask) -> str:
    """Return how many pixels are dead, saturated, or without a finite value."""
    parts = [f"{whole(int(mask.dead.sum()))} dead (red)", f"{whole(int(mask.saturated.sum()))} saturated (white)"]
    if mask.not_finite.any():
        parts.append(f"{whole(int(mask.not_finite.sum()))} not finite (blue)")
    return " · ".join(parts)
