"""What the first GPU tells of itself, asked in a job thread: a driver that hangs must not hold the window."""

from collections.abc import Iterator
from typing import NoReturn

from app.display.wording import n_bytes


def read_gpu(into: list[str]) -> Iterator[NoReturn]:
    """Append what :func:`gpu_state` returns to ``into``; tells nothing on the way."""
    into.append(gpu_state())
    yield from ()


def gpu_state() -> str:
    """Return memory in use and in all of the first GPU and how busy it is, empty where its driver does not tell."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        info = pynvml.nvmlDeviceGetMemoryInfo(handle)
        memory = f"{n_bytes(float(info.used))} of {n_bytes(float(info.total))}"
    except pynvml.NVMLError:
        return ""
    try:
        return f"{memory} · {pynvml.nvmlDeviceGetUtilizationRates(handle).gpu} %"
    except pynvml.NVMLError:
        # Parts of a GPU tell their memory alone.
        return memory
