"""Read the files that ``torch.save`` writes, as plain data and numpy arrays, without torch and without running them."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ptycho_engine.arrays import frozen_array
from ptycho_engine.bundles.archive import Archive, nested_archive, shown
from ptycho_engine.bundles.plain_objects import PLAIN_OBJECTS, Known, KnownTable, Malformed
from ptycho_engine.bundles.unpickle import read_plain
from ptycho_engine.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_DIMENSIONS = 16
_STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
    "ComplexFloatStorage": "c8",
    "ComplexDoubleStorage": "c16",
}
_MADE = (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter"), ("torch", "Size"))
TORCH_NAMES = frozenset(_MADE) | frozenset(("torch", name) for name in _STORAGES)
"""What is read beside :data:`PLAIN_OBJECTS`, by module and name."""
_DAMAGED = "The file is damaged or was tampered with; ask for it again."


class _Storage:
    """A run of numbers in a member of the file, read when its numbers are asked for."""

    def __init__(self, read: "Callable[[], NDArray[Any]]") -> None:
        self._read = read

    @cached_property
    def values(self) -> NDArray[Any]:
        return self._read()

    @property
    def is_read(self) -> bool:
        return "values" in vars(self)


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor whose numbers were not read yet."""

    storage: _Storage
    offset: int
    size: tuple[object, ...]
    stride: tuple[object, ...]


def read_torch_file(data: bytes, *, member: str, notes: list[str] | None = None, checked: bool = False) -> object:
    """Return what ``torch.save`` stored: plain data with tensors as read-only numpy arrays.

    Parameters
    ----------
    data
        The whole file.
    member
        What it is called in messages.
    notes
        Receives what was odd but harmless, one sentence each.
    checked
        Whether ``data`` is what the checksum of an archive around it says: a second check takes as long again.

    Raises
    ------
    BundleError
        If it is damaged, or holds anything but plain data and dense tensors.
    """
    if data[:2] != b"PK":
        raise BundleError(
            f"{member} is not in the zip format of torch.save", "Save it again with a torch of version 1.6 or later."
        )
    return read_torch_archive(nested_archive(data, member, checked=checked), member=member, notes=notes)


def read_torch_archive(
    archive: Archive, *, member: str, notes: list[str] | None = None, only: Collection[str] | None = None
) -> object:
    """Return what ``torch.save`` stored in an open archive, as :func:`read_torch_file` does.

    Parameters
    ----------
    archive
        The whole file.
    member
        What it is called in messages.
    notes
        Receives what was odd but harmless, one sentence each.
    only
        Entries of the outermost dictionary; the others are left out and their numbers never read. ``None`` takes all.

    Raises
    ------
    BundleError
        If it is damaged, or holds anything but plain data and dense tensors.
    """
    prefix = _prefix(archive, member)
    big_endian = f"{prefix}/byteorder" in archive.names and archive.read(f"{prefix}/byteorder", 16) == b"big"
    storages = _Storages(archive, prefix, ">" if big_endian else "<")
    description = archive.read(f"{prefix}/data.pkl", 4 * 2**20)
    value = read_plain(
        description,
        member=member,
        known=_torch_objects(storages, later=only is not None),
        persistent=storages.load,
        notes=notes,
    )
    if only is not None:
        wanted = {key: entry for key, entry in value.items() if key in only} if isinstance(value, dict) else value
        try:
            value = _with_numbers(wanted, storages)
        except Malformed as error:
            raise BundleError(f"{member} cannot be read: {error}", _DAMAGED) from error
    _refuse_bare_storages(value, member)
    if notes is not None and any(kind == "BFloat16Storage" and one.is_read for kind, one in storages.named.values()):
        notes.append(f"{member} holds bfloat16 numbers, which are used as float32.")
    return value


def _with_numbers(value: Any, storages: "_Storages") -> Any:
    """Return ``value`` with arrays for tensors that were not read yet."""
    if isinstance(value, _Tensor):
        return storages.array(value)
    if isinstance(value, dict):
        return {key: _with_numbers(entry, storages) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_with_numbers(entry, storages) for entry in value)
    return value


def _prefix(archive: Archive, member: str) -> str:
    folders = [folder for folder, _, name in (path.rpartition("/") for path in archive.names) if name == "data.pkl"]
    if len(folders) != 1:
        raise BundleError(f"{member} holds no tensors (no data.pkl)", _DAMAGED)
    return folders[0]


