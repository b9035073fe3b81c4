"""Open only ordinary files: a pipe or a device would block for ever, or never end."""

import stat
from pathlib import Path

from ptycho_engine.errors import InputError

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_readable(path: Path) -> None:
    """Raise, saying what it is instead, unless ``path`` is a folder or an ordinary file that can be read.

    Raises
    ------
    InputError
        Naming the path, what it is, and what to do.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
        elif stat.S_ISDIR(mode):
            next(path.iterdir(), None)
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError("is a link to a file that is gone", "Open the file itself.", file=path) from None
        raise InputError("there is no such file", "Check the path.", file=path) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read ({_reason(error)})", "Check the path and its permissions.", file=path
        ) from error
    for test, kind in _KINDS:
        if test(mode):
            raise InputError(f"is {kind}, not a file", "Give a file or a folder.", file=path)


def read_small(path: Path, most: int) -> bytes:
    """Return the content of an ordinary file of at most ``most`` bytes.

    Raises
    ------
    InputError
        If it is no ordinary file, cannot be read, or is larger.
    """
    require_readable(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot be read ({_reason(error)})", "Check its permissions.", file=path) from error
    if len(data) > most:
        raise InputError(f"has more than {most} bytes", "It is not such a file, or is damaged.", file=path)
    return data


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
