"""The pictures that a canvas can be shown as."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.display.complex_image import ByteArray, complex_image
from app.display.levels import Levels, full_levels, percentile_levels, symmetric_levels
from ptycho_engine.arrays import ComplexArray, FloatArray, PositionArray
from ptycho_engine.documents import Canvas

View = Literal[
    "amplitude",
    "phase",
    "phase without ramp",
    "unwrapped phase",
    "unwrapped phase without ramp",
    "complex",
    "coverage",
    "true amplitude",
    "true phase",
    "amplitude difference",
    "phase difference",
]
VIEWS: dict[View, str] = {
    "amplitude": "Amplitude",
    "phase": "Phase",
    "phase without ramp": "Phase without its ramp",
    "unwrapped phase": "Phase, unwrapped",
    "unwrapped phase without ramp": "Phase, unwrapped, without its ramp",
    "complex": "Complex (hue = phase)",
    "coverage": "Coverage (stitching weight)",
    "true amplitude": "Known object: amplitude",
    "true phase": "Known object: phase",
    "amplitude difference": "Difference: amplitude",
    "phase difference": "Difference: phase",
}
NEEDS_TRUTH: tuple[View, ...] = ("true amplitude", "true phase", "amplitude difference", "phase difference")

CanvasScale = Literal["network", "physical"]
CANVAS_SCALES: dict[CanvasScale, str] = {"network": "Network", "physical": "Physical"}
CYCLE: Levels = (-float(np.pi), float(np.pi))
PHASE_TICKS = [
    (-float(np.pi), "−π"),
    (-float(np.pi) / 2, "−π/2"),
    (0.0, "0"),
    (float(np.pi) / 2, "π/2"),
    (float(np.pi), "π"),
]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Values with how to paint them."""

    values: NDArray[Any]
    """(H, W) float32, NaN where there is nothing; complex64 when ``rgba`` is given."""
    label: str
    """For the colour bar: quantity, scale, unit."""
    title: str
    """What is shown, in words."""
    colour_map: str
    levels: Levels
    cyclic: bool = False
    rgba: ByteArray | None = None


def canvas_picture(canvas: Canvas, view: View, scale: CanvasScale, truth: ComplexArray | None) -> Picture | None:
    """Return one picture of a canvas, ``None`` if it needs a known object and there is none.

    Parameters
    ----------
    canvas
        The stitched object.
    view
        Which picture; not one of those that are prepared beside the window (``app.display.phase_pictures``).
    scale
        The scale of amplitudes.
    truth
        ``(H, W)`` the known object on the pixels of the canvas, from :func:`truth_on_canvas`.
    """
    if view in NEEDS_TRUTH:
        picture = None if truth is None else _truth_picture(canvas, view, truth)
    else:
        picture = _own_picture(canvas, view, scale)
    if picture is None or canvas.mode == "none" or view in ("true amplitude", "true phase"):
        return picture
    return replace(picture, title=f"PtychoPINN {canvas.mode} · {picture.title}")


def _own_picture(canvas: Canvas, view: View, scale: CanvasScale) -> Picture:
    covered = canvas.covered
    if view == "coverage":
        weight = np.where(canvas.weight > 0, canvas.weight, np.nan).astype(np.float32)
        return Picture(weight, "stitching weight", "Coverage · sum of weights", "viridis", full_levels(weight))
    if view == "phase":
        phase = _masked(np.angle(canvas.object_), covered)
        return Picture(phase, "phase [rad]", "Phase · cyclic, −π to π", "twilight", CYCLE, cyclic=True)
    amplitude = _masked(np.abs(canvas.object_) * scale_of_canvas(canvas, scale), covered)
    words = "network scale" if scale == "network" else "physical scale (transmission)"
    levels = percentile_levels(amplitude)
    if view == "complex":
        return Picture(
            canvas.object_,
            "hue: phase [rad]",
            f"Complex · brightness: amplitude up to {levels[1]:.3g}, {words}",
            "hsv",
            CYCLE,
            cyclic=True,
            rgba=complex_image(canvas.object_ * scale_of_canvas(canvas, scale), levels[1], covered),
        )
    label = "network amplitude" if scale == "network" else "physical amplitude (transmission)"
    return Picture(amplitude, label, f"Amplitude · {words} · p1–p99", "inferno", levels)


