"""Statistics of a batch of patch amplitudes, as PtychoPINN's ``torch_patch_stats.json`` defines them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import require_shape
from ptycho_engine.documents import PatchStats

DESCRIBED_PATCHES = 4
"""Groups of a batch that are described one by one."""


def patch_stats(amplitude: NDArray[Any], phase: str, batch_idx: int) -> PatchStats:
    """Describe the amplitudes of one batch of predicted patches.

    Sums are taken in float64, whatever the dtype of the patches, so that the figures do not depend on batch size.

    Parameters
    ----------
    amplitude
        (B, C, H, W) amplitudes; complex patches are taken by their modulus.
    phase
        ``"train"``, ``"val"`` or ``"inference"``.
    batch_idx
        Number of the batch, from 0.

    Returns
    -------
    PatchStats
        ``global_std`` is unbiased over all elements, ``var_zero_mean`` is the biased mean square of the amplitude minus
        the mean of its own patch.
    """
    require_shape("amplitude", amplitude, (None, None, None, None))
    values = np.abs(amplitude).astype(np.float64)
    centred = values - values.mean(axis=(2, 3), keepdims=True)
    return PatchStats(
        phase=phase,
        batch_idx=batch_idx,
        batch_size=values.shape[0],
        global_mean=float(values.mean()),
        global_std=unbiased_std(values),
        var_zero_mean=float(np.mean(centred**2)),
        per_patch=describe_groups(values),
    )


def describe_groups(values: NDArray[np.float64]) -> tuple[tuple[int, float, float, float, float], ...]:
    """Return (patch_idx, mean, std, min, max) of the first groups of (B, C, H, W) amplitudes; std is unbiased."""
    return tuple(
        (index, float(one.mean()), unbiased_std(one), float(one.min()), float(one.max()))
        for index, one in enumerate(values[:DESCRIBED_PATCHES])
    )


@dataclass(slots=True)
class AmplitudeMoments:
    """Running sums in float64 of the amplitudes of patches: what their figures need, whatever their number."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    centred_squares: float = 0.0
    """Squares of amplitude minus the mean of its own patch."""
    low: float = math.inf
    high: float = -math.inf

    def add(self, amplitudes: NDArray[np.float64]) -> None:
        """Take in (k, H, W) amplitudes."""
        if amplitudes.size == 0:
            return
        means = amplitudes.mean(axis=(1, 2), keepdims=True)
        self.count += amplitudes.size
        self.total += float(amplitudes.sum())
        self.squares += float(np.square(amplitudes).sum())
        self.centred_squares += float(np.square(amplitudes - means).sum())
        self.low = min(self.low, float(amplitudes.min()))
        self.high = max(self.high, float(amplitudes.max()))

    @property
    def mean(self) -> float:
        """Mean over all elements."""
        return self.total / max(self.count, 1)

    @property
    def var_zero_mean(self) -> float:
        """Biased mean square of amplitude minus the mean of its own patch."""
        return self.centred_squares / max(self.count, 1)

    def std(self, *, unbiased: bool = False) -> float:
        """Return the standard deviation over all elements; unbiased it is NaN for a single one."""
        divisor = self.count - unbiased
        if divisor <= 0:
            return float("nan") if unbiased else 0.0
        return math.sqrt(max(self.squares - self.count * self.mean**2, 0.0) / divisor)


def unbiased_std(values: NDArray[np.float64]) -> float:
    """Return the standard deviation with divisor n - 1, NaN for a single element (without a warning)."""
    return float(np.std(values, ddof=1)) if values.size > 1 else float("nan")
