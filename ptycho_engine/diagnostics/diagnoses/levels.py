"""Whether patterns are amplitudes, and at which level: what goes wrong with units."""

import math
from typing import Literal

import numpy as np

from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.scan_evidence import PatternEvidence
from ptycho_engine.diagnostics.illumination import empty_intensity
from ptycho_engine.documents import Diagnosis
from ptycho_engine.physics.scaling import input_scale, probe_energy

STEEP = 1.2
"""Slope of log(measured) against log(amplitude of the probe alone). An object smears the pattern, which makes it
flatter: amplitudes of simulated scans had 0.74 to 0.98, their squares 1.1 to 1.9 (low where photons are few)."""
FLAT = 0.35
"""Slope below which counts look like roots of counts: half of the least slope that squares are expected to have."""
BRIGHT = 1e-3
"""Part of the greatest intensity of the probe's pattern from which pixels count in the slope."""
LEAST_TRANSMITTED = 0.1
"""An object that transmits less light than this could be one, but a probe in other units is more likely."""
MOST_TRANSMITTED = 1.2
"""No object amplifies; a fifth is left for noise, background and a probe that was cut at the rim."""
LEVEL = 5.0
"""Factor by which the input scale may lie beside 1 before older releases, which know none, would mislead."""


def intensity_not_amplitude(evidence: PatternEvidence) -> Diagnosis | None:
    """Find counts where amplitudes are expected, or the reverse.

    Counting leaves steps (see ``patterns.level_kind``), and they decide; where there are none, the slope of the root
    mean square of the patterns against the amplitude of the probe alone does, on a double logarithmic scale.
    """
    figures, taken = evidence.figures, evidence.dataset.measurement
    slope = spectral_slope(evidence)
    looks = figures.level_kind
    by_levels = looks != "unknown"
    if not by_levels and math.isfinite(slope):
        looks = "intensity" if taken == "amplitude" and slope > STEEP else taken
        if taken == "intensity" and slope < FLAT:
            looks = "amplitude"
    if looks in ("unknown", taken):
        return None
    seen = (
        f"their lowest values are whole multiples of {figures.lowest:.3g}"
        if by_levels and looks == "intensity"
        else f"their lowest values are roots of whole multiples of {figures.lowest**2:.3g}"
        if by_levels
        else f"they follow the probe's own pattern to the power {slope:.2f}"
    )
    if looks == "intensity":
        message = f"The patterns are taken as amplitudes but look like counts: {seen}."
        hint = 'Store the square root of the counts, or say "measurement_domain": "count_intensity" in _metadata.'
    else:
        message = f"The patterns are taken as counts but look like amplitudes: {seen}."
        hint = 'Say "measurement_domain": "normalized_amplitude" in _metadata, or store the counts.'
    return Diagnosis(
        "intensity-not-amplitude",
        "error" if by_levels else "warning",
        message,
        hint,
        {"slope": slope, "lowest": figures.lowest, "taken_as": taken, "looks_like": looks},
    )


def spectral_slope(evidence: PatternEvidence) -> float:
    """Return the slope of log(root mean square as stored) against log(amplitude of the probe alone), NaN for none."""
    empty = empty_intensity(evidence.dataset.probe)
    measured = evidence.figures.mean_intensity
    # What is stored, squared: the mean intensity of amplitudes, or of counts the mean of their square roots' squares.
    bright = (empty > BRIGHT * empty.max()) & (measured > 0)
    if np.count_nonzero(bright) < 16:
        return math.nan
    x = 0.5 * np.log(empty[bright])
    y = (0.5 if evidence.dataset.measurement == "amplitude" else 1.0) * np.log(measured[bright])
    x, y = x - x.mean(), y - y.mean()
    spread = float(x @ x)
    return float(x @ y) / spread if spread > 0 else math.nan


