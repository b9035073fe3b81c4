"""One writer for each run folder, told apart by process id, host and start time.

The lock is held by the operating system, so it ends with its process, however that ends. What stands in the file tells
a person who holds it, and guards file systems that cannot lock.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ptycho_engine.bundles.atomic import output_error
from ptycho_engine.errors import OutputError

LOCK_NAME = ".lock"
_ATTEMPTS = 5


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Be the only writer of ``folder`` for the length of a block.

    Raises
    ------
    OutputError
        If another process writes there.
    """
    path = folder / LOCK_NAME
    handle = _acquire(path, folder)
    try:
        yield
    finally:
        # Removed before it is let go: whoever opened the file meanwhile finds that it is no longer the lock.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def owner_of(folder: Path) -> dict[str, Any] | None:
    """Return who holds ``folder`` (``pid``, ``host``, ``started``), or ``None`` if nobody does any more."""
    lock = folder / LOCK_NAME
    try:
        # Anything but a file, a pipe for example, would block.
        owner = json.loads(lock.read_bytes()) if lock.is_file() else None
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) and is_alive(owner) else None


def this_process() -> dict[str, Any]:
    """Return what tells this process from every other one."""
    import psutil

    return {"pid": os.getpid(), "host": socket.gethostname(), "started": psutil.Process().create_time()}


def _acquire(path: Path, folder: Path) -> int:
    for _ in range(_ATTEMPTS):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise output_error(error, folder) from error
        if not _lock(handle):
            os.close(handle)
            raise _busy(folder)
        if not _is_same_file(handle, path):
            # Its holder removed the file between opening and locking: what is locked is no longer there.
            os.close(handle)
            continue
        owner = owner_of(folder)
        if owner is not None and (owner.get("pid"), owner.get("host")) != (os.getpid(), socket.gethostname()):
            os.close(handle)
            raise _busy(folder)
        content = json.dumps(this_process()).encode()
        os.ftruncate(handle, 0)
        os.pwrite(handle, content, 0) if hasattr(os, "pwrite") else os.write(handle, content)
        return handle
    raise _busy(folder)


def _busy(folder: Path) -> OutputError:
    owner = owner_of(folder) or {}
    who = f"process {owner['pid']} on {owner['host']}" if "pid" in owner and "host" in owner else "another process"
    return OutputError(
        f"another run writes here ({who})", "Choose another folder, or wait until that run has ended.", file=folder
    )


def is_alive(owner: dict[str, Any]) -> bool:
    """Tell whether a process, as :func:`this_process` describes it, still runs; one on another host is believed."""
    if owner.get("host") != socket.gethostname():
        # Nobody here can tell; better to ask a person than to have two writers.
        return True
    import psutil

    try:
        process = psutil.Process(int(owner["pid"]))
        if process.status() == psutil.STATUS_ZOMBIE:
            # It has ended, and only its parent has not asked yet how.
            return False
        return abs(process.create_time() - float(owner["started"])) < 1.0
    except (psutil.NoSuchProcess, KeyError, TypeError, ValueError):
        return False
    except psutil.AccessDenied:
        return True


def _is_same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            # A byte far behind the content, so that others can read who holds the lock.
            os.lseek(handle, 1 << 30, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        except OSError:
            return False
        return True

else:
    import errno
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # A file system that cannot lock is no reason not to work: the content of the file guards then.
            return error.errno in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK)
        return True
