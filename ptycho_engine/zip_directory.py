"""Open the directory of a zip archive without letting it ask for more than a genuine one needs."""

import io
import zipfile
from typing import BinaryIO, cast

MAX_DIRECTORY_BYTES = 4 * 2**20
"""Some 60,000 members: far more than any archive that is read here may have."""


class _Bounded(io.BufferedIOBase):
    """A file whose single reads are bounded while the directory is read, which is done in one piece."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.bounded = True

    def read(self, n_bytes: int | None = -1, /) -> bytes:
        if self.bounded and n_bytes is not None and n_bytes > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory claims {n_bytes} bytes")
        return self._source.read(-1 if n_bytes is None else n_bytes)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def open_zip(source: BinaryIO) -> zipfile.ZipFile:
    """Return the archive in an open file.

    Parameters
    ----------
    source
        The file; it stays open and belongs to the caller.

    Raises
    ------
    zipfile.BadZipFile
        If it is none, or its directory is larger than :data:`MAX_DIRECTORY_BYTES`. The other errors of ``zipfile`` for
        damaged files pass through.
    """
    stream = _Bounded(source)
    archive = zipfile.ZipFile(cast("BinaryIO", stream))
    stream.bounded = False
    return archive
