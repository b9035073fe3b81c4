"""The pictures of a canvas's phase without its ramp, and without its jumps."""

from app.display.canvas_pictures import CYCLE, Picture, View
from app.display.levels import percentile_levels
from ptycho_engine.diagnostics.phase import FlatPhase
from ptycho_engine.documents import Canvas

UNWRAPPED: tuple[View, ...] = ("unwrapped phase", "unwrapped phase without ramp")
PREPARED: tuple[View, ...] = ("phase without ramp", *UNWRAPPED)
"""Views that are worked out beside the window, for they take their time."""


def phase_picture(canvas: Canvas, flat: FlatPhase, view: View) -> Picture | None:
    """Return one of the prepared views of a canvas, ``None`` if it is not prepared."""
    mode = "" if canvas.mode == "none" else f"PtychoPINN {canvas.mode} · "
    y, x = flat.slope_rad_per_px
    taken = f"ramp y {y:+.4f}, x {x:+.4f} rad/px taken out"
    if view == "phase without ramp":
        title = f"{mode}Phase · cyclic, −π to π · {taken}"
        return Picture(flat.wrapped, "phase [rad]", title, "twilight", CYCLE, cyclic=True)
    with_ramp = view == "unwrapped phase"
    values = flat.unwrapped_with_ramp if with_ramp else flat.unwrapped
    if values is None or view not in UNWRAPPED:
        return None
    title = f"{mode}Unwrapped phase · p1–p99" + ("" if with_ramp else f" · {taken}")
    return Picture(values, "unwrapped phase [rad]", title, "viridis", percentile_levels(values))