def probe_energy_mismatch(evidence: PatternEvidence) -> Diagnosis | None:
    """Find patterns with more light than the probe, or with less than a tenth of it.

    By Parseval ``mean sum A² = sum |P|² |O|²``, so the quotient is the object's mean transmission. It is a warning
    where the steps of counting show that somebody brought the patterns to a unit, which can only be the probe's;
    roots of plain counts, and patterns whose unit cannot be told, need not share it.
    """
    light = probe_energy(evidence.dataset.probe)
    mean = evidence.figures.mean_total
    if light <= 0 or mean <= 0:
        return None
    transmitted = mean / light
    if LEAST_TRANSMITTED <= transmitted <= MOST_TRANSMITTED:
        return None
    unit = _unit(evidence)
    factor = math.sqrt(transmitted)
    reason = (
        "the patterns are plain counts, and the probe is in other units"
        if unit == "counts"
        else "no object amplifies"
        if transmitted > 1
        else "the object would have to be almost opaque"
    )
    return Diagnosis(
        "probe-energy-mismatch",
        "warning" if unit == "scaled" else "info",
        f"A pattern holds {mean:.4g} on average, the probe {light:.4g}: by Parseval the object would transmit "
        f"{transmitted:.3g} of the light; {reason}.",
        f"Multiply the probe by {factor:.4g} to bring both to one unit; until then amplitudes on physical scale are "
        "that factor from the transmission.",
        {"transmitted": transmitted, "probe_factor": factor, "mean_total": mean, "probe_total": light},
    )


def unnormalized_dataset(evidence: PatternEvidence) -> Diagnosis | None:
    """Find a level far from what networks are fed: an input scale k beyond ``LEVEL`` times 1, or below its inverse.

    Ptychoscope multiplies by k; releases that fed raw patterns (November 2025) were off by 1/k.
    """
    mean = evidence.figures.mean_total
    k = input_scale(mean, evidence.dataset.n)
    if mean <= 0 or 1.0 / LEVEL <= k <= LEVEL:
        return None
    return Diagnosis(
        "unnormalized-dataset",
        "info",
        f"The patterns are {1.0 / k:.4g} times the level that networks are trained at (mean total {mean:.4g}, "
        f"(N/2)² is {(evidence.dataset.n / 2) ** 2:.4g}).",
        f"Ptychoscope multiplies them by k = {k:.4g} itself; a program that does not must be given them times k.",
        {"input_scale": k, "mean_total": mean},
    )


def integer_overflow_risk(evidence: PatternEvidence) -> Diagnosis | None:
    """Find integers whose squares their own type cannot hold."""
    try:
        kind = np.dtype(evidence.dataset.frames.stored_dtype)
    except TypeError:
        return None
    if kind.kind not in "iu":
        return None
    limit, top = int(np.iinfo(kind).max), evidence.figures.greatest
    if top**2 <= limit:
        return None
    return Diagnosis(
        "integer-overflow-risk",
        "info",
        f"Patterns are stored as {kind.name} up to {top:g}; the square, {top**2:.4g}, is beyond its limit {limit}.",
        "Ptychoscope squares in floating point; PtychoPINN of November 2025 and before wraps around: store float32.",
        {"greatest": top, "limit": float(limit)},
    )


def _unit(evidence: PatternEvidence) -> Literal["counts", "scaled", "unknown"]:
    """Return whether the lowest level of what is stored is one count, or a count in another unit."""
    figures = evidence.figures
    if figures.level_kind == "unknown":
        return "unknown"
    return "counts" if math.isclose(figures.lowest, 1.0, rel_tol=1e-3) else "scaled"


INTENSITY_NOT_AMPLITUDE = Check("intensity-not-amplitude", PatternEvidence, intensity_not_amplitude, "dataset")
PROBE_ENERGY_MISMATCH = Check(
    "probe-energy-mismatch",
    PatternEvidence,
    probe_energy_mismatch,
    "dataset",
    explained_by=("intensity-not-amplitude",),
)
UNNORMALIZED_DATASET = Check("unnormalized-dataset", PatternEvidence, unnormalized_dataset, "dataset")
INTEGER_OVERFLOW_RISK = Check("integer-overflow-risk", PatternEvidence, integer_overflow_risk, "dataset")
