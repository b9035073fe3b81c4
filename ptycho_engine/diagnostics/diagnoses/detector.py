"""What the detector, or what was done to its pictures, got wrong."""

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.scan_evidence import PatternEvidence
from ptycho_engine.diagnostics.illumination import empty_intensity
from ptycho_engine.diagnostics.pixel_mask import dead_mask, is_at_limit, median_of_neighbours
from ptycho_engine.documents import Diagnosis

CORNER = 1.5
"""Times the light in the middle that must lie in the corners. With the zero frequency in the middle, a pattern whose
light reaches its rim evenly comes to 1."""
OFF_CENTRE = 1.0 / 32
"""Part of the side by which the mean pattern may lie beside that of the probe. An object whose phase rises by a radian
over the whole scan moves it by a tenth of a pixel."""
LOST_LIGHT = 1e-3
"""Part of the light that dead pixels may lose before they matter to the fit."""
DARK = 1e-3
"""Part of the median total below which a pattern holds nothing: the shutter was closed."""


def not_centred(evidence: PatternEvidence) -> Diagnosis | None:
    """Find the zero frequency in the corner, or the whole pattern beside the middle.

    Compared is the light within N/4 of the middle and of the corners; and the centre of mass of the mean pattern with
    that of the probe's own.
    """
    mean, n = evidence.figures.mean_intensity, evidence.dataset.n
    axis = np.arange(n) - n // 2
    inner = np.hypot(axis[:, None], axis[None, :]) < n / 4
    middle, corner = float(mean[inner].sum()), float(np.fft.ifftshift(mean)[inner].sum())
    if corner > CORNER * middle:
        share = corner / float(mean.sum())
        return Diagnosis(
            "not-centred",
            "error",
            f"{share:.0%} of the light lies in the corners of the patterns, {middle / float(mean.sum()):.0%} in the "
            "middle: the zero frequency is in the corner.",
            "Apply numpy.fft.fftshift to the last two axes of the patterns.",
            {"corner": corner, "middle": middle},
        )
    if not mean.any():
        return None
    offset = _centre(mean) - _centre(empty_intensity(evidence.dataset.probe))
    distance = float(np.hypot(*offset))
    if not distance > OFF_CENTRE * n:
        return None
    return Diagnosis(
        "not-centred",
        "warning",
        f"The mean pattern lies {distance:.3g} px beside that of the probe (down {offset[0]:.3g}, "
        f"right {offset[1]:.3g}).",
        "Cut the patterns about the direct beam; a shifted pattern puts a phase ramp on every patch.",
        {"down_px": float(offset[0]), "right_px": float(offset[1])},
    )


def dead_pixels(evidence: PatternEvidence) -> Diagnosis | None:
    """Find pixels that are dark in every pattern although their neighbours are not."""
    figures = evidence.figures
    k = int(np.isfinite(figures.totals).sum())
    dead = dead_mask(figures.lit_share, k)
    if not dead.any():
        return None
    lost = float(median_of_neighbours(figures.mean_intensity)[dead].sum())
    share = lost / max(lost + float(figures.mean_intensity.sum()), 1e-300)
    rows, columns = np.nonzero(dead)
    named = ", ".join(f"({row}, {column})" for row, column in zip(rows[:4], columns[:4], strict=True))
    return Diagnosis(
        "dead-pixels",
        "warning" if share > LOST_LIGHT else "info",
        f"{len(rows)} pixels are dark in all {k} patterns beside lit neighbours, and hide {share:.2%} of the light: "
        f"{named}{' …' if len(rows) > 4 else ''}.",
        "Fill them from their neighbours, or mask them: the network takes a dark pixel for a measured zero.",
        {"n_dead": len(rows), "hidden_light": share, "row": int(rows[0]), "column": int(columns[0])},
    )


def saturated_pixels(evidence: PatternEvidence) -> Diagnosis | None:
    """Find a greatest value that many pixels share exactly, as many as lie within a tenth below it."""
    figures = evidence.figures
    shared, nearly = figures.n_greatest, figures.n_nearly
    if not is_at_limit(shared, nearly, figures.n_levels):
        return None
    return Diagnosis(
        "saturated-pixels",
        "warning",
        f"{shared} pixels hold exactly the greatest value {figures.greatest:.5g}, and only {nearly} lie within a tenth "
        "below it: the detector, or the file's type, was at its limit.",
        "Attenuate the beam or sum shorter exposures; the patches will be too dark and too smooth.",
        {"n_saturated": shared, "greatest": figures.greatest},
    )


def unusable_patterns(evidence: PatternEvidence) -> Diagnosis | None:
    """Find patterns that are not finite, have values below zero, or less than ``DARK`` of the median light."""
    figures = evidence.figures
    median = float(np.median(figures.totals[figures.good])) if figures.good.any() else 0.0
    dark = figures.indices[np.isfinite(figures.totals) & ~(figures.totals > DARK * median)]
    broken = figures.indices[~np.isfinite(figures.totals)]
    parts = []
    if broken.size:
        parts.append(f"{broken.size} are not finite (the first is {broken[0]})")
    if dark.size:
        parts.append(f"{dark.size} hold no light (the first is {dark[0]})")
    if figures.n_negative:
        parts.append(f"{figures.n_negative} have values below zero")
    if not parts:
        return None
    bad = np.union1d(dark, broken)
    return Diagnosis(
        "unusable-patterns",
        "error" if broken.size or not figures.good.any() else "warning",
        f"Of {len(figures.indices)} patterns looked at, {', '.join(parts)}.",
        "Leave these patterns and their positions out.",
        {
            "n_not_finite": int(broken.size),
            "n_dark": int(dark.size),
            "n_negative": figures.n_negative,
            "first": int(bad[0]) if bad.size else -1,
        },
    )


def duplicate_patterns(evidence: PatternEvidence) -> Diagnosis | None:
    """Find patterns that equal an earlier one to the last bit, which noise never does."""
    found = evidence.figures.duplicates
    if not found.size:
        return None
    named = ", ".join(str(index) for index in found[:5]) + (" …" if found.size > 5 else "")
    return Diagnosis(
        "duplicate-patterns",
        "warning",
        f"{found.size} of {len(evidence.figures.indices)} patterns looked at repeat an earlier one exactly: {named}.",
        "Write the file again: the detector was read twice, or patterns were copied to other positions.",
        {"n_repeated": int(found.size), "first": int(found[0])},
    )


def _centre(intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    axis = np.arange(len(intensity)) - len(intensity) // 2
    total = float(intensity.sum())
    if total <= 0:
        return np.zeros(2)
    return np.array([float(intensity.sum(axis=1) @ axis), float(intensity.sum(axis=0) @ axis)]) / total


NOT_CENTRED = Check("not-centred", PatternEvidence, not_centred, "dataset")
DEAD_PIXELS = Check("dead-pixels", PatternEvidence, dead_pixels, "dataset")
SATURATED_PIXELS = Check("saturated-pixels", PatternEvidence, saturated_pixels, "dataset")
UNUSABLE_PATTERNS = Check("unusable-patterns", PatternEvidence, unusable_patterns, "dataset")
DUPLICATE_PATTERNS = Check("duplicate-patterns", PatternEvidence, duplicate_patterns, "dataset")
