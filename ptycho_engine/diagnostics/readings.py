"""What is measured of a training from time to time, for the figures that are shown and for the diagnoses."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray
from ptycho_engine.documents import FitFigures

AT_PI = 0.99
"""A phase counts as being at pi from this part of it on: pi tanh(x) comes there at x = 2.6, where it hardly moves."""
SILU_MINIMUM = -0.2785
"""min x/(1 + exp(-x)), at x = -1.278."""
TROUGH = 0.7 * SILU_MINIMUM
"""Amplitude below which SiLU holds it: a greater modulus lies deeper in the trough, where the slope ends, so the loss
drives it in and not out."""
AT_BOUND = 0.01
"""An amplitude counts as being at its bounds within this part of them: a sigmoid's slope is a 25th of its greatest."""


@dataclass(frozen=True, slots=True)
class DrawnFigures:
    """What a network draws, over the patches of a sample; every pixel counts by the light of the probe on it."""

    finite: float
    """Part of the pixels that are finite; all other figures are NaN unless it is 1."""
    mean_amplitude: float
    """Mean output of the amplitude's head, network scale."""
    demanded_amplitude: float
    """What an amplitude that is the same everywhere must be for patterns of the measured energy, network scale."""
    in_trough: float
    """Part of the light where the amplitude is below zero and near SiLU's minimum."""
    amplitude_variation: float
    """Standard deviation of |O|² over its mean."""
    demanded_variation: float
    """The least that the measured patterns allow for it, see :func:`demanded_variation`."""
    energy_ratio: float
    """Energy of the predicted over that of the measured patterns."""
    phase_at_pi: float
    """Part of the light where the phase's head is at +-pi."""
    amplitude_at_bound: float
    """Part of the light where a bounded amplitude is at one of its bounds; NaN for one without bounds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of a training."""

    step: int
    """Optimiser steps done."""
    epoch: int
    """Complete epochs."""
    train_loss: float
    """Mean over the steps since the reading before."""
    validation_loss: float
    """NaN without a test scan, and in the middle of an epoch."""
    weight_change: float
    """Norm of what the weights changed by since the reading before, over their own norm."""
    drawn: DrawnFigures
    fit: FitFigures

    def as_dict(self) -> dict[str, Any]:
        """Return plain data fit for strict JSON: None for NaN."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Reading":
        """Read what :meth:`as_dict` wrote; raises ``KeyError``, ``TypeError`` or ``ValueError`` on anything else."""
        known = _with_nan(values)
        return cls(**known | {"drawn": DrawnFigures(**known["drawn"]), "fit": FitFigures(**known["fit"])})


def _with_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: math.nan if value is None else _with_nan(value) if isinstance(value, dict) else value
        for name, value in values.items()
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def drawn_figures(
    amplitude: FloatArray,
    phase: FloatArray,
    light: FloatArray,
    measured: FloatArray,
    predicted: FloatArray,
    *,
    intensity_scale: float,
    bound: float | None = None,
) -> DrawnFigures:
    """Describe what a network draws.

    Parameters
    ----------
    amplitude, phase
        (k, N, N) outputs of the two heads, network scale and [rad].
    light
        (N, N) intensity of the probe, on any scale.
    measured, predicted
        (k, N, N) amplitudes on the detector, network scale.
    intensity_scale
        S, root photons for network amplitude.
    bound
        The greatest value of the amplitude's head, the least being 0; ``None`` if it has no bounds.
    """
    good = np.isfinite(amplitude) & np.isfinite(phase)
    finite = float(good.mean())
    if finite < 1.0 or not np.isfinite(predicted).all():
        return DrawnFigures(min(finite, 1.0 - 1e-9), *[math.nan] * 8)
    weight = light.astype(np.float64) / max(float(light.sum(dtype=np.float64)), 1e-300) / len(amplitude)
    intensity = np.square(amplitude.astype(np.float64))
    mean = float(np.sum(weight * intensity))
    spread = math.sqrt(float(np.sum(weight * np.square(intensity - mean))))
    energy = np.sum(np.square(measured, dtype=np.float64), axis=(-2, -1))
    own = float(np.sum(np.square(predicted, dtype=np.float64)))
    ratio = own / float(energy.sum()) if energy.sum() > 0 else math.nan
    at_pi = np.abs(np.abs(phase) - math.pi) < (1.0 - AT_PI) * math.pi
    at_bound = math.nan
    if bound is not None:
        at_bound = float(np.sum(weight * ((amplitude < AT_BOUND * bound) | (amplitude > (1.0 - AT_BOUND) * bound))))
    return DrawnFigures(
        finite=1.0,
        mean_amplitude=float(np.sum(weight * amplitude)),
        # By Parseval the energy of a pattern is in proportion to |O|² in the light of the probe.
        demanded_amplitude=math.sqrt(mean / ratio) if ratio > 0 else math.nan,
        in_trough=float(np.sum(weight * (amplitude < TROUGH))),
        amplitude_variation=spread / mean if mean > 0 else 0.0,
        demanded_variation=demanded_variation(energy, intensity_scale),
        energy_ratio=ratio,
        phase_at_pi=float(np.sum(weight * at_pi)),
        amplitude_at_bound=at_bound,
    )


def demanded_variation(energy: NDArray[np.float64], intensity_scale: float) -> float:
    """Return the least relative spread of |O|² that patterns of these energies allow.

    By Parseval the energy of a pattern is ``sum |P|² |O|²``: that of |O|² averaged with the light of the probe. Means
    vary less than what they are means of, so the spread of |O|² over all lit pixels is at least that of the energies,
    from which the share of the counting noise is taken: ``sqrt(var(E)/mean(E)² - 1/(S² mean(E)))``. It is 0 for an
    object that only shifts the phase, which may rightly be drawn with a constant amplitude.

    Parameters
    ----------
    energy
        (k,) sum of squared amplitudes of each pattern, network scale.
    intensity_scale
        S, root photons for network amplitude.
    """
    mean = float(energy.mean())
    if len(energy) < 2 or mean <= 0:
        return 0.0
    noise = 1.0 / (intensity_scale**2 * mean)
    return math.sqrt(max(float(energy.var(ddof=1)) / mean**2 - noise, 0.0))
