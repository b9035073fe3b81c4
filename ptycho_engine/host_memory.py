"""How much memory of the computer this process may still take: what is free, but no more than limits allow."""

import sys
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def free_host_memory() -> int:
    """Return the bytes that can still be taken: the memory that is free, within the limits of process and container."""
    import psutil

    return max(0, min(int(psutil.virtual_memory().available), *_left_by_limits()))


def _left_by_limits() -> list[int]:
    """Return what each limit that is set leaves; a system that does not tell sets none."""
    left = [sys.maxsize]
    with suppress(ImportError, OSError, ValueError):
        left.append(_left_of_address_space())
    with suppress(OSError, ValueError):
        left += _left_of_control_groups()
    return left


def _left_of_address_space() -> int:
    import resource

    import psutil

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft - int(psutil.Process().memory_info().vms)


def _left_of_control_groups() -> list[int]:
    """Return what Linux's control groups (version 2) leave: that of the process, and those around it."""
    entry = next((line for line in _GROUPS.read_text().splitlines() if line.startswith("0::")), None)
    if entry is None:
        return []
    left = []
    inner = _MOUNT / entry.removeprefix("0::").lstrip("/")
    for folder in (inner, *inner.parents):
        if not folder.is_relative_to(_MOUNT):
            break
        with suppress(OSError, ValueError):
            # "max" where there is no limit.
            limit = int((folder / "memory.max").read_text())
            left.append(limit - int((folder / "memory.current").read_text()) + _cached(folder))
    return left


def _cached(folder: Path) -> int:
    """Return the bytes of files that a control group holds and gives up when memory is short."""
    values = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return int(values.get("inactive_file", 0))