def scale_of_canvas(canvas: Canvas, scale: CanvasScale) -> float:
    """Return the factor from the canvas as it is stored to ``scale``."""
    stored_physical = canvas.scale == "physical"
    if scale == "physical":
        return 1.0 if stored_physical else 1.0 / canvas.network_per_physical
    return canvas.network_per_physical if stored_physical else 1.0


def truth_on_canvas(canvas: Canvas, object_: ComplexArray | None) -> ComplexArray | None:
    """Return the part of the known object that lies under the canvas, NaN beyond its edge."""
    if object_ is None:
        return None
    height, width = canvas.object_.shape
    row, column = canvas.origin_px
    result = np.full((height, width), np.nan + 0j, dtype=np.complex64)
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + height, object_.shape[0]), min(column + width, object_.shape[1])
    if bottom > top and right > left:
        result[top - row : bottom - row, left - column : right - column] = object_[top:bottom, left:right]
    return result


def _truth_picture(canvas: Canvas, view: View, truth: ComplexArray) -> Picture:
    if view == "true amplitude":
        amplitude = np.abs(truth).astype(np.float32)
        label = "physical amplitude (transmission)"
        return Picture(amplitude, label, "Known object · amplitude, physical scale", "inferno", full_levels(amplitude))
    if view == "true phase":
        phase = np.angle(truth).astype(np.float32)
        title = "Known object · phase, −π to π"
        return Picture(phase, "phase [rad]", title, "twilight", CYCLE, cyclic=True)
    both = canvas.covered & np.isfinite(truth.real)
    factor = fit_factor(canvas.object_[both], truth[both])
    if view == "amplitude difference":
        difference = _masked(np.abs(canvas.object_) * abs(factor) - np.abs(truth), both)
        title = f"Amplitude − known · after scaling by {abs(factor):.3g}"
        return Picture(difference, "amplitude difference", title, "blue-white-red", symmetric_levels(difference))
    turned = np.where(both, canvas.object_ * factor * np.conj(truth), 1)
    difference = _masked(np.angle(turned), both)
    title = f"Phase − known · after turning by {np.angle(factor):.2f} rad"
    return Picture(difference, "phase difference [rad]", title, "blue-white-red", symmetric_levels(difference))


def fit_factor(values: ComplexArray, truth: ComplexArray) -> complex:
    """Return the complex factor that brings ``values`` closest to ``truth``."""
    power = float(np.sum(np.abs(values.astype(np.complex128)) ** 2))
    return complex(np.vdot(values.astype(np.complex128), truth) / power) if power > 0 else 1.0


def _masked(values: NDArray[np.floating], shown: NDArray[np.bool_]) -> FloatArray:
    return np.where(shown, values, np.nan).astype(np.float32)


def describe_offsets(offsets: PositionArray) -> str:
    """Return mean, spread and reach of ``(n, 2)`` canvas offsets ``(dy, dx)`` in one line."""
    if len(offsets) == 0:
        return "no positions"
    parts = []
    for name, column in (("dx", 1), ("dy", 0)):
        values = offsets[:, column]
        mean = values.mean() if abs(values.mean()) >= 5e-2 else 0.0
        parts.append(f"{name} {mean:.3g} ± {values.std():.1f}, max {np.abs(values).max():.1f}")
    return f"{' · '.join(parts)} px"


def coverage_count(positions: PositionArray, side: int) -> tuple[FloatArray, tuple[int, int]]:
    """Return how many patches of ``side`` pixels fall on each object pixel, and the pixel ``(y, x)`` of ``[0, 0]``.

    Takes time in proportion to the number of positions and of pixels, not to their product.
    """
    if len(positions) == 0:
        return np.zeros((0, 0), dtype=np.float32), (0, 0)
    corners = np.floor(positions - side / 2 + 0.5).astype(np.int64)
    origin = corners.min(axis=0)
    first = corners - origin
    height, width = (int(length) for length in first.max(axis=0) + side)
    # Corners of a summed-area table: each patch adds one at its corner and takes it away behind its edges.
    steps = np.zeros((height + 1, width + 1))
    for sign, row, column in ((1, 0, 0), (-1, side, 0), (-1, 0, side), (1, side, side)):
        np.add.at(steps, (first[:, 0] + row, first[:, 1] + column), sign)
    count = steps.cumsum(axis=0).cumsum(axis=1)[:height, :width]
    return np.round(count).astype(np.float32), (int(origin[0]), int(origin[1]))
