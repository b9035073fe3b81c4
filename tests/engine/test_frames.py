"""Stacks of patterns: whatever is asked for, in whatever order, from every kind of storage."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_engine.documents import FrameStack
from ptycho_engine.errors import DatasetError
from ptycho_engine.formats import ArrayFrames, frames
from ptycho_engine.formats.frames import DeflatedFrames, StoredFrames
from ptycho_engine.formats.zip_members import read_archive, read_exactly

N_SCAN, N = 40, 12


@pytest.fixture(scope="module")
def values() -> NDArray[np.uint16]:
    return np.random.default_rng(3).integers(0, 60000, (N_SCAN, N, N)).astype(np.uint16)


@pytest.fixture(scope="module", params=["memory", "stored", "deflated"])
def stack(
    request: pytest.FixtureRequest, values: NDArray[np.uint16], tmp_path_factory: pytest.TempPathFactory
) -> FrameStack:
    return make_stack(request.param, values, tmp_path_factory.mktemp("frames") / "scan.npz")


def make_stack(kind: str, values: NDArray[np.uint16], path: Path) -> FrameStack:
    if kind == "memory":
        return ArrayFrames(values)
    (np.savez if kind == "stored" else np.savez_compressed)(path, other=np.zeros(3), diff3d=values)
    archive = read_archive(path)
    array = archive.array("diff3d")
    assert array is not None
    make = StoredFrames if kind == "stored" else DeflatedFrames
    return make(path, archive.identity, array, (len(values), N, N))


def test_a_stack_is_described_without_reading(stack: FrameStack) -> None:
    assert isinstance(stack, FrameStack)
    assert stack.shape == (N_SCAN, N, N)
    assert stack.stored_dtype == "uint16"


@settings(max_examples=25, deadline=None)
@given(indices=st.lists(st.integers(0, N_SCAN - 1), max_size=12))
def test_any_order_with_repeats(stack: FrameStack, values: NDArray[np.uint16], indices: list[int]) -> None:
    asked = np.array(indices, dtype=np.int64)
    read = stack.read(asked)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values[asked])


@pytest.mark.parametrize("part", [slice(None), slice(5, 9), slice(30, 2, -3), slice(100, 200)])
def test_slices(stack: FrameStack, values: NDArray[np.uint16], part: slice) -> None:
    np.testing.assert_array_equal(stack.read(part), values[part])


def test_an_index_outside_is_an_error_that_says_how_many_there_are(stack: FrameStack) -> None:
    with pytest.raises(IndexError, match="40"):
        stack.read(np.array([40]))


def test_what_was_read_can_be_changed_without_changing_the_stack(stack: FrameStack, values: NDArray[np.uint16]) -> None:
    stack.read(slice(0, 2))[:] = -1
    np.testing.assert_array_equal(stack.read(slice(0, 2)), values[:2])


def test_a_stack_survives_pickling(stack: FrameStack, values: NDArray[np.uint16]) -> None:
    stack.read(np.array([20]))
    copy = pickle.loads(pickle.dumps(stack))
    np.testing.assert_array_equal(copy.read(np.array([7, 1])), values[[7, 1]])


def test_marks_let_inflating_go_on_in_the_middle(
    values: NDArray[np.uint16], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_MIN_SPACING", 1000)
    monkeypatch.setattr(frames, "_CHUNK", 64)
    stack = make_stack("deflated", values, tmp_path / "scan.npz")
    assert isinstance(stack, DeflatedFrames)
    order = np.random.default_rng(0).permutation(N_SCAN)
    for index in order:
        np.testing.assert_array_equal(stack.read(np.array([index]))[0], values[index])
    assert 5 < len(stack._marks) <= values.nbytes // 1000 + 1
    assert all(slot == mark[0] // 1000 for slot, mark in stack._marks.items())


@pytest.mark.parametrize("kind", ["stored", "deflated"])
@pytest.mark.parametrize("fault", ["gone", "cut", "replaced"])
def test_a_file_that_vanishes_or_changes_is_named(
    kind: str, fault: str, values: NDArray[np.uint16], tmp_path: Path
) -> None:
    path = tmp_path / "scan.npz"
    stack = make_stack(kind, values, path)
    if fault == "gone":
        path.unlink()
    elif fault == "cut":
        os.truncate(path, 3000)
    else:
        os.utime(path, ns=(1, 1))
    with pytest.raises(DatasetError, match=r"scan\.npz") as caught:
        stack.read(np.array([30]))
    assert caught.value.hint


def test_damaged_deflated_data_is_an_error(values: NDArray[np.uint16], tmp_path: Path) -> None:
    path = tmp_path / "scan.npz"
    stack = make_stack("deflated", values, path)
    assert isinstance(stack, DeflatedFrames)
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[stack._array.member.offset] |= 0x06  # a kind of block that does not exist
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(DatasetError, match="damaged"):
        stack.read(slice(None))


def test_a_file_that_ends_while_it_is_read_is_said_to_be_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "scan.npz"
    path.write_bytes(b"0123")
    with path.open("rb") as stream, pytest.raises(DatasetError, match="cut off") as caught:
        read_exactly(stream, 2, 10, path)
    assert str(path) in str(caught.value)
