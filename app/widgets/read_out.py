"""The value under the mouse, in words."""

import re

import numpy as np

from app.display.lengths import metres_text
from app.widgets.colour_bar import tick_text


def unit_of(quantity: str) -> str:
    """Return the unit that a quantity is labelled with: ``"rad"`` of ``"phase [rad]"``."""
    found = re.search(r"\[([^\]]+)\]\s*$", quantity)
    return found.group(1) if found else ""


def value_text(value: float | complex, quantity: str) -> str:
    """Return a value with its unit."""
    if isinstance(value, complex):
        if not np.isfinite(value):
            return "no value"
        return f"amplitude {abs(value):.4g}, phase {np.angle(value):.3f} rad"
    return f"{tick_text(value)} {unit_of(quantity)}".rstrip() if np.isfinite(value) else "no value"


def place_text(row: int, column: int, pixel_size_m: float | None) -> str:
    """Return a pixel, and where it lies on the object where the side of a pixel is known."""
    text = f"row {row}, column {column}"
    if pixel_size_m is None:
        return text
    return f"{text} (y {metres_text(row * pixel_size_m)}, x {metres_text(column * pixel_size_m)})"
