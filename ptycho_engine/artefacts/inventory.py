"""The files of a folder with their sizes and digests."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ptycho_engine.errors import InputError

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file."""

    name: str
    """Relative to the folder."""
    n_bytes: int
    sha256: str
    """Empty where ``problem`` says why there is none."""
    problem: str = ""


def file_digest(path: Path, algorithm: Literal["sha256", "sha1"] = "sha256") -> str:
    """Return the SHA-256 of a file, or its SHA-1 to be compared with another program's.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=algorithm != "sha1")
    try:
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", "Check its permissions.", file=path) from error
    return digest.hexdigest()


def list_entries(folder: Path, names: tuple[str, ...]) -> Iterator[FileEntry]:
    """Yield an entry for each file of a folder; what is no ordinary file is listed and not read.

    Parameters
    ----------
    folder
        The folder.
    names
        Names relative to it.
    """
    for name in names:
        path = folder / name
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                yield FileEntry(name, 0, "", f"a link to {os.readlink(path)}")
            elif not stat.S_ISREG(status.st_mode):
                yield FileEntry(name, 0, "", "no ordinary file")
            else:
                yield FileEntry(name, status.st_size, file_digest(path))
        except (OSError, InputError) as error:
            reason = error.message if isinstance(error, InputError) else error.strerror or ""
            yield FileEntry(name, 0, "", reason)
