"""Torch files without torch: what torch writes is read, what we write torch reads, what lies is refused."""

import io
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.bundles.torch_file import read_torch_file
from ptycho_engine.bundles.torch_writer import torch_file_bytes
from ptycho_engine.errors import BundleError

KINDS = ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128"]


def saved(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def loaded(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True)


def rewritten(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_of_every_kind_go_both_ways(kind: str) -> None:
    array = np.random.default_rng(0).integers(0, 2, (2, 3, 4)).astype(kind)
    ours = read_torch_file(saved({"a": torch.from_numpy(array)}), member="m")
    assert isinstance(ours, dict)
    assert ours["a"].dtype == array.dtype
    assert np.array_equal(ours["a"], array)
    assert np.array_equal(loaded(torch_file_bytes({"a": array}))["a"].numpy(), array)


def test_bfloat16_becomes_float32_exactly() -> None:
    tensor = torch.randn(50).to(torch.bfloat16)
    ours = read_torch_file(saved([tensor]), member="m")
    assert isinstance(ours, list)
    assert np.array_equal(ours[0], tensor.float().numpy())


def test_views_transposes_parameters_and_numbers_are_read() -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    value: OrderedDict[str, Any] = OrderedDict(
        base=base,
        transposed=base.permute(2, 0, 1),
        column=base[:, 1],
        last=torch.ones(1, 2, 5, 5).to(memory_format=torch.channels_last),
        number=torch.tensor(3),
        empty=torch.zeros(0, 4),
        parameter=torch.nn.Parameter(torch.ones(2)),
        plain={"size": torch.Size([1, 2]), "text": "x", "pair": (1, None)},
    )
    ours = read_torch_file(saved(value), member="m")
    assert isinstance(ours, dict)
    assert list(ours) == list(value)
    for name in ("base", "transposed", "column", "last", "number", "empty"):
        assert np.array_equal(ours[name], value[name].numpy()), name
        assert ours[name].shape == tuple(value[name].shape)
        assert not ours[name].flags.writeable
    assert np.array_equal(ours["parameter"], [1, 1])
    assert ours["plain"] == {"size": (1, 2), "text": "x", "pair": (1, None)}


def test_a_state_dictionary_and_its_attributes_are_read() -> None:
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict()
    ours = read_torch_file(saved(state), member="m")
    assert isinstance(ours, dict)
    assert list(ours) == list(state)


def test_what_we_write_is_what_torch_reads() -> None:
    value: OrderedDict[str, Any] = OrderedDict(
        a=np.ones((2, 3), np.float32).T,
        n=np.array(5, np.int64),
        p={"t": (1, 2.5, "ü", None, True, -7, 2**40), "l": []},
    )
    data = torch_file_bytes(value)
    back = loaded(data)
    assert isinstance(back, OrderedDict)
    assert back["a"].shape == (3, 2)
    assert back["n"].item() == 5
    assert back["p"] == value["p"]
    assert torch_file_bytes(value) == data
    again = read_torch_file(data, member="m")
    assert isinstance(again, dict)
    assert again["p"] == value["p"]
    with pytest.raises(TypeError, match="cannot store a set"):
        torch_file_bytes({1, 2})


def test_tensors_lie_at_multiples_of_64_bytes() -> None:
    data = torch_file_bytes({"a": np.ones(3, np.float32), "b": np.ones(5, np.float32)})
    needle = np.ones(3, np.float32).tobytes()
    assert data.index(needle) % 64 == 0


def test_big_endian_files_are_read() -> None:
    array = np.arange(5, dtype=np.float32)

    def swap(members: dict[str, bytes]) -> None:
        members["archive/byteorder"] = b"big"
        members["archive/data/0"] = array.astype(">f4").tobytes()

    ours = read_torch_file(rewritten(saved({"a": torch.from_numpy(array)}), swap), member="m")
    assert isinstance(ours, dict)
    assert np.array_equal(ours["a"], array)


def tensor_pickle(storage: str, count: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Write the description of one tensor by hand, true or not."""

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(f"I{value}\n".encode() for value in values) + b"t"

    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n"
        + storage.encode()
        + f"\nU\x010U\x03cpuI{count}\ntQI{offset}\n".encode()
        + numbers(size)
        + numbers(stride)
        + b"I00\nccollections\nOrderedDict\n)RtR."
    )


def crafted(description: bytes, data: bytes = bytes(40)) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", description)
        archive.writestr("archive/data/0", data)
    return stream.getvalue()


def test_a_tensor_described_by_hand_is_read() -> None:
    array = read_torch_file(crafted(tensor_pickle("FloatStorage", 10, 2, (2, 3), (3, 1))), member="m")
    assert isinstance(array, np.ndarray)
    assert array.shape == (2, 3)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (tensor_pickle("FloatStorage", 11, 0, (2,), (1,)), "11 numbers in 40 bytes"),
        (tensor_pickle("FloatStorage", 2**40, 0, (2,), (1,)), "numbers in 40 bytes"),
        (tensor_pickle("FloatStorage", 10, 0, (11,), (1,)), "reaches beyond its data"),
        (tensor_pickle("FloatStorage", 10, 9, (2,), (1,)), "reaches beyond its data"),
        (tensor_pickle("FloatStorage", 10, -1, (2,), (1,)), "reaches beyond its data"),
        (tensor_pickle("FloatStorage", 10, 0, (2,), (-1,)), "the shape of a tensor"),
        (tensor_pickle("FloatStorage", 10, 0, (10**9,), (0,)), "repeats its data"),
        (tensor_pickle("FloatStorage", 10, 0, (3, 3), (1, 1)), "repeats its data"),
        (tensor_pickle("FloatStorage", 10, 0, (-2,), (1,)), "the shape of a tensor"),
        (tensor_pickle("FloatStorage", 10, 0, (2, 2), (1,)), "the shape of a tensor"),
        (tensor_pickle("FloatStorage", 10, 0, (1,) * 20, (1,) * 20), "the shape of a tensor"),
        (tensor_pickle("QInt8Storage", 10, 0, (2,), (1,)), "would load torch.QInt8Storage"),
        (b"\x80\x02(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x0atQ.", "raw data that belongs to no tensor"),
        (b"\x80\x02(U\x07storagectorch\nFloatStorage\nU\x05../..U\x03cpuK\x0atQ.", "the data"),
        (b"\x80\x02K\x01Q.", "a reference to data of an unknown kind"),
        (b"\x80\x02cposix\nsystem\nU\x05touch\x85R.", "would load posix.system"),
        (b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n)R.", "would load torch._utils._rebuild_sparse_tensor"),
        (b"\x80\x02ctorch\nFloatStorage\n.", "holds an object instead of data"),
    ],
)
def test_tensors_that_lie_are_refused(description: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        read_torch_file(crafted(description), member="m")


def test_one_run_of_numbers_cannot_be_copied_without_end() -> None:
    views = [tensor_pickle("FloatStorage", 250_000, start, (400, 500), (1, 500))[2:-1] for start in range(50)]
    with pytest.raises(BundleError, match="far larger than their data"):
        read_torch_file(crafted(b"\x80\x02(" + b"".join(views) + b"l.", bytes(1_000_000)), member="m")


def test_a_tensor_with_several_names_is_one_array_in_both_directions() -> None:
    shared = torch.arange(6.0)
    ours = read_torch_file(saved({"a": shared, "b": shared, "c": shared[1:]}), member="m")
    assert isinstance(ours, dict)
    assert ours["a"] is ours["b"]
    assert np.array_equal(ours["c"], shared[1:])
    data = torch_file_bytes({"a": ours["a"], "b": ours["b"]})
    back = loaded(data)
    assert back["a"].data_ptr() == back["b"].data_ptr()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert sum(name.startswith("model/data/") for name in archive.namelist()) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02.", "not in the zip format"),
        (b"PK\x03\x04" + bytes(50), "not a readable zip archive"),
        (torch_file_bytes([1])[:-10], "not a readable zip archive"),
    ],
)
def test_what_is_no_torch_file_is_told(data: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        read_torch_file(data, member="model.pth")


def test_a_file_without_tensors_or_with_missing_data_is_told() -> None:
    def no_description(members: dict[str, bytes]) -> None:
        del members["archive/data.pkl"]

    def no_data(members: dict[str, bytes]) -> None:
        del members["archive/data/0"]

    whole = saved({"a": torch.ones(3)})
    with pytest.raises(BundleError, match=r"no data\.pkl"):
        read_torch_file(rewritten(whole, no_description), member="m")
    with pytest.raises(BundleError, match="has no member archive/data/0"):
        read_torch_file(rewritten(whole, no_data), member="m")
