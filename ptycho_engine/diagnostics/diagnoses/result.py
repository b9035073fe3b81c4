"""What can be wrong with a result: its input, its patches, its canvas, its fit."""

import math

import numpy as np

from ptycho_engine.arrays import FloatArray
from ptycho_engine.diagnostics.diagnoses.amplitude import CONSTANT, FLAT
from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.diagnostics.diagnoses.evidence import LEARNED
from ptycho_engine.diagnostics.diagnoses.output import DEAD_ENERGY
from ptycho_engine.diagnostics.diagnoses.result_evidence import ResultEvidence
from ptycho_engine.documents import Diagnosis

LEVEL = 1.3
"""Factor between input and training from which on it is told: parts of one scan differ by a few per cent, and the
smallest known mistake, the two normalisations of PtychoPINN, is a factor of 2."""
LEVEL_ERROR = 3.0
"""Factor from which on nothing that the network draws means anything."""
EXPLAINS = 0.05
"""How closely a known factor must agree to be named as the reason."""
SHOWN = 0.99
"""Part of the patches that a canvas must show: one in a hundred may lie beyond its border."""
NOISE = 1.5
"""Times the R-factor of noise alone that a poor fit must exceed."""
WORST = 5


def input_scale_mismatch(evidence: ResultEvidence) -> Diagnosis | None:
    """Find an input that was ``LEVEL`` times brighter or darker than in training, and name what was missing.

    Networks are trained on patterns times ``k = (N/2)/sqrt(mean total)``; the factor is what they were multiplied by
    here, over k of the same patterns.
    """
    factor = evidence.input_factor
    if not math.isfinite(factor) or factor <= 0 or 1.0 / LEVEL < factor < LEVEL:
        return None
    worst = max(factor, 1.0 / factor)
    words = f"{factor:.4g} times too bright" if factor > 1 else f"{1.0 / factor:.4g} times too dark"
    return Diagnosis(
        "input-scale-mismatch",
        "error" if worst >= LEVEL_ERROR else "warning",
        f"The network was fed patterns {words}: they were multiplied by {evidence.input_scale:.7g}, in training by "
        f"k = {evidence.normal_scale:.6g}; {_missing(evidence)}.",
        "Normalise the patterns by k, as Ptychoscope does with compatibility none.",
        {
            "factor": factor,
            "multiplied_by": evidence.input_scale,
            "input_scale": evidence.normal_scale,
            "intensity_scale": evidence.bundle.intensity_scale,
        },
    )


def _missing(evidence: ResultEvidence) -> str:
    """Return in words which normalisation was left out or put in its place."""
    used, k, scale = evidence.input_scale, evidence.normal_scale, evidence.bundle.intensity_scale
    known = (
        (1.0, "raw patterns went in, the normalisation k is missing"),
        (scale, f"raw patterns times the intensity scale S = {scale:.7g} went in, the normalisation k is missing: S/k"),
        (
            scale * k,
            f"the intensity scale S = {scale:.7g} was multiplied in as well, though it only turns results into photons",
        ),
        (2 * k, "patterns were normalised to a mean total of N² instead of (N/2)²"),
        (k / 2, "patterns were normalised to a mean total of (N/4)² instead of (N/2)²"),
        (1.0 / k, "patterns were divided by k instead of multiplied"),
    )
    named = [words for value, words in known if math.isclose(used, value, rel_tol=EXPLAINS)]
    return named[0] if named else "no known normalisation explains this factor"


def dead_result(evidence: ResultEvidence) -> Diagnosis | None:
    """Find patches that are not finite, or whose patterns have less than ``DEAD_ENERGY`` of the energy of the input."""
    bad = int(np.count_nonzero(~np.isfinite(evidence.patches).all(axis=(1, 2))))
    if bad:
        message = f"{bad} of {len(evidence.patches)} patches looked at are not finite."
        ratio = math.nan
    elif not evidence.patches.any():
        message, ratio = f"All {len(evidence.patches)} patches looked at are exactly zero.", 0.0
    else:
        ratio = evidence.drawn.energy_ratio
        if not ratio < DEAD_ENERGY:
            return None
        message = f"The patches are as good as zero: their patterns have {ratio:.1g} of the energy of the input."
    return Diagnosis(
        "dead-output",
        "error",
        message,
        "Look at the level of the input first (input-scale-mismatch), then at the weights of the bundle.",
        {"n_not_finite": bad, "energy_ratio": ratio},
    )


