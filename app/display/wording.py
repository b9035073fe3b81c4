"""Figures in words: times, sizes, counts."""

import math


def duration(seconds: float) -> str:
    """Return a time as ``0:42``, ``12:05`` or ``3:07:00``."""
    if not math.isfinite(seconds) or seconds < 0:
        return "–"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def n_bytes(count: float) -> str:
    """Return a size as ``812 B``, ``3.1 MiB`` or ``1.2 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def whole(count: int) -> str:
    """Return a count with thin spaces between thousands: ``2 336 258``."""
    return f"{count:,}".replace(",", "\u2009")


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure with some significant digits, ``–`` where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}g}"
