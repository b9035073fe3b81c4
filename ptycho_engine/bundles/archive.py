"""Read named members of a zip archive that may be hostile: nothing is extracted, everything is counted."""

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from ptycho_engine.documents import MemberInfo
from ptycho_engine.errors import BundleError
from ptycho_engine.zip_directory import open_zip

_LOCAL_HEADER = struct.Struct("<4s2B4HL2L2H")
_ENCRYPTED_BITS = 0x1 | 0x40 | 0x2000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BLOCK = 2**24
"""Read at once: the weights of most networks come in one piece, which need not be put together."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive may ask for."""

    members: int = 10_000
    member_bytes: int = 2 * 2**30
    total_bytes: int = 4 * 2**30
    ratio: int = 200
    """Inflated bytes for each stored byte; weights hardly compress, bombs do."""
    ratio_free_bytes: int = 16 * 2**20
    """Members up to this size, and archives up to four times of it, may have any ratio."""


DEFAULT_LIMITS = ArchiveLimits()


class Archive:
    """An open zip archive.

    Parameters
    ----------
    source
        The open file.
    what
        What it is called in messages.
    limits
        How much it may ask for.
    data
        The content of the file, where it is in memory.
    checked
        Whether that content is what the checksum of an archive around it says.
    """

    def __init__(
        self,
        source: BinaryIO,
        what: str,
        limits: ArchiveLimits = DEFAULT_LIMITS,
        data: bytes | None = None,
        *,
        checked: bool = False,
    ) -> None:
        self.source = source
        self._data = data
        self._checked = checked
        self.what = what
        self.limits = limits
        try:
            self._zip = open_zip(source)
        except _DAMAGED as error:
            raise BundleError(
                f"{what} is not a readable zip archive ({error})", "It is damaged or cut off; ask for it again."
            ) from error
        self.names = tuple(info.filename for info in self._zip.infolist())
        self._known = frozenset(self.names)
        self._taken = 0
        self._hashed: dict[str, MemberInfo] = {}
        if len(self.names) > limits.members:
            self._fail(f"has {len(self.names)} members, more than {limits.members}")
        if len(self._known) != len(self.names):
            self._fail(f"holds {shown(Counter(self.names).most_common(1)[0][0])} twice")
        self._refuse_bomb()

    def size(self, name: str) -> int:
        """Return the declared size of a member [bytes]."""
        return self._zip.getinfo(name).file_size

    def read(self, name: str, most: int | None = None) -> bytes:
        """Return the content of a member; ``most`` is the largest size it may have.

        Raises
        ------
        BundleError
            If it is missing, damaged, encrypted, too large, or not a plain file.
        """
        return b"".join(self._blocks(name, most))

    def read_hashed(self, name: str, most: int | None = None) -> bytes:
        """Return the content of a member, as :meth:`read`, and keep its digest: inflating it again takes as long."""
        content = self.read(name, most)
        self._hashed[name] = MemberInfo(name, len(content), hashlib.sha256(content).hexdigest())
        return content

    def view(self, name: str) -> memoryview | bytes:
        """Return the content of a member as :meth:`read` does, without a copy where it lies unpacked in memory."""
        if self._data is None or name not in self._known:
            return self.read(name)
        info = self._zip.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED:
            return self.read(name)
        self._check(info, self.limits.member_bytes)
        fields = _LOCAL_HEADER.unpack_from(self._data, info.header_offset)
        named = info.header_offset + _LOCAL_HEADER.size
        if self._data[named : named + fields[-2]] != name.encode():
            return self.read(name)  # Of another name, or another spelling: the library says which.
        start = named + fields[-2] + fields[-1]
        content = memoryview(self._data)[start : start + info.file_size]
        if len(content) != info.file_size or not (self._checked or zlib.crc32(content) == info.CRC):
            self._fail(f"has a damaged member {shown(name)} (it is not what its checksum says)")
        return content

    def head(self, name: str, n_bytes: int) -> bytes:
        """Return the first bytes of a member."""
        blocks = self._blocks(name, None)
        try:
            return next(blocks, b"")[:n_bytes]
        finally:
            blocks.close()

    def digest(self) -> tuple[MemberInfo, ...]:
        """Return name, size and SHA-256 of every member, in the order of the archive."""
        members = []
        for name in self.names:
            if name in self._hashed:
                members.append(self._hashed[name])
                continue
            sha256, size = hashlib.sha256(), 0
            if not name.endswith("/"):
                for block in self._blocks(name, None):
                    sha256.update(block)
                    size += len(block)
            members.append(MemberInfo(name, size, sha256.hexdigest()))
        self._taken = 0
        return tuple(members)

    def _refuse_bomb(self) -> None:
        # Measured against the archive itself: members may lie over each other, and many small ones add up.
        claimed = sum(info.file_size for info in self._zip.infolist())
        there = self.source.seek(0, io.SEEK_END)
        if claimed > 4 * self.limits.ratio_free_bytes and claimed > self.limits.ratio * there:
            self._fail(f"would inflate {there} bytes to {claimed}")

    def _blocks(self, name: str, most: int | None) -> Generator[bytes, None, None]:
        if name not in self._known:
            self._fail(f"has no member {shown(name)}")
        info = self._zip.getinfo(name)
        self._check(info, self.limits.member_bytes if most is None else most)
        size = 0
        try:
            with self._zip.open(info) as stream:
                while block := stream.read(_BLOCK):
                    size += len(block)
                    yield block
        except _DAMAGED as error:
            self._fail(f"has a damaged member {shown(name)} ({error})")
        if size != info.file_size:
            self._fail(f"has a member {shown(name)} of {size} bytes that claims {info.file_size}")

    def _check(self, info: zipfile.ZipInfo, most: int) -> None:
        name = shown(info.filename)
        if info.file_size > most:
            self._fail(f"has a member {name} of {info.file_size} bytes; at most {most} are read")
        if info.file_size > self.limits.ratio_free_bytes and info.file_size > self.limits.ratio * info.compress_size:
            self._fail(f"has a member {name} that would inflate {info.compress_size} bytes to {info.file_size}")
        self._taken += info.file_size
        if self._taken > self.limits.total_bytes:
            self._fail(f"has members of more than {self.limits.total_bytes} bytes together")
        if info.flag_bits & _ENCRYPTED_BITS or self._local_flags(info) & _ENCRYPTED_BITS:
            self._fail(f"has an encrypted member {name}", "Ask for it without a password.")
        if info.compress_type not in _METHODS:
            self._fail(f"has a member {name} packed by method {info.compress_type}; only stored and deflate are read")
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            self._fail(f"has a member {name} that is a link or a device, not a file")
        path = info.filename
        if path.startswith("/") or ".." in path.split("/") or "\\" in path or ":" in path:
            self._fail(f"has a member whose name {name} leads out of the archive")

    def _local_flags(self, info: zipfile.ZipInfo) -> int:
        # The directory at the end of the archive and the header before the member may disagree; readers differ in
        # which they believe.
        if info.header_offset < 0:
            self._fail(f"has a member {shown(info.filename)} without a header")
        self.source.seek(info.header_offset)
        raw = self.source.read(_LOCAL_HEADER.size)
        if len(raw) != _LOCAL_HEADER.size or raw[:4] != b"PK\x03\x04":
            self._fail(f"has a member {shown(info.filename)} without a header")
        fields = _LOCAL_HEADER.unpack(raw)
        if fields[4] != info.compress_type:
            self._fail(f"contradicts itself about the member {shown(info.filename)}")
        return int(fields[3])

    def _fail(self, problem: str, hint: str = "It is damaged or was tampered with; ask for it again.") -> NoReturn:
        raise BundleError(f"{self.what} {problem}", hint)


@contextmanager
def open_archive(path: Path, limits: ArchiveLimits = DEFAULT_LIMITS) -> Iterator[Archive]:
    """Open the archive at ``path`` for the length of a ``with`` block."""
    with path.open("rb") as source:
        yield Archive(source, "the archive", limits)


def nested_archive(data: bytes, what: str, limits: ArchiveLimits = DEFAULT_LIMITS, *, checked: bool = False) -> Archive:
    """Return the archive that is itself a member of another, ``checked`` against that one's checksum or not yet."""
    return Archive(io.BytesIO(data), what, limits, data, checked=checked)


def shown(name: str) -> str:
    """Return a member's name fit for a message: short, with invisible characters shown as their codes."""
    return repr(name if len(name) <= 80 else name[:79] + "…")[1:-1]
