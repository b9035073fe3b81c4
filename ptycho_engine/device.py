"""Which device computes, what it is called, how much memory it uses, and how a run repeats itself."""

import gc
import os
import random
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ptycho_engine.errors import ConfigError, DeviceError
from ptycho_engine.host_memory import free_host_memory

if TYPE_CHECKING:
    import torch

# cuBLAS repeats its sums only with a workspace of fixed size, which it reads when it is first used.
_CUBLAS_SETTING = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
MAX_HALVINGS = 3
"""Times that a job halves what it computes at once: what does not fit in eighths is not a matter of the batch."""
_OUT_OF_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "MPS backend out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """A device and, if it is not the one hoped for, why."""

    device: "torch.device"
    reason: str = ""
    """Why the work falls to the CPU, in words; empty if nothing is missing."""


def choose_device(accelerator: str = "auto", deterministic: bool = False) -> "torch.device":
    """Return the device to compute on.

    Parameters
    ----------
    accelerator
        ``"auto"`` (a GPU if one works), ``"cpu"`` or ``"gpu"``.
    deterministic
        Whether the run is to repeat bit for bit.

    Raises
    ------
    DeviceError
        If a GPU was asked for and none works.
    """
    return device_choice(accelerator, deterministic).device


def device_choice(accelerator: str = "auto", deterministic: bool = False) -> DeviceChoice:
    """Return the device to compute on and why it is not a GPU; arguments as for :func:`choose_device`."""
    import torch

    if accelerator not in ("auto", "cpu", "gpu"):
        raise ConfigError(f"the accelerator is {accelerator!r}", "It must be one of auto, cpu, gpu.")
    if accelerator == "cpu":
        return DeviceChoice(torch.device("cpu"))
    if deterministic:
        os.environ.setdefault(*_CUBLAS_SETTING)
    device, reason = _working_gpu()
    if device is not None:
        return DeviceChoice(device)
    if accelerator == "gpu":
        raise DeviceError(f"no GPU can be used: {reason}", "Choose the CPU, or let the program choose (auto).")
    return DeviceChoice(torch.device("cpu"), f"Computing on the CPU: {reason}.")


def _working_gpu() -> "tuple[torch.device | None, str]":
    import torch

    if torch.cuda.is_available():
        try:
            device = torch.device("cuda", torch.cuda.current_device())
            # Asking is not enough: a driver that is too old fails at the first allocation.
            torch.zeros(1, device=device).item()
        except (RuntimeError, AssertionError) as error:
            return None, f"the GPU does not start ({_first_line(error)})"
        return device, ""
    if torch.backends.mps.is_available():
        return torch.device("mps"), ""
    if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        return None, "this installation of torch has no GPU support"
    return None, "no GPU was found"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".")[:200] if lines else type(error).__name__


def describe_device(device: "torch.device") -> str:
    """Return the device in words, e.g. ``"cuda:0 · NVIDIA H200"`` or ``"CPU · 1 thread"``."""
    import torch

    if device.type == "cuda":
        return f"{device} · {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "mps · Apple GPU"
    count = torch.get_num_threads()
    return f"CPU · {count} thread{'' if count == 1 else 's'}"


def memory_in_use(device: "torch.device") -> int:
    """Return the bytes that the program holds: on the GPU what is allocated, on the CPU its resident memory."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    if device.type == "mps":
        return int(torch.mps.current_allocated_memory())
    import psutil

    return int(psutil.Process().memory_info().rss)


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's own generators, on the CPU and on every GPU."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - other libraries draw from numpy's old generator
    torch.manual_seed(seed)