class _Storages:
    """The runs of numbers of a torch file, each read once."""

    def __init__(self, archive: Archive, prefix: str, order: Literal["<", ">"]) -> None:
        self.archive = archive
        self.prefix = prefix
        self.order = order
        self.named: dict[str, tuple[str, _Storage]] = {}
        self.arrays: dict[tuple[int, int, tuple[object, ...], tuple[object, ...]], NDArray[Any]] = {}
        self.room = 0
        """Bytes that all tensors may have together: views of one run must not multiply it without end."""

    def load(self, identity: object) -> object:
        match identity:
            case ("storage", Known(name=kind), str(key), str(), int(count)) if kind in _STORAGES:
                pass
            case _:
                raise Malformed("a reference to data of an unknown kind")
        known = self.named.get(key)
        if known is not None:
            if known[0] != kind:
                raise Malformed(f"the data {shown(key)} with two kinds of numbers")
            return known[1]
        if not key.isdecimal() or not key.isascii():
            raise Malformed(f"the data {shown(key)}")
        storage = _Storage(lambda: self._values(key, kind, count))
        self.named[key] = (kind, storage)
        return storage

    def array(self, tensor: _Tensor) -> NDArray[Any]:
        """Return the numbers of a tensor; what the file shares between names is one array."""
        identity = (id(tensor.storage), tensor.offset, tensor.size, tensor.stride)
        if identity not in self.arrays:
            array = _view(tensor.storage.values, tensor.offset, tensor.size, tensor.stride)
            self.room -= array.nbytes
            if self.room < 0:
                raise Malformed("tensors that are far larger than their data")
            self.arrays[identity] = array
        return self.arrays[identity]

    def _values(self, key: str, kind: str, count: int) -> NDArray[Any]:
        values = _numbers(self.archive.view(f"{self.prefix}/data/{key}"), _STORAGES[kind], self.order, count)
        self.room += 4 * max(values.nbytes, 64)
        return values


def _numbers(raw: memoryview | bytes, kind: str, order: Literal["<", ">"], count: int) -> NDArray[Any]:
    if kind == "bfloat16":
        if len(raw) != 2 * count:
            raise Malformed(f"{count} numbers in {len(raw)} bytes")
        # The upper half of a float32.
        return (np.frombuffer(raw, f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    dtype = np.dtype(kind).newbyteorder(order)
    if len(raw) != count * dtype.itemsize:
        raise Malformed(f"{count} numbers in {len(raw)} bytes")
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="), copy=False)


def _torch_objects(storages: _Storages, *, later: bool) -> KnownTable:
    """Return the table of known objects; ``later`` leaves the numbers of tensors unread."""

    def tensor(*arguments: object) -> NDArray[Any] | _Tensor:
        match arguments:
            case (_Storage() as storage, int(offset), tuple(size), tuple(stride), bool(), hooks, *rest):
                # Hooks are code; a fresh state dictionary has an empty dictionary of them.
                if hooks or any(rest):
                    raise Malformed("a tensor with hooks")
                described = _Tensor(storage, offset, size, stride)
            case _:
                raise Malformed("the arguments of a tensor")
        return described if later else storages.array(described)

    def parameter(*arguments: object) -> NDArray[Any] | _Tensor:
        match arguments:
            case (np.ndarray() | _Tensor() as tensor, bool(), hooks) if not hooks:
                return tensor
            case _:
                raise Malformed("the arguments of a parameter")

    def size(*arguments: object) -> tuple[Any, ...]:
        match arguments:
            case ((tuple() | list()) as lengths,):
                return tuple(lengths)
            case _:
                raise Malformed("the arguments of a size")

    table: dict[tuple[str, str], Known] = dict(PLAIN_OBJECTS)
    makers: tuple[Callable[..., Any], ...] = (tensor, parameter, size)
    table.update({key: Known(key[1], make) for key, make in zip(_MADE, makers, strict=True)})
    table.update({("torch", name): Known(name) for name in _STORAGES})
    return table


def _view(values: NDArray[Any], offset: int, size: tuple[object, ...], stride: tuple[object, ...]) -> NDArray[Any]:
    lengths = [each for each in size if type(each) is int and each >= 0]
    steps = [each for each in stride if type(each) is int and each >= 0]
    if len(lengths) != len(size) or len(steps) != len(size) or len(stride) != len(size) or len(size) > _MAX_DIMENSIONS:
        raise Malformed("the shape of a tensor")
    if 0 in lengths:
        return frozen_array(np.zeros(lengths, values.dtype))
    if offset < 0 or offset + sum((n - 1) * step for n, step in zip(lengths, steps, strict=True)) >= len(values):
        raise Malformed("a tensor that reaches beyond its data")
    reach = 1
    for step, length in sorted((step, length) for step, length in zip(steps, lengths, strict=True) if length > 1):
        if step < reach:
            raise Malformed("a tensor that repeats its data")
        reach = step * length
    count = prod(lengths)
    if list(steps) == _row_major(lengths):
        array = values[offset : offset + count].reshape(lengths)
    else:
        bytes_apart = [step * values.itemsize for step in steps]
        array = np.array(as_strided(values[offset:], lengths, bytes_apart, writeable=False), order="C")
    array.setflags(write=False)
    return array


def _row_major(lengths: list[int]) -> list[int]:
    return [prod(lengths[place + 1 :]) for place in range(len(lengths))]


def _refuse_bare_storages(value: object, member: str) -> None:
    if isinstance(value, _Storage):
        raise BundleError(f"{member} holds raw data that belongs to no tensor", _DAMAGED)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for entry in value:
            _refuse_bare_storages(entry, member)
