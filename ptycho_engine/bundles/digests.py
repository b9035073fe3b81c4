"""Digests of a bundle's archive and of its members."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptycho_engine.artefacts.inventory import file_digest
from ptycho_engine.bundles.archive import open_archive
from ptycho_engine.ordinary_file import require_readable


@dataclass(frozen=True, slots=True)
class ArchiveDigests:
    """Digests of an archive as it lies on the disk now."""

    n_bytes: int
    sha1: str
    sha256: str
    members_sha1: Mapping[str, str]
    """SHA-1 by the name of the member; the bundle itself keeps their SHA-256."""


def archive_digests(path: Path) -> ArchiveDigests:
    """Read an archive once more for the digests that a bundle does not keep.

    Raises
    ------
    InputError
        If it has gone, changed into something else, or cannot be read.
    """
    require_readable(path)
    with open_archive(path) as archive:
        # A name that others compare with, no protection: the SHA-256 stands beside it.
        members = {
            name: hashlib.sha1(b"" if name.endswith("/") else archive.read(name), usedforsecurity=False).hexdigest()
            for name in archive.names
        }
    return ArchiveDigests(path.stat().st_size, file_digest(path, "sha1"), file_digest(path), members)