def compute_threads() -> int:
    """Return how many threads CPU work gets: one core is left to the window, and ``OMP_NUM_THREADS`` is obeyed."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, available - 1)
    wish = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(threads, int(wish))) if wish.isdecimal() else threads


@contextmanager
def compute_settings(*, deterministic: bool, threads: int | None = None) -> Iterator[None]:
    """Hold torch's settings for the length of a job, and put the old ones back.

    Parameters
    ----------
    deterministic
        Only use operations that repeat bit for bit.
    threads
        Threads of the CPU; by default :func:`compute_threads`.
    """
    import torch

    threads_before = torch.get_num_threads()
    was_deterministic = torch.get_deterministic_debug_mode()
    was_cudnn, was_searching = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.set_num_threads(compute_threads() if threads is None else threads)
    if deterministic:
        os.environ.setdefault(*_CUBLAS_SETTING)
        # As ``use_deterministic_algorithms``, which also imports all of torch's compiler: a second, not needed here.
        torch.set_deterministic_debug_mode("error")
    torch.backends.cudnn.deterministic = deterministic
    # Searching for the fastest convolution picks by the clock, so it may pick another one next time.
    torch.backends.cudnn.benchmark = not deterministic
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.set_deterministic_debug_mode(was_deterministic)
        torch.backends.cudnn.deterministic = was_cudnn
        torch.backends.cudnn.benchmark = was_searching


def arithmetic(device: "torch.device", precision: str) -> AbstractContextManager[object]:
    """Return the context in which a network computes in ``"32"`` bits or in ``"bf16"``; results stay in 32 bits."""
    import torch

    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def free_device(device: "torch.device") -> None:
    """Give the memory that nothing uses any more back to the device."""
    import torch

    if device.type == "cpu":
        # The host's memory comes back by itself, and to look for cycles takes longer than a short job.
        return
    gc.collect()
    # After an error that has broken the device even this fails, and would hide the error itself.
    with suppress(RuntimeError):
        if device.type == "cuda":
            torch.cuda.empty_cache()
        elif device.type == "mps":
            torch.mps.empty_cache()


@contextmanager
def device_errors(device: "torch.device") -> Iterator[None]:
    """Turn an exhausted memory and a device that has failed into a :class:`DeviceError`, with the memory freed again.

    The frames of the failed computation are dropped: they would keep its tensors, and with them the memory, alive.
    """
    import torch

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        lacking = lacking_memory(error)
        if lacking is None and not isinstance(error, torch.AcceleratorError):
            raise
        failure = "" if lacking is not None else _first_line(error)
        drop_frames(error)
    else:
        return
    if lacking is None:
        raise DeviceError(
            f"the GPU has failed ({failure})", "Start the program again; a training goes on from its last checkpoint."
        ) from None
    reclaim(device)
    raise out_of_memory(device, lacking) from None


def lacking_memory(error: BaseException) -> str | None:
    """Return how much memory an operation wanted, empty if that is not known; ``None`` if it failed for another reason.

    Only CUDA has an exception of its own for it; the host's allocator and the libraries of the GPU say it in words.
    """
    import torch

    text = str(error)
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    if not known and not (isinstance(error, RuntimeError) and any(sign in text for sign in _OUT_OF_MEMORY)):
        return None
    in_bytes = re.search(r"tried to allocate (\d+) bytes", text)
    if in_bytes is not None:
        return f"{int(in_bytes[1]) / 2**30:.2f} GiB"
    in_words = re.search(r"(?:[Tt]ried|Unable) to allocate ([\d.]+ [KMGTP]?i?B)", text)
    return in_words[1] if in_words is not None else ""


def out_of_memory(device: "torch.device", lacking: str) -> DeviceError:
    """Return the error that says how much memory was wanted and how much there is."""
    where = "the GPU" if device.type in ("cuda", "mps") else "the computer"
    free = free_memory(device)
    sizes = [f"{lacking} more were needed"] if lacking else []
    sizes += [f"{free / 2**30:.2f} GiB are free"] if free is not None else []
    told = f" ({', '.join(sizes)})" if sizes else ""
    return DeviceError(f"{where} has run out of memory{told}", "Choose a smaller batch size, or close other programs.")


def free_memory(device: "torch.device") -> int | None:
    """Return the bytes that are free on the device, or on the host for a CPU; ``None`` where that cannot be told."""
    import torch

    if device.type == "cuda":
        with suppress(RuntimeError):
            return int(torch.cuda.mem_get_info(device)[0])
        return None
    return free_host_memory() if device.type == "cpu" else None


def reclaim(device: "torch.device") -> None:
    """Free what a failed computation held; call it when its exception is not handled any more."""
    gc.collect()
    free_device(device)


def drop_frames(error: BaseException) -> None:
    """Forget where an error came from, so that the tensors of the failed computation are free."""
    import traceback

    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen.__traceback__ = None
        seen = seen.__context__
