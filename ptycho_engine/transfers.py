"""Arrays on their way to a GPU and back, for which the host does not wait.

A plain copy between host and GPU waits for all that was queued before it. Through pinned memory it is queued like any
other work, and the host goes on; what comes back is read when the GPU has got there. On other devices nothing is
queued, and these are plain copies.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray


class _Mark(Protocol):
    """A place in the queue of a device."""

    def query(self) -> bool:
        """Whether the device has passed it."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has passed it."""
        ...


def send(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return a host array on a device, of the same shape and type; on the CPU in the same memory."""
    return pinned(torch.from_numpy(np.ascontiguousarray(array)), device).to(device, non_blocking=True)


def pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a host tensor in memory from which a device fetches by itself, where it has such a thing."""
    return tensor.pin_memory() if device.type == "cuda" else tensor


class HostCopy:
    """Tensors on their way to the host.

    Parameters
    ----------
    tensors
        On one device, without gradients; they are not to be changed any more.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        self._tensors = list(tensors)
        self._mark: _Mark | None = None
        device = tensors[0].device
        if _queues(device):
            self._tensors = [_room_for(one).copy_(one, non_blocking=True) for one in tensors]
            self._mark = _marked(device)

    @property
    def ready(self) -> bool:
        """Whether :meth:`arrays` would not wait."""
        return self._mark is None or self._mark.query()

    def arrays(self) -> list[NDArray[Any]]:
        """Return the tensors as arrays on the host; waits for them, and for nothing that was queued later."""
        if self._mark is not None:
            self._mark.synchronize()
        return [one.cpu().numpy() for one in self._tensors]


def _queues(device: torch.device) -> bool:
    return device.type == "cuda"


def _room_for(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)


def _marked(device: torch.device) -> _Mark:
    mark = torch.cuda.Event()  # type: ignore[no-untyped-call]
    mark.record(torch.cuda.current_stream(device))
    return mark
