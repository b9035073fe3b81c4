"""Lengths on the object: pixels, and metres where the side of a pixel is known."""

import math

UNITS = ((1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"), (1e-12, "pm"))


def metres_text(length_m: float, digits: int = 3) -> str:
    """Return a length in the unit that makes its number handy: ``"250 nm"``."""
    if not math.isfinite(length_m):
        return "∞" if length_m > 0 else "no length"
    size, unit = unit_for(length_m)
    return f"{length_m / size:.{digits}g} {unit}"


def unit_for(length_m: float) -> tuple[float, str]:
    """Return the unit that makes the number of a length handy: its size [m] and its name."""
    return next((each for each in UNITS if abs(length_m) >= each[0] * 0.9995), UNITS[-1])


def length_text(length_px: float, pixel_size_m: float | None) -> str:
    """Return a length in pixels, and in metres where that is known: ``"12.3 px (246 nm)"``."""
    if not math.isfinite(length_px):
        return "none"
    pixels = f"{length_px:.1f} px" if length_px < 100 else f"{length_px:.0f} px"
    return pixels if pixel_size_m is None else f"{pixels} ({metres_text(length_px * pixel_size_m)})"


def round_length(most_m: float) -> float:
    """Return the greatest of 1, 2 and 5 times a power of ten that is not more than ``most_m``."""
    magnitude = 10.0 ** math.floor(math.log10(most_m))
    return max(step * magnitude for step in (1.0, 2.0, 5.0) if step * magnitude <= most_m * (1 + 1e-9))
