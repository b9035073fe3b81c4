"""The directory of an archive may not ask for more memory or time than a genuine one."""

import io
import struct
import zipfile

import pytest

from ptycho_engine import zip_directory
from ptycho_engine.bundles.archive import nested_archive
from ptycho_engine.errors import BundleError


def packed(n_members: int, content: bytes = b"x") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(n_members):
            archive.writestr(f"{number}", content)
    return stream.getvalue()


def test_a_directory_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed(50)
    assert len(zip_directory.open_zip(io.BytesIO(data)).namelist()) == 50
    monkeypatch.setattr(zip_directory, "MAX_DIRECTORY_BYTES", 1000)
    with pytest.raises(zipfile.BadZipFile, match="its directory claims"):
        zip_directory.open_zip(io.BytesIO(data))


def test_members_may_be_larger_than_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_directory, "MAX_DIRECTORY_BYTES", 100)
    content = bytes(range(256)) * 40
    with zip_directory.open_zip(io.BytesIO(packed(1, content))) as archive:
        assert archive.read("0") == content


def test_many_small_members_are_a_bomb_together() -> None:
    data = packed(70, bytes(2**20))
    assert len(data) * 200 < 70 * 2**20
    with pytest.raises(BundleError, match=f"would inflate {len(data)} bytes to {70 * 2**20}"):
        nested_archive(data, "the archive")


def test_members_that_lie_over_each_other_are_a_bomb_or_damaged() -> None:
    # Every entry of the directory points to the first member.
    stream = io.BytesIO(packed(1, bytes(2**20)))
    body = stream.getvalue()
    start = body.index(b"PK\x01\x02")
    end = body.index(b"PK\x05\x06")
    entry, tail = body[start:end], bytearray(body[end:])
    entries = b"".join(entry[:-1] + bytes([33 + number]) for number in range(90))
    struct.pack_into("<HHI", tail, 8, 90, 90, len(entries))
    with pytest.raises(BundleError, match=r"would inflate|not a readable zip archive"):
        nested_archive(body[:start] + entries + bytes(tail), "the archive")
