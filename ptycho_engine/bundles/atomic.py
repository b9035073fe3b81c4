"""Write a file so that at every moment the old one or the whole new one is there, never a part."""

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ptycho_engine.errors import EngineError, OutputError

_LONGEST_NAME = 255
_PROBLEMS = {
    errno.ENOSPC: ("there is no space left on the disk", "Free some space or choose another folder."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or choose another folder."),
    errno.EFBIG: ("the file would be larger than is allowed here", "Choose another folder."),
    errno.EACCES: ("writing is not permitted here", "Choose a folder that you may write to."),
    errno.EPERM: ("writing is not permitted here", "Choose a folder that you may write to."),
    errno.EROFS: ("the file system is read-only", "Choose a folder on another file system."),
    errno.ENAMETOOLONG: ("the file name is too long", "Choose a shorter name."),
    errno.ENOENT: ("the folder does not exist", "Make the folder or choose another."),
    errno.ENOTDIR: ("a part of the path is not a folder", "Choose another folder."),
    errno.EISDIR: ("there is a folder of this name", "Choose another name."),
    errno.EMFILE: ("too many files are open", "Close other documents, or raise the limit (ulimit -n)."),
    errno.ENFILE: ("the computer has too many files open", "Close other programs."),
    errno.EIO: ("the disk reported an error", "Check the disk, or choose a folder on another one."),
}
# Some file systems cannot flush a folder; there is then nothing more that could be done.
_FOLDER_CANNOT_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF}


def atomic_write(
    path: str | Path, write: Callable[[BinaryIO], None], verify: Callable[[Path], None] | None = None
) -> None:
    """Write ``path`` through a temporary file in the same folder.

    The temporary file is flushed to the disk and read back with ``verify`` before it takes the place of ``path``. On
    any failure, a killed process included, the old file is as it was.

    Parameters
    ----------
    path
        The file to write. A link is followed.
    write
        Called once with the open temporary file.
    verify
        Called once with the path of the finished temporary file; raises if it is not as it should be.

    Raises
    ------
    OutputError
        If the file could not be written, or did not read back as written.
    """
    target = Path(os.path.realpath(path))
    temporary = _temporary(target)
    try:
        size = _write_through(temporary, write)
        _verify(temporary, target, size, verify)
        os.replace(temporary, target)
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError):
            raise output_error(error, target) from error
        raise
    _flush_folder(target)


def output_error(error: OSError, path: str | Path) -> OutputError:
    """Return in words why ``path`` could not be written."""
    known = _PROBLEMS.get(error.errno or 0)
    if known is None:
        known = (f"the file could not be written ({error.strerror or type(error).__name__})", "Choose another place.")
    what, hint = known
    if error.errno == errno.ENOSPC:
        free = free_space(Path(path))
        what += f" ({space_text(free)} are free)" if free is not None else ""
    return OutputError(what, hint, file=path)


def free_space(path: Path) -> int | None:
    """Return the bytes that are free where ``path`` is or will be; ``None`` where nobody can tell."""
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def space_text(n_bytes: int) -> str:
    """Return a size on a disk in words."""
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.1f} GB"


def clear_leftovers(folder: str | Path) -> tuple[Path, ...]:
    """Remove the temporary files that killed processes left in ``folder``, and return their paths.

    Files of processes that still run are left alone.
    """
    removed = []
    for path in sorted(Path(folder).glob(".*.tmp")):
        owner = path.name.split(".")[-2]
        if owner.isdecimal() and not _runs(int(owner)):
            _remove(path)
            removed.append(path)
    return tuple(removed)


def _temporary(target: Path) -> Path:
    ending = f".{os.getpid()}.tmp"
    room = _LONGEST_NAME - len(ending) - 1
    name = (
        os.fsencode(target.name)[:room].decode(errors="ignore") if len(os.fsencode(target.name)) > room else target.name
    )
    return target.with_name(f".{name}{ending}")


def _write_through(temporary: Path, write: Callable[[BinaryIO], None]) -> int:
    with _open(temporary) as stream:
        write(stream)
        stream.flush()
        size = stream.seek(0, os.SEEK_END)
        os.fsync(stream.fileno())
    return size


def _open(temporary: Path) -> BinaryIO:
    return open(temporary, "w+b")


def _verify(temporary: Path, target: Path, size: int, verify: Callable[[Path], None] | None) -> None:
    if temporary.stat().st_size != size:
        raise OutputError("the file just written is not of the length written", "Check the disk.", file=target)
    if verify is None:
        return
    try:
        verify(temporary)
    except EngineError as error:
        raise OutputError(
            f"the file just written did not read back: {error.message}",
            "Check the disk and write it again.",
            file=target,
        ) from error


def _flush_folder(target: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno not in _FOLDER_CANNOT_FLUSH:
            raise output_error(error, target) from error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The reason why it could not be written is told instead; clear_leftovers comes back to it.
        return


def _runs(process: int) -> bool:
    if process == os.getpid():
        return True
    if sys.platform == "win32":
        import psutil

        return bool(psutil.pid_exists(process))
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
