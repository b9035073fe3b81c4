"""The few objects beside plain literals that genuine bundles hold, and how they become plain data.

Nothing here is found by name: an object exists only because it stands in :data:`PLAIN_OBJECTS`, under exactly the
module and name with which it was written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_ARRAY_BYTES = 16 * 2**20
_DTYPES = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"])
SCALAR_KINDS = (str, bytes, int, float, bool, complex, type(None))
"""What may be a member of a set; keys of a dictionary are the same without ``complex``."""


class Malformed(ValueError):
    """Arguments that no genuine file has."""


@dataclass(frozen=True, slots=True)
class Known:
    """An entry of the table of known objects, as it lies on the interpreter's stack."""

    name: str
    make: Callable[..., Any] | None = None
    """Makes plain data from arguments; ``None`` for what may only be named."""


KnownTable: TypeAlias = Mapping[tuple[str, str], Known]


class StoredPath(str):
    """A path as it stands in the file: text that remembers which system wrote it."""

    __slots__ = ("system",)
    system: Literal["posix", "windows"]

    def __new__(cls, text: str, system: Literal["posix", "windows"]) -> Self:  # noqa: D102 - described by the class
        path = super().__new__(cls, text)
        path.system = system
        return path

    def __reduce__(self) -> tuple[Any, ...]:
        return (StoredPath, (str(self), self.system))


class PendingDtype:
    """A numpy dtype between its name and its byte order."""

    def __init__(self, code: object, *_flags: object) -> None:
        if not isinstance(code, str) or code.lstrip("<>=|") not in _DTYPES:
            raise Malformed(f"the number type {str(code)[:40]!r}")
        self.dtype = np.dtype(code)

    def build(self, state: object) -> None:
        """Take the byte order."""
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise Malformed("the state of a number type")
        self.dtype = self.dtype.newbyteorder(state[1])


