"""How a refined canvas differs from what the network drew, in pictures and in words."""

from collections.abc import Sequence

import numpy as np

from app.display.canvas_pictures import CanvasScale, Picture, View, fit_factor, scale_of_canvas
from app.display.levels import symmetric_levels
from ptycho_engine.documents import Canvas
from ptycho_engine.events import MisfitMeasured


def refinement_picture(refined: Canvas, network: Canvas, view: View, scale: CanvasScale) -> Picture | None:
    """Return the difference of two canvases, refined minus network; ``None`` for a view that has no difference.

    Amplitudes are compared after the factor, phases after the angle, that brings the network's closest: these are told
    in the title and not shown as a difference.

    Parameters
    ----------
    refined, network
        On the same pixels.
    view
        Amplitude or phase.
    scale
        The scale of amplitudes.
    """
    if view not in ("amplitude", "phase") or refined.object_.shape != network.object_.shape:
        return None
    both = refined.covered & network.covered
    if view == "amplitude":
        ours, theirs = np.abs(refined.object_), np.abs(network.object_)
        factor = abs(fit_factor(theirs[both], ours[both]))
        apart = (ours - factor * theirs) * scale_of_canvas(refined, scale)
        values = np.where(both, apart, np.nan).astype(np.float32)
        words = "network scale" if scale == "network" else "physical scale"
        title = f"Refined − network · amplitude, {words}, after scaling the network's by {factor:.3g}"
        return Picture(values, "amplitude difference", title, "blue-white-red", symmetric_levels(values))
    angle = float(np.angle(fit_factor(network.object_[both], refined.object_[both])))
    turned = np.where(both, refined.object_ * np.conj(network.object_) * np.exp(-1j * angle), 1)
    values = np.where(both, np.angle(turned), np.nan).astype(np.float32)
    title = f"Refined − network · phase, after turning the network's by {angle:.2f} rad"
    return Picture(values, "phase difference [rad]", title, "blue-white-red", symmetric_levels(values))


def describe_misfits(misfits: Sequence[MisfitMeasured]) -> str:
    """Return in one line how far the network's canvas was from the patterns, and how far the refined one is."""
    if not misfits:
        return ""
    first, last = misfits[0], misfits[-1]
    parts = [f"Misfit: R {first.r_factor:.3f} → {last.r_factor:.3f}, pass {last.n_passes_done}/{last.n_passes}"]
    if first.deviance is not None and last.deviance is not None and last.noise_deviance is not None:
        parts.append(f"deviance {first.deviance:.3g} → {last.deviance:.3g} a pixel (noise {last.noise_deviance:.2g})")
    parts.append(f"canvas × {first.factor:.3g} first")
    return " · ".join(parts)
