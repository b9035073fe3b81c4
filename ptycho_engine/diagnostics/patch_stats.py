"""Statistics of a batch of patch amplitudes, as PtychoPINN's ``torch_patch_stats.json`` defines them."""

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
    described = tuple(
        (index, float(one.mean()), unbiased_std(one), float(one.min()), float(one.max()))
        for index, one in enumerate(values[:DESCRIBED_PATCHES])
    )
    return PatchStats(
        phase=phase,
        batch_idx=batch_idx,
        batch_size=values.shape[0],
        global_mean=float(values.mean()),
        global_std=unbiased_std(values),
        var_zero_mean=float(np.mean(centred**2)),
        per_patch=described,
    )


def unbiased_std(values: NDArray[np.float64]) -> float:
    """Return the standard deviation with divisor n - 1, NaN for a single element (without a warning)."""
    return float(np.std(values, ddof=1)) if values.size > 1 else float("nan")
