"""What a bundle alone tells: its scale, and whether its weights can be used."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.diagnostics.diagnoses.check import Check
from ptycho_engine.documents import Bundle, Diagnosis

USUAL_PHOTONS = (1e5, 1e9)
"""What PtychoPINN takes where nothing is said: 1e5 in its torch settings, 1e9 where a file is silent."""
SAME = 1e-4
"""Two scales that agree this well came from the same formula: it is written with seven digits."""
ALL_LAYERS = 0.95
"""Part of the layers that must still be as drawn. One step of Adam moves each weight by about the learning rate and
takes some of every layer beyond the bound of the draw."""
LEAST_WEIGHTS = 64
"""Smaller layers may keep within the bound by chance."""


@dataclass(frozen=True, slots=True)
class BundleEvidence:
    """A bundle as it was read."""

    bundle: Bundle


def scale_is_fallback(evidence: BundleEvidence) -> Diagnosis | None:
    """Find an intensity scale that is 1, or ``sqrt(n_photons)/(N/2)`` for the photons it names or a usual number."""
    bundle = evidence.bundle
    scale, half = bundle.intensity_scale, bundle.model.n / 2
    named = () if bundle.n_photons is None else (bundle.n_photons,)
    photons = next(
        (n for n in (*named, *USUAL_PHOTONS) if math.isclose(scale, math.sqrt(n) / half, rel_tol=SAME)), None
    )
    if photons is None and scale != 1.0:
        return None
    if photons is None:
        why, formula = "it is 1", 1.0
    else:
        formula = math.sqrt(photons) / half
        default = "" if photons in named else ", PtychoPINN's default number of photons"
        why = f"it equals sqrt(n_photons)/(N/2) = sqrt({photons:g})/{half:g}{default}"
    return Diagnosis(
        "scale-is-fallback",
        "info",
        f"The intensity scale {scale:.7g} was not learned: {why}.",
        "It turns network amplitude into photons; never multiply the input of the network by it.",
        {"intensity_scale": scale, "formula": formula, "n_photons": math.nan if photons is None else photons},
    )


def non_finite_weights(evidence: BundleEvidence) -> Diagnosis | None:
    """Find NaN or infinity in any tensor."""
    bad = {
        name: int(np.count_nonzero(~np.isfinite(tensor)))
        for name, tensor in evidence.bundle.state.items()
        if np.issubdtype(tensor.dtype, np.inexact)
    }
    bad = {name: count for name, count in bad.items() if count}
    if not bad:
        return None
    named = ", ".join(f"{name} ({count})" for name, count in list(bad.items())[:3]) + (" …" if len(bad) > 3 else "")
    return Diagnosis(
        "non-finite-weights",
        "error",
        f"{sum(bad.values())} weights in {len(bad)} of {len(evidence.bundle.state)} tensors are not finite: {named}.",
        "The training diverged: take an earlier checkpoint, or train again with a lower learning rate.",
        {"n_not_finite": sum(bad.values()), "n_tensors": len(bad), "first": next(iter(bad))},
    )


def weights_untrained(evidence: BundleEvidence) -> Diagnosis | None:
    """Find weights that are still as they were drawn, in ``ALL_LAYERS`` of the layers.

    torch draws weights and biases evenly within ``±1/sqrt(fan_in)``: none lies beyond that bound, and their root mean
    square is ``1/sqrt(3)`` of it. He's draw is normal with ``sqrt(2/fan_in)``, and its biases are zero.
    """
    state = evidence.bundle.state
    layers = [
        (tensor, state.get(f"{name.removesuffix('weight')}bias"))
        for name, tensor in state.items()
        if name.endswith("weight") and tensor.ndim >= 3 and tensor.size >= LEAST_WEIGHTS
    ]
    if len(layers) < 3:
        return None
    as_drawn = sum(_as_drawn(weight, bias) for weight, bias in layers)
    if as_drawn < ALL_LAYERS * len(layers):
        return None
    return Diagnosis(
        "weights-untrained",
        "error",
        f"The weights of {as_drawn} of {len(layers)} layers are spread as a fresh draw spreads them: this network has "
        "not been trained.",
        "Train it, or open the bundle that the training wrote at its end.",
        {"n_as_drawn": as_drawn, "n_layers": len(layers)},
    )


def _as_drawn(weight: NDArray[np.generic], bias: NDArray[np.generic] | None) -> bool:
    values = np.asarray(weight, np.float64)
    fan_in = int(np.prod(values.shape[1:]))
    level = float(np.sqrt(np.mean(np.square(values)))) * math.sqrt(fan_in)
    # Of n even draws the mean square is off by 0.9/sqrt(n) of itself, of n normal ones by 1.4/sqrt(n): five times that.
    slack = 5.0 / math.sqrt(values.size)
    bound = 1.0000005 / math.sqrt(fan_in)
    even = float(np.abs(values).max()) <= bound and abs(level * math.sqrt(3) - 1) < slack
    if even:
        return bias is None or float(np.abs(np.asarray(bias, np.float64)).max()) <= bound
    normal = abs(level / math.sqrt(2) - 1) < slack and float(np.abs(values).max()) * math.sqrt(fan_in / 2) > 2.5
    return normal and bias is not None and not np.asarray(bias).any()


SCALE_IS_FALLBACK = Check("scale-is-fallback", BundleEvidence, scale_is_fallback, "bundle")
NON_FINITE_WEIGHTS = Check("non-finite-weights", BundleEvidence, non_finite_weights, "bundle")
BUNDLE_UNTRAINED = Check(
    "weights-untrained", BundleEvidence, weights_untrained, "bundle", explained_by=("non-finite-weights",)
)
