"""Zip archives that lie, bomb or lead elsewhere are refused, each with its own sentence."""

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles.archive import Archive, ArchiveLimits, nested_archive, shown
from ptycho_engine.errors import BundleError


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of names that are there twice.
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, data in members:
                archive.writestr(name, data)
    return stream.getvalue()


def opened(data: bytes, **limits: int) -> Archive:
    return nested_archive(data, "the archive", ArchiveLimits(**limits))


def test_members_are_read_by_name_and_listed_with_their_digest() -> None:
    archive = opened(packed(("a", b"one"), ("b/", b""), ("b/c", b"three")))
    assert archive.read("b/c") == b"three"
    assert [(member.name, member.n_bytes, member.sha256[:8]) for member in archive.digest()] == [
        ("a", 3, "7692c3ad"),
        ("b/", 0, "e3b0c442"),
        ("b/c", 5, "8b5b9db0"),
    ]


def test_a_member_that_is_missing_or_there_twice_is_told() -> None:
    with pytest.raises(BundleError, match="has no member nix"):
        opened(packed(("a", b""))).read("nix")
    with pytest.raises(BundleError, match="holds a twice"):
        opened(packed(("a", b"1"), ("a", b"2")))


def test_sizes_are_bounded() -> None:
    data = packed(("a", bytes(1000)), ("b", bytes(1000)))
    with pytest.raises(BundleError, match="at most 10 are read"):
        opened(data).read("a", 10)
    with pytest.raises(BundleError, match="at most 999 are read"):
        opened(data, member_bytes=999).read("a")
    archive = opened(data, total_bytes=1500)
    archive.read("a")
    with pytest.raises(BundleError, match="more than 1500 bytes together"):
        archive.read("b")
    with pytest.raises(BundleError, match="would inflate"):
        opened(data, ratio=10, ratio_free_bytes=100).read("a")
    with pytest.raises(BundleError, match="2 members, more than 1"):
        opened(data, members=1)


def test_a_member_larger_than_it_claims_is_not_inflated_further() -> None:
    data = bytearray(packed(("a", bytes(100_000))))
    claimed = (100_000).to_bytes(4, "little")
    lie = (10).to_bytes(4, "little")
    with pytest.raises(BundleError, match="damaged member a"):
        opened(bytes(data).replace(claimed, lie)).read("a")


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "C:\\x", "a\\b"])
def test_names_that_lead_out_are_refused(name: str) -> None:
    archive = opened(packed((name, b"x")))
    with pytest.raises(BundleError, match="leads out of the archive"):
        archive.read(archive.names[0])


def test_links_are_refused() -> None:
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    with pytest.raises(BundleError, match="a link or a device"):
        opened(packed((link, b"/etc/passwd"))).read("link")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packing_is_refused(method: int) -> None:
    with pytest.raises(BundleError, match="only stored and deflate"):
        opened(packed(("a", b"x" * 100), method=method)).read("a")


@pytest.mark.parametrize("place", ["local", "central"])
def test_encryption_is_told_wherever_it_is_claimed(place: str) -> None:
    data = bytearray(packed(("a", b"x")))
    at = 6 if place == "local" else data.index(b"PK\x01\x02") + 8
    data[at] |= 1
    with pytest.raises(BundleError, match="an encrypted member a"):
        opened(bytes(data)).read("a")


def test_headers_that_contradict_each_other_are_refused() -> None:
    data = bytearray(packed(("aa", b"x" * 100)))
    other_name = bytes(data).replace(b"aa", b"bb", 1)
    with pytest.raises(BundleError, match="damaged member aa"):
        opened(other_name).read("aa")
    data[8] = 0
    with pytest.raises(BundleError, match="contradicts itself about the member aa"):
        opened(bytes(data)).read("aa")


def test_names_are_shown_short_and_escaped() -> None:
    assert shown("a\u202eb\n") == "a\\u202eb\\n"
    assert len(shown("x" * 1000)) == 80


@pytest.mark.shared_data
def test_a_damaged_bundle_is_refused_or_whole_wherever_the_damage(golden_dir: Path, tmp_path: Path) -> None:
    whole = (golden_dir / "ci_rect_realimag_gs2_untrained" / "wts.h5.zip").read_bytes()
    path = tmp_path / "wts.h5.zip"
    generator = np.random.default_rng(3)
    # The start, the end and the small members hold all structure; the rest is packed numbers.
    ends = np.concatenate([np.arange(120), len(whole) - 1 - np.arange(900)])
    n_refused = 0
    for place in generator.choice(ends, 40, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= int(generator.integers(1, 256))
        path.write_bytes(bytes(damaged))
        try:
            read_bundle(path)
        except BundleError:
            n_refused += 1
    assert n_refused > 10
