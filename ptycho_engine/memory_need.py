"""How much memory a job will take, compared with what is free before it computes anything."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ptycho_engine.errors import DeviceError
from ptycho_engine.host_memory import free_host_memory

if TYPE_CHECKING:
    import torch

COMPILER_BYTES = 160 << 20
"""What torch's compiler takes of the computer's memory, in its own process, and leaves taken."""
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes that a job will take beyond what the program holds already."""

    what: str
    """The job in words, as a sentence begins: "the training"."""
    host: int
    """On the computer: all of it on a CPU, what is gathered, copied and written where a GPU computes."""
    device: int
    """On the GPU; 0 on a CPU."""
    per_group: int
    """How much of what the device computes grows with each group of a batch."""
    n_groups: int
    """Groups that are computed at once."""
    n_parts: int = 1
    """Parts in which a GPU may compute these groups, once its memory has run out."""

    def text(self) -> str:
        """Return the need in words."""
        if not self.device:
            return f"{size_text(self.host)} of memory"
        return f"{size_text(self.device)} of memory on the GPU and {size_text(self.host)} on the computer"


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """Bytes that are free; ``None`` where nobody can tell."""

    host: int | None
    device: int | None

    def text(self, need: MemoryNeed) -> str:
        """Return in words what is free of what is needed; empty where that is not known."""
        host = f"{size_text(self.host)}" if self.host is not None else ""
        if not need.device:
            return host
        device = f"{size_text(self.device)} on the GPU" if self.device is not None else ""
        return " and ".join(one for one in (device, host and f"{host} on the computer") if one)


def free_for(device: "torch.device") -> FreeMemory:
    """Return what is free for a job on a device: of a GPU also what this program holds there without using it."""
    import torch

    from ptycho_engine.device import free_memory

    if device.type != "cuda":
        return FreeMemory(free_host_memory(), None)
    free = free_memory(device)
    idle = int(torch.cuda.memory_reserved(device)) - int(torch.cuda.memory_allocated(device))
    return FreeMemory(free_host_memory(), None if free is None else free + idle)


def memory_note(need: MemoryNeed, free: FreeMemory) -> str:
    """Return in a sentence what a job will take, and what is free."""
    there = free.text(need)
    return f"Takes about {need.text()}" + (f"; {there} are free" if there else "")


def require_memory(need: MemoryNeed, free: FreeMemory) -> None:
    """Refuse a job that will not fit.

    What a GPU lacks for a whole batch is no reason if parts of it fit: it says when its memory runs out, and the job
    goes on in parts. A computer does not say it in time.

    Raises
    ------
    DeviceError
        That says how much is needed and free, and which number of groups would fit, if one does.
    """
    in_parts = need.device - need.per_group * (need.n_groups - -(-need.n_groups // need.n_parts))
    places = (("the GPU", in_parts, free.device), ("the computer", need.host, free.host))
    for place, needed, there in places:
        if there is None or needed <= there:
            continue
        # A batch is computed on the GPU where there is one.
        computes = place == "the GPU" or not need.device
        whole = need.device or need.host
        fits = need.n_groups - -(-(whole - there) // max(1, need.per_group)) if computes else 0
        hint = "Close other programs, or choose a smaller network, fewer groups or smaller patterns."
        if fits > 0:
            hint = f"Choose a batch size of at most {fits} (it is {need.n_groups}), or close other programs."
        elif not computes:
            hint = "Close other programs or documents, or choose fewer groups."
        raise DeviceError(
            f"{need.what} needs about {size_text(needed)} of memory on {place}, and {size_text(there)} are free", hint
        )


def size_text(n_bytes: int) -> str:
    """Return an amount of memory in words."""
    return f"{n_bytes / _GIB:.1f} GiB" if n_bytes >= 0.95 * _GIB else f"{max(1, round(n_bytes / 2**20))} MiB"
