"""Two reconstructions and their difference as pictures, on one range of colours."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from app.display.canvas_pictures import CanvasScale, Picture, canvas_picture, scale_of_canvas
from app.display.complex_image import complex_image
from app.display.levels import symmetric_levels
from ptycho_engine.arrays import ComplexArray
from ptycho_engine.documents import Canvas

ComparedView = Literal["amplitude", "phase", "complex"]
COMPARED_VIEWS: dict[ComparedView, str] = {
    "amplitude": "Amplitude",
    "phase": "Phase",
    "complex": "Complex (hue = phase)",
}


@dataclass(frozen=True, slots=True, eq=False)
class ComparedPictures:
    """What is shown of two reconstructions."""

    a: Picture
    b: Picture
    difference: Picture


def compared_pictures(
    canvas: Canvas, aligned: ComplexArray, view: ComparedView, scale: CanvasScale, *, mode_b: str = "none"
) -> ComparedPictures:
    """Return A, B and A − B.

    Parameters
    ----------
    canvas
        A.
    aligned
        (H, W) B on the pixels and the scale of A, NaN where not both show something.
    view
        Which picture.
    scale
        The scale of amplitudes, that of A.
    mode_b
        The release that B was inferred as, ``"none"`` for none.
    """
    mode_a, canvas = canvas.mode, replace(canvas, mode="none")
    shown = np.isfinite(aligned)
    other = replace(canvas, object_=np.where(shown, aligned, 0), weight=shown.astype(np.float32))
    a, b = (canvas_picture(each, view, scale, None) for each in (canvas, other))
    if a is None or b is None:
        raise ValueError(f"there is no picture {view!r} of a canvas")
    if view != "phase":
        b = replace(b, title=a.title)
    if view == "amplitude":
        # One range for both: else a difference of brightness would not be seen.
        b = replace(b, levels=a.levels)
    elif view == "complex":
        factor = scale_of_canvas(canvas, scale)
        top = float(np.percentile(np.abs(canvas.object_[canvas.covered]), 99)) * factor if canvas.covered.any() else 1.0
        a, b = (
            replace(picture, rgba=complex_image(each.object_ * factor, top, each.covered))
            for picture, each in ((a, canvas), (b, other))
        )
    a, b = _named(a, "A", mode_a), _named(b, "B, as aligned", mode_b)
    return ComparedPictures(a, b, _difference(canvas, aligned, view, scale))


def _named(picture: Picture, name: str, mode: str) -> Picture:
    """Say which of the two it is, and as which release it was inferred."""
    words = (name, *(() if mode == "none" else (f"PtychoPINN {mode}",)), picture.title)
    return replace(picture, title=" · ".join(words))


def _difference(canvas: Canvas, aligned: ComplexArray, view: ComparedView, scale: CanvasScale) -> Picture:
    both = canvas.covered & np.isfinite(aligned)
    b = np.where(both, aligned, 1)
    words = "network scale" if scale == "network" else "physical scale"
    factor = scale_of_canvas(canvas, scale)
    if view == "phase":
        values = np.where(both, np.angle(canvas.object_ * np.conj(b)), np.nan).astype(np.float32)
        label, title = "phase difference [rad]", "A − B · phase"
    elif view == "amplitude":
        values = np.where(both, (np.abs(canvas.object_) - np.abs(b)) * factor, np.nan).astype(np.float32)
        label, title = "amplitude difference", f"A − B · amplitude, {words}"
    else:
        values = np.where(both, np.abs(canvas.object_ - b) * factor, np.nan).astype(np.float32)
        label, title = "|A − B|", f"|A − B| of the complex values · {words}"
        return Picture(values, label, title, "inferno", (0.0, symmetric_levels(values)[1]))
    return Picture(values, label, title, "blue-white-red", symmetric_levels(values))
