"""Read-only host arrays, and shape checks that say what was expected."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

ScalarT = TypeVar("ScalarT", bound=np.generic)

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float32]
PositionArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


def frozen_array(values: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return a read-only, C-contiguous host copy of ``values``.

    A copy is made even when ``values`` is an array already, so that whoever keeps the original cannot change the
    document that holds the result.
    """
    with np.errstate(over="ignore"):  # A number too large for the dtype becomes infinite; who needs it finite asks.
        array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array


def require_shape(name: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    """Raise ``ValueError`` with the expected and the found shape unless ``array`` fits.

    Parameters
    ----------
    name
        The name of the array in the message.
    array
        The array to check.
    shape
        The expected lengths; ``None`` stands for any length.
    """
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(f"{name} must have shape ({wanted}), not {array.shape}")