def flat_result(evidence: ResultEvidence) -> Diagnosis | None:
    """Find patches of constant amplitude, as in a training.

    The spread of ``|O|²`` under the probe is below ``FLAT`` of what the energies of the patterns demand, or below
    ``CONSTANT`` where the patches explain no pattern and agree with no neighbour.
    """
    if not evidence.finite:
        return None
    drawn = evidence.drawn
    explains = evidence.explains
    limit = FLAT * drawn.demanded_variation
    if drawn.amplitude_variation >= (limit if explains else max(limit, CONSTANT)):
        return None
    return Diagnosis(
        "flat-amplitude",
        "warning" if explains else "error",
        f"The network draws a constant amplitude: |O|² varies by {100 * drawn.amplitude_variation:.2g} %, the patterns "
        f"demand at least {100 * drawn.demanded_variation:.2g} %.",
        "Train again with another seed, or with the recipe reliable.",
        {"amplitude_variation": drawn.amplitude_variation, "demanded_variation": drawn.demanded_variation},
    )


def canvas_coverage(evidence: ResultEvidence) -> Diagnosis | None:
    """Find a canvas that shows less than ``SHOWN`` of the patches that were placed, or lost some at its border."""
    canvas, placed = evidence.canvas, evidence.n_placed
    shown = placed - canvas.dropped
    if canvas.dropped <= 0 or placed <= 0:
        return None
    share = shown / placed
    covered = int(np.count_nonzero(canvas.covered))
    height, width = canvas.object_.shape
    reason = (
        "the release that was asked for keeps only the first of its canvases"
        if shown == 1 and placed > 1
        else "the others fell beyond its border"
    )
    return Diagnosis(
        "canvas-coverage",
        "info" if share >= SHOWN else "error" if share < 0.5 else "warning",
        f"The canvas of {height} x {width} px shows {shown} of {placed} patches, on "
        f"{covered / (height * width):.1%} of its area: {reason}.",
        "Stitch with compatibility none; the mean over the canvas says nothing about the patches.",
        {"n_shown": shown, "n_placed": placed, "share": share, "covered": covered / (height * width)},
    )


def poor_fit(evidence: ResultEvidence) -> Diagnosis | None:
    """Find an R-factor not below ``LEARNED`` times that of an empty object, and more than noise alone makes.

    Where neighbouring patches agree (``AGREEING``) something of the object is there all the same, and it is a remark.
    """
    if not evidence.finite:
        return None
    fit = evidence.fit
    noise = noise_r_factor(fit.predicted, evidence.photon_scale)
    if fit.r_factor < LEARNED * fit.empty_r_factor or (noise is not None and fit.r_factor < NOISE * noise):
        return None
    order = np.argsort(-fit.r_factors, kind="stable")[:WORST]
    worst = ", ".join(f"{fit.frame_indices[one]} ({fit.r_factors[one]:.2f})" for one in order)
    subject = "The canvas explains" if fit.by == "canvas" else "The patches explain"
    floor = "" if noise is None else f", noise alone {noise:.3f}"
    return Diagnosis(
        "poor-fit",
        "info" if evidence.explains else "warning",
        f"{subject} the patterns no better than an empty object does: R-factor {fit.r_factor:.3f}, empty "
        f"{fit.empty_r_factor:.3f}{floor}; overlap of neighbours {evidence.agreement:z.2f}; worst frames {worst}.",
        "Refine the canvas against the data, or train on a scan of this instrument.",
        {
            "r_factor": fit.r_factor,
            "empty_r_factor": fit.empty_r_factor,
            "noise_r_factor": math.nan if noise is None else noise,
            "overlap": evidence.agreement,
            "worst_frame": int(fit.frame_indices[order[0]]),
        },
    )


def noise_r_factor(predicted: FloatArray, photon_scale: float | None) -> float | None:
    """Return the R-factor of counts that are drawn from a prediction; ``None`` where photons are not known.

    Drawn from what was measured it would come out too small: where nothing was counted, nothing is ever drawn.

    Parameters
    ----------
    predicted
        (m, N, N) amplitudes.
    photon_scale
        Root photons for them.
    """
    if photon_scale is None:
        return None
    rate = np.square(predicted.astype(np.float64) * photon_scale)
    drawn = np.sqrt(np.random.default_rng(0).poisson(rate))
    total = float(drawn.sum())
    return float(np.abs(drawn - np.sqrt(rate)).sum()) / total if total > 0 else None


_EXPLAINING = ("input-scale-mismatch", "dead-output", "flat-amplitude", "mirrored-placement", "swapped-axes")
INPUT_SCALE_MISMATCH = Check("input-scale-mismatch", ResultEvidence, input_scale_mismatch, "patches")
DEAD_RESULT = Check("dead-output", ResultEvidence, dead_result, "patches")
FLAT_RESULT = Check("flat-amplitude", ResultEvidence, flat_result, "patches", explained_by=("dead-output",))
CANVAS_COVERAGE = Check("canvas-coverage", ResultEvidence, canvas_coverage, "canvas")
POOR_FIT = Check("poor-fit", ResultEvidence, poor_fit, "patches", explained_by=_EXPLAINING)
