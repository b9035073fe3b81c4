"""The kernels of one layer as pictures, in the order of their outputs and inputs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray

MOST_INPUTS = 32
MOST_KERNELS = 1024
"""More would be too small to be told apart."""
MOST_PIXELS = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class KernelGrid:
    """Some kernels of a layer."""

    pictures: FloatArray
    """(outputs * inputs, height, width), those of one output behind each other."""
    inputs: int
    """Pictures of each output."""
    caption: str
    """What they are, and how many of how many are shown."""
    signed: bool = True
    """Whether values lie around zero; the modulus of complex ones does not."""

    def name_of(self, index: int) -> str:
        """Return what one picture is."""
        row, column = divmod(index, self.inputs)
        return f"output {row}, input {column}" if len(self.pictures) > 1 else ""


def kernel_grid(tensor: NDArray[Any], *, channels_last: bool = False) -> KernelGrid | None:
    """Return the kernels of a tensor, ``None`` for one that holds a single value.

    Parameters
    ----------
    tensor
        ``(outputs, inputs, height, width)`` of a convolution, or with less axes. Of complex ones the modulus is shown.
    channels_last
        Whether a convolution is stored as ``(height, width, inputs, outputs)``, as TensorFlow does.
    """
    if tensor.size < 2:
        return None
    kernels = tensor.transpose(3, 2, 0, 1) if channels_last and tensor.ndim == 4 else tensor
    if kernels.ndim < 3:
        picture = _numbers(kernels.reshape(-1, kernels.shape[-1])[: 2**10, : 2**10])
        what = "a row for each output, a column for each input" if kernels.ndim == 2 else "one value for each channel"
        return KernelGrid(picture[None], 1, what, not np.iscomplexobj(kernels))
    if kernels.ndim == 3:
        kernels = kernels[:, :, None, :]
    if kernels.ndim > 4:
        kernels = kernels.reshape(*kernels.shape[:3], -1)
    n_outputs, n_inputs, height, width = kernels.shape
    room = max(1, min(MOST_KERNELS, MOST_PIXELS // (height * width)))
    inputs = min(n_inputs, MOST_INPUTS, room)
    outputs = min(n_outputs, room // inputs)
    pictures = _numbers(kernels[:outputs, :inputs].reshape(outputs * inputs, height, width))
    caption = f"{_part(outputs, n_outputs, 'output')} × {_part(inputs, n_inputs, 'input')} of {height} × {width} px"
    return KernelGrid(pictures, inputs, caption, not np.iscomplexobj(kernels))


def _numbers(values: NDArray[Any]) -> FloatArray:
    real = np.abs(values) if np.iscomplexobj(values) else values
    with np.errstate(over="ignore"):  # A number too large for the picture is shown as such.
        return np.asarray(real, dtype=np.float32)


def _part(shown: int, there: int, what: str) -> str:
    words = f"{what}{'' if there == 1 else 's'}"
    return f"{there} {words}" if shown == there else f"the first {shown} of {there} {words}"