class PendingArray:
    """A numpy array between its making and its content."""

    def __init__(self) -> None:
        self.array: NDArray[Any] | None = None

    def build(self, state: object) -> None:
        """Take shape, dtype, order and bytes."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise Malformed("the state of an array")
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, PendingDtype) or not isinstance(data, bytes) or not isinstance(fortran, bool):
            raise Malformed("the state of an array")
        if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(side) is int and side >= 0 for side in shape):
            raise Malformed("the shape of an array")
        count = 1
        for side in shape:
            count *= side
        n_bytes = count * dtype.dtype.itemsize
        if n_bytes > _MAX_ARRAY_BYTES:
            raise Malformed(f"an array of {n_bytes} bytes (at most {_MAX_ARRAY_BYTES})")
        if n_bytes != len(data):
            raise Malformed(f"an array of {n_bytes} bytes with {len(data)} bytes of data")
        values = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if fortran else "C")
        self.array = np.array(values, dtype.dtype.newbyteorder("="), order="C")
        self.array.setflags(write=False)


class OrderedEntries(dict[Any, Any]):
    """An ordered dictionary; what a state dictionary keeps about itself beside its entries is left out."""

    __slots__ = ()

    def build(self, state: object) -> None:
        """Accept the attributes of a state dictionary."""
        if not isinstance(state, dict) or not all(key == "_metadata" for key in state):
            raise Malformed("the attributes of an ordered dictionary")


def require_keys(keys: Any) -> None:
    """Raise unless every key is a plain scalar: others may take for ever to compare."""
    for key in keys:
        if not isinstance(key, SCALAR_KINDS) or isinstance(key, complex):
            raise Malformed(f"a dictionary key of kind {type(key).__name__}")


def require_members(members: Any) -> None:
    """Raise unless every member of a set is a plain scalar."""
    for member in members:
        if not isinstance(member, SCALAR_KINDS):
            raise Malformed(f"a set with a member of kind {type(member).__name__}")


def _ordered(*entries: object) -> OrderedEntries:
    result = OrderedEntries()
    if len(entries) > 1:
        raise Malformed("the arguments of an ordered dictionary")
    for pairs in entries:
        if not isinstance(pairs, (list, tuple)):
            raise Malformed("the arguments of an ordered dictionary")
        for pair in pairs:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise Malformed("the arguments of an ordered dictionary")
            require_keys(pair[:1])
            result[pair[0]] = pair[1]
    return result


def _posix(*parts: object) -> StoredPath:
    return StoredPath(str(PurePosixPath(*_texts(parts))), "posix")


def _windows(*parts: object) -> StoredPath:
    return StoredPath(str(PureWindowsPath(*_texts(parts))), "windows")


def _texts(parts: tuple[object, ...]) -> list[str]:
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) != len(parts):
        raise Malformed("the arguments of a path")
    return texts


def _set(*members: object) -> set[Any]:
    return set(_members(members))


def _frozenset(*members: object) -> frozenset[Any]:
    return frozenset(_members(members))


def _members(arguments: tuple[object, ...]) -> list[Any]:
    if len(arguments) > 1 or not all(isinstance(argument, (list, tuple)) for argument in arguments):
        raise Malformed("the arguments of a set")
    members = [member for argument in arguments if isinstance(argument, (list, tuple)) for member in argument]
    require_members(members)
    return members


def _complex(*parts: object) -> complex:
    match parts:
        case (float(real), float(imaginary)):
            return complex(real, imaginary)
        case _:
            raise Malformed("the arguments of a complex number")


def _encode(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Malformed("the arguments of encoded bytes")
    return text.encode("latin-1")


def _scalar(dtype: object, data: object = None) -> int | float | bool | complex:
    if not isinstance(dtype, PendingDtype) or not isinstance(data, bytes) or len(data) != dtype.dtype.itemsize:
        raise Malformed("the arguments of a number")
    number: int | float | bool | complex = np.frombuffer(data, dtype.dtype)[0].item()
    return number


_RECONSTRUCT = Known("numpy._reconstruct", lambda *arguments: _reconstruct(*arguments))
_NDARRAY = Known("numpy.ndarray")


def _reconstruct(kind: object, shape: object, _code: object) -> PendingArray:
    if kind is not _NDARRAY or shape != (0,):
        raise Malformed("the arguments of an array")
    return PendingArray()


def _create_array(make: object, arguments: object, state: object, attributes: object = None) -> PendingArray:
    if make is not _RECONSTRUCT or not isinstance(arguments, tuple) or len(arguments) != 3 or attributes is not None:
        raise Malformed("the arguments of an array")
    array = _reconstruct(*arguments)
    array.build(state)
    return array


def _table() -> dict[tuple[str, str], Known]:
    table: dict[tuple[str, str], Known] = {
        ("collections", "OrderedDict"): Known("OrderedDict", _ordered),
        ("_codecs", "encode"): Known("encode", _encode),
        ("numpy", "dtype"): Known("numpy.dtype", PendingDtype),
        ("numpy", "ndarray"): _NDARRAY,
        ("dill._dill", "_create_array"): Known("create_array", _create_array),
    }
    for module in ("builtins", "__builtin__"):
        table[module, "set"] = Known("set", _set)
        table[module, "frozenset"] = Known("frozenset", _frozenset)
        table[module, "complex"] = Known("complex", _complex)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        table[module, "scalar"] = Known("scalar", _scalar)
        table[module, "_reconstruct"] = _RECONSTRUCT
    for module in ("pathlib", "pathlib._local"):
        for name, make in (("PosixPath", _posix), ("WindowsPath", _windows), ("Path", _posix)):
            table[module, name] = Known(name, make)
            table[module, f"Pure{name}"] = Known(f"Pure{name}", make)
    return table


PLAIN_OBJECTS: KnownTable = _table()
"""Every object that a manifest or a parameter file may hold, by the module and name it was written with."""
