"""The figures of a grid of patches: per patch and for all of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray
from ptycho_engine.documents import AmplitudeScale

Quantity = Literal["amplitude", "phase"]

SCALE_TEXTS: dict[AmplitudeScale, str] = {
    "network": "network",
    "physical": "physical",
    "photon": "photon",
}
SCALE_LABELS: dict[AmplitudeScale, str] = {
    "network": "network amplitude",
    "physical": "physical amplitude (transmission)",
    "photon": "photon amplitude [√photons]",
}
SCALE_HELP = (
    "network: as the model emits it\n"
    "physical: the object's transmission = network / (probe_scale × k)\n"
    "photon: network × intensity scale"
)
PHASE_LABEL = "phase [rad]"


@dataclass(frozen=True, slots=True)
class PatchNumbers:
    """What a table says about one patch or many."""

    mean: float
    std: float
    minimum: float
    maximum: float
    var_zero_mean: float
    """Mean square of the values minus the mean of their own patch."""

    def as_tuple(self) -> tuple[float, float, float, float, float]:
        """Return the figures in the order of :data:`COLUMNS`."""
        return (self.mean, self.std, self.minimum, self.maximum, self.var_zero_mean)


COLUMNS = ("mean", "std", "min", "max", "var(zero-mean)")
COLUMN_KEYS = ("mean", "std", "min", "max", "var_zero_mean")


def patch_numbers(patches: NDArray[np.floating]) -> PatchNumbers:
    """Return the figures over all of ``(n, height, width)`` patches; ``std`` is unbiased, as in the statistics file."""
    if patches.size == 0:
        return PatchNumbers(*[float("nan")] * 5)
    values = np.asarray(patches, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        centred = values - values.mean(axis=(-2, -1), keepdims=True)
        return PatchNumbers(
            float(values.mean()),
            float(values.std(ddof=1)) if values.size > 1 else float("nan"),
            float(values.min()),
            float(values.max()),
            float(np.mean(centred**2)),
        )


def scale_factor(scale: AmplitudeScale, network_per_physical: float, intensity_scale: float) -> float:
    """Return the factor from network amplitude to ``scale``."""
    if scale == "physical":
        return 1.0 / network_per_physical
    return intensity_scale if scale == "photon" else 1.0


def shown_values(patches: NDArray[np.complexfloating], quantity: Quantity, factor: float) -> FloatArray:
    """Return amplitude times ``factor``, or phase in rad, of complex patches."""
    values = np.angle(patches) if quantity == "phase" else np.abs(patches) * factor
    return np.asarray(values, dtype=np.float32)


def misfit(predicted: NDArray[np.floating], measured: NDArray[np.floating]) -> float:
    """Return R = sum of |predicted - measured| / sum of measured, NaN where nothing was measured."""
    total = float(np.sum(measured, dtype=np.float64))
    if not total > 0:
        return float("nan")
    return float(np.abs(np.asarray(predicted, dtype=np.float64) - measured).sum()) / total
