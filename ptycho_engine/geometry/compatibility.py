"""The canvases of older PtychoPINN releases, faults included, to compare numbers with them."""

import numpy as np

from ptycho_engine.arrays import ComplexArray, FloatArray, PositionArray, frozen_array, require_shape
from ptycho_engine.documents import AmplitudeScale, Canvas
from ptycho_engine.geometry.canvas import ScatterSum, central_square


def stitch_2026_07(
    patches: ComplexArray,
    scan_positions: PositionArray,
    *,
    crop: int = 20,
    scale: AmplitudeScale = "network",
    network_per_physical: float = 1.0,
) -> Canvas:
    """Stitch as the command line of July 2026 does: central squares, uniform weight, **placed point-mirrored**.

    Parameters
    ----------
    patches
        (k, N, N) complex64, the members of a group one after the other.
    scan_positions
        (k, 2) [px] ``(y, x)`` where that release puts each patch.
    crop
        Side of the central square [px].
    scale, network_per_physical
        Kept in the result.
    """
    n = patches.shape[-1]
    require_shape("patches", patches, (len(scan_positions), n, n))
    crop = min(crop, n)
    offsets = _centred(scan_positions)
    reach = int(np.ceil(np.abs(offsets).max(initial=0.0)))
    pad = reach + reach % 2
    side = crop + 2 * pad
    summed = ScatterSum(side, side, np.ones((crop, crop), np.float32))
    fits = summed.add(central_square(patches, crop), pad - offsets)
    return Canvas(
        object_=frozen_array(summed.total / (summed.weight + np.float32(1e-9))),
        weight=frozen_array(summed.weight),
        origin_px=_origin(scan_positions, pad + crop // 2),
        scan_positions=frozen_array(scan_positions, np.float64),
        patch_side=n,
        crop=crop,
        scale=scale,
        network_per_physical=network_per_physical,
        mode="2026-07",
        dropped=int(np.count_nonzero(~fits)),
    )


def stitch_2025_11(
    patches: ComplexArray,
    scan_positions: PositionArray,
    *,
    first_only: bool = True,
    scale: AmplitudeScale = "network",
    network_per_physical: float = 1.0,
) -> Canvas:
    """Stitch as the release of November 2025 does: whole patches, of which **only the first is shown**.

    Parameters
    ----------
    patches
        (k, N, N) complex64.
    scan_positions
        (k, 2) [px] ``(y, x)``.
    first_only
        Show the first patch, as that release does; otherwise the merge of all that it meant to show.
    scale, network_per_physical
        Kept in the result.
    """
    n = patches.shape[-1]
    require_shape("patches", patches, (len(scan_positions), n, n))
    offsets = _centred(scan_positions)
    side = int(np.ceil(n + 2 * np.abs(offsets).max(initial=0.0)))
    pad = (side - n) // 2
    shown = slice(0, 1) if first_only else slice(None)
    # Patches are cut at the rim of its canvas, hence a canvas with room to spare that is trimmed afterwards.
    summed = ScatterSum(side + 2 * n, side + 2 * n, np.ones((n, n), np.float32))
    windows = ScatterSum(side + 2 * n, side + 2 * n, np.ones((n // 2, n // 2), np.float32))
    summed.add(patches[shown], offsets[shown] + (pad + n))
    window = np.ones((len(offsets[shown]), n // 2, n // 2), np.complex64)
    windows.add(window, offsets[shown] + (pad + n + n // 4))
    inside = (slice(n, n + side), slice(n, n + side))
    weight: FloatArray = windows.weight[inside]
    return Canvas(
        object_=frozen_array(summed.total[inside] * (weight > 1e-6) / np.maximum(weight, 1)),
        weight=frozen_array(weight),
        origin_px=_origin(scan_positions, pad + n // 2),
        scan_positions=frozen_array(scan_positions[shown], np.float64),
        patch_side=n,
        crop=n // 2,
        scale=scale,
        network_per_physical=network_per_physical,
        mode="2025-11",
        dropped=len(offsets) - len(offsets[shown]),
    )


def _centred(scan_positions: PositionArray) -> PositionArray:
    positions = np.asarray(scan_positions, np.float64)
    return positions - positions.mean(axis=0) if len(positions) else positions


def _origin(scan_positions: PositionArray, center: int) -> tuple[int, int]:
    """Return the object pixel of the first canvas pixel, the mean position being at ``center`` of the canvas."""
    mean = np.asarray(scan_positions, np.float64).mean(axis=0) if len(scan_positions) else np.zeros(2)
    return int(np.rint(mean[0])) - center, int(np.rint(mean[1])) - center
