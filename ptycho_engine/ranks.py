"""Several processes that compute one job together, as ``torchrun`` starts them: who they are, and what they exchange.

Every process does the same steps in the same order, each on its share. What one of them decides the others are told;
what is written and printed is written and printed by the first.
"""

import os
import socket
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ptycho_engine.errors import ConfigError, DeviceError, EngineError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_TELLING_S = 5.0
"""How long one waits for the process that failed to say so itself."""


class PeerLost(EngineError):
    """Another process of the job has ended."""


class SharedMemoryError(MemoryError):
    """One of the processes has run out of memory, and all have been told."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """The processes of a job; alone, every exchange returns what was given."""

    rank: int = 0
    """Number of this process."""
    size: int = 1
    """How many there are."""
    _store: Any = field(default=None, repr=False, compare=False)

    @property
    def alone(self) -> bool:
        """Whether there is only this process."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def share(self, count: int, rank: int | None = None) -> slice:
        """Return which of ``count`` things a process takes, by default this one: neighbours, about equally many."""
        number = self.rank if rank is None else rank
        return slice(count * number // self.size, count * (number + 1) // self.size)

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what the first process makes; the others wait for it.

        Raises
        ------
        SharedMemoryError
            In all processes, if the first has no memory for it.
        """
        from ptycho_engine.device import drop_frames, lacking_memory

        if self.alone:
            return make()
        lacking: str | None = None
        made: Any = None
        if self.first:
            try:
                made = make()
            except (RuntimeError, MemoryError) as error:
                lacking = lacking_memory(error)
                if lacking is None:
                    raise
                drop_frames(error)
        made, lacking = self._broadcast((made, lacking))
        if lacking is not None:
            raise SharedMemoryError(lacking)
        result: T = made
        return result

    def all(self, value: T) -> list[T]:
        """Return what each process gives, in their order."""
        if self.alone:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        with _connected():
            dist.all_gather_object(values, value)
        return values

    def require_same(self, values: Mapping[str, Any]) -> None:
        """Raise ``ConfigError`` in all processes unless all were started with the same."""
        if self.alone:
            return
        everyone = self.all(dict(values))
        differing = sorted({name for one in everyone for name in one if one[name] != everyone[0].get(name)})
        if differing:
            raise ConfigError(
                f"the {self.size} processes were started with different {', '.join(differing)}",
                "Start all of them with the same command on the same files.",
            )

    def add_up(self, *tensors: "torch.Tensor") -> None:
        """Put the sum over all processes into each tensor, real and of 32 or 64 bits."""
        if self.alone:
            return
        import torch.distributed as dist

        with _connected():
            for tensor in tensors:
                dist.all_reduce(tensor)

    def send(self, tensor: "torch.Tensor", rank: int) -> None:
        """Put what the tensor of one process holds into those of the others, of the same shape, real."""
        if self.alone:
            return
        import torch.distributed as dist

        with _connected():
            dist.broadcast(tensor, rank)

    def add_up_gradients(self, parameters: "list[torch.nn.Parameter]") -> None:
        """Put the sum over all processes into each gradient; one that is not there counts as zero."""
        if self.alone:
            return
        import torch

        for one in parameters:
            if one.grad is None:
                one.grad = torch.zeros_like(one)
        parts = [_as_real(one.grad) for one in parameters if one.grad is not None]
        # One exchange for all: a network has some hundred tensors, and most of them are small.
        flat = torch.cat([part.reshape(-1) for part in parts])
        self.add_up(flat)
        for part, summed in zip(parts, torch.split(flat, [part.numel() for part in parts]), strict=True):
            part.copy_(summed.view_as(part))

    def join(self, own: "torch.Tensor", counts: list[int]) -> "torch.Tensor":
        """Return the complex rows of all processes one after another, with gradients to those of this process.

        Parameters
        ----------
        own
            (counts[rank], …) complex64.
        counts
            Rows of each process.
        """
        import torch
        import torch.distributed as dist

        most = max(counts)
        padded = torch.zeros((most, *own.shape[1:], 2), device=own.device)
        padded[: len(own)] = torch.view_as_real(own.detach())
        pieces = [torch.empty_like(padded) for _ in counts]
        with _connected():
            dist.all_gather(pieces, padded)
        rows = [torch.view_as_complex(piece[:count]) for piece, count in zip(pieces, counts, strict=True)]
        rows[self.rank] = own
        return torch.cat(rows)

    def same_weights(self, network: "torch.nn.Module") -> None:
        """Give all processes the tensors of the first."""
        if self.alone:
            return
        for tensor in network.state_dict().values():
            real = _as_real(tensor)
            sent = real.contiguous()
            self.send(sent, 0)
            real.copy_(sent)

    def require_memory(self, lacking: str | None) -> None:
        """Raise ``SharedMemoryError`` in all processes if one says how much memory it lacks.

        Told on the host, so that no device is waited for.
        """
        if self.alone:
            return
        wanted = [one for one in self.all(lacking) if one is not None]
        if wanted:
            raise SharedMemoryError(wanted[0])

    def may_tell(self, error: EngineError) -> bool:
        """Whether this process is the one to say what has gone wrong: the first to fail, and only one."""
        import time

        if isinstance(error, PeerLost):
            # Whoever failed knows more; it has a moment to say so.
            until = time.monotonic() + _TELLING_S
            while time.monotonic() < until:
                if self._store_says_told():
                    return False
                time.sleep(0.05)
        with suppress(RuntimeError):
            return int(self._store.add(_told_key(), 1)) == 1
        # The place where it would be noted has gone with the process that kept it.
        return self.rank <= 1

    def end_silently(self) -> None:
        """Keep the other processes from telling that this one has ended: it was asked to."""
        with suppress(RuntimeError):
            self._store.add(_told_key(), 1)

    def _store_says_told(self) -> bool:
        try:
            return bool(self._store.check([_told_key()]))
        except RuntimeError:
            return False

    def _broadcast(self, value: Any) -> Any:
        import torch.distributed as dist

        values = [value]
        with _connected():
            dist.broadcast_object_list(values, 0)
        return values[0]


ALONE = Ranks()


def several_wanted() -> bool:
    """Whether this process was started as one of several, by ``torchrun`` or in its way."""
    return all(name in os.environ for name in _VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


def own_rank() -> int:
    """Return the number of this process, 0 where it was started alone."""
    return int(os.environ["RANK"]) if several_wanted() else 0


def place(ranks: Ranks) -> str:
    """Return in words which process this is."""
    return f"process {ranks.rank + 1} of {ranks.size} on {socket.gethostname()}"


@contextmanager
def joined(accelerator: str) -> Generator[Ranks, None, None]:
    """Join the other processes for the length of a job, where there are any.

    Parameters
    ----------
    accelerator
        ``"cpu"`` keeps off the GPUs; else each process takes one of its own, by its number on its host.

    Raises
    ------
    DeviceError
        If the others cannot be reached.
    """
    if not several_wanted():
        yield ALONE
        return
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    try:
        store, rank, size = next(iter(rendezvous("env://")))
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=size)
    except (RuntimeError, ValueError) as error:
        raise DeviceError(
            f"the other processes cannot be reached at {os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}",
            "Start all of them with torchrun, at the same address.",
        ) from error
    try:
        yield Ranks(rank, size, store)
    finally:
        with suppress(RuntimeError):
            dist.destroy_process_group()


def _told_key() -> str:
    """Return where it is noted that a failure was told; torchrun may start all processes anew after one."""
    return f"ptychoscope/told/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"


@contextmanager
def _connected() -> Generator[None, None, None]:
    """Turn a connection that has broken into an error of the family."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost("another process of this job has ended", "Look at what it printed, and start again.") from error


def _as_real(tensor: "torch.Tensor") -> "torch.Tensor":
    import torch

    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
