"""Atomic writing: old or new, never neither, whatever call fails."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from ptycho_engine.bundles import atomic
from ptycho_engine.bundles.atomic import atomic_write, clear_leftovers
from ptycho_engine.errors import BundleError, OutputError


def _writer(data: bytes, pieces: int = 4) -> Callable[[BinaryIO], None]:
    def write(stream: BinaryIO) -> None:
        step = max(1, len(data) // pieces)
        for start in range(0, len(data), step):
            stream.write(data[start : start + step])

    return write


class _Failing:
    """Counts the calls of several functions together and fails the n-th."""

    def __init__(self, n: int, number: int) -> None:
        self.left = n
        self.number = number
        self.fired = False

    def __call__(self, name: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.fired = True
            raise OSError(self.number, os.strerror(self.number), name)


def _arm(monkeypatch: pytest.MonkeyPatch, fault: _Failing) -> None:
    real_open, real_fsync, real_replace, real_stat = atomic._open, os.fsync, os.replace, Path.stat

    class Stream:
        def __init__(self, inner: BinaryIO) -> None:
            self.inner = inner

        def write(self, data: bytes) -> int:
            fault("write")
            return self.inner.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def __enter__(self) -> "Stream":
            return self

        def __exit__(self, *_: object) -> None:
            self.inner.close()

    def opened(path: Path) -> Any:
        fault("open")
        return Stream(real_open(path))

    def fsync(number: int) -> None:
        fault("fsync")
        real_fsync(number)

    def replace(source: Path, target: Path) -> None:
        fault("replace")
        real_replace(source, target)

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self.name.endswith(".tmp"):
            fault("stat")
        return real_stat(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(atomic, "_open", opened)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(Path, "stat", stat)


def _failure(target: Path, data: bytes) -> OutputError | None:
    try:
        atomic_write(target, _writer(data))
    except OutputError as error:
        return error
    return None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_every_failing_call_leaves_a_whole_file_and_says_so(tmp_path: Path, number: int) -> None:
    target = tmp_path / "a.bin"
    old, new = b"old" * 100, b"new" * 200
    calls = 0
    while True:
        calls += 1
        target.write_bytes(old)
        fault = _Failing(calls, number)
        with pytest.MonkeyPatch.context() as patch:
            _arm(patch, fault)
            failure = _failure(target, new)
        content = target.read_bytes()
        assert content in (old, new)
        assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
        if not fault.fired:
            assert failure is None
            assert content == new
            break
        # Only the flush of the folder comes after the new file is in place.
        if failure is None:
            # A folder that may not be opened cannot be flushed: nothing to tell.
            assert number == errno.EACCES
            assert content == new
            continue
        assert str(target) in str(failure)
        assert failure.hint
    assert calls >= 9


def test_a_file_that_does_not_read_back_is_not_put_in_place(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def verify(path: Path) -> None:
        assert path.read_bytes() == b"new"
        raise BundleError("it is broken")

    with pytest.raises(OutputError, match="did not read back: it is broken"):
        atomic_write(target, _writer(b"new"), verify)
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_interrupt_removes_the_temporary(tmp_path: Path) -> None:
    def write(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "a.bin", write)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("x" * 300, "the file name is too long"), ("missing/a.bin", "the folder does not exist")],
)
def test_problems_of_the_place_have_their_own_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(OutputError, match=sentence):
        atomic_write(tmp_path / name, _writer(b"x"))


def test_the_longest_possible_name_works(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 127)
    atomic_write(target, _writer(b"x"))
    assert target.read_bytes() == b"x"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.bin").write_bytes(b"old")
    (tmp_path / "link.bin").symlink_to(tmp_path / "real.bin")
    atomic_write(tmp_path / "link.bin", _writer(b"new"))
    assert (tmp_path / "link.bin").is_symlink()
    assert (tmp_path / "real.bin").read_bytes() == b"new"


def test_leftovers_of_dead_processes_are_cleared_and_no_others(tmp_path: Path) -> None:
    dead = tmp_path / ".a.bin.4194399.tmp"
    alive = tmp_path / f".a.bin.{os.getpid()}.tmp"
    other = tmp_path / ".a.swp.tmp"
    for path in (dead, alive, other):
        path.write_bytes(b"x")
    assert clear_leftovers(tmp_path) == (dead,)
    assert sorted(tmp_path.iterdir()) == sorted([alive, other])
