"""The table of the arrays in a scan's file."""

import numpy as np

from app.display.wording import n_bytes, number
from ptycho_engine.arrays import FloatArray
from ptycho_engine.documents import ArrayInfo, Dataset

HEADER = ("shape", "dtype", "range", "used as", "size")


def array_rows(dataset: Dataset, maximum: FloatArray | None) -> list[tuple[str, tuple[str, ...]]]:
    """Return name and texts of every array.

    Parameters
    ----------
    dataset
        The scan.
    maximum
        (N, N) the greatest amplitude of each pixel in the patterns read so far, ``None`` where none was.
    """
    finite = np.zeros(0) if maximum is None else maximum[np.isfinite(maximum)]
    greatest = float(finite.max()) if finite.size else None
    return [
        (
            info.key,
            (
                " × ".join(map(str, info.shape)) or "scalar",
                info.dtype,
                _range_text(info, dataset, greatest),
                info.role or "–",
                f"{n_bytes(info.n_bytes)}{', compressed' if info.compressed else ''}",
            ),
        )
        for info in dataset.arrays
    ]


def _range_text(info: ArrayInfo, dataset: Dataset, greatest: float | None) -> str:
    if info.value_range is not None:
        low, high = info.value_range
        return number(low) if low == high else f"{number(low)} … {number(high)}"
    if info.role != "diffraction" or greatest is None:
        return "–"
    return f"up to {number(greatest**2 if dataset.measurement == 'intensity' else greatest)}"
