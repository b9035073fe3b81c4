"""The ``_metadata`` of a dataset: JSON in an array of one element, read without running what is pickled."""

import json
import pickletools
import struct
from collections.abc import Mapping
from typing import Any

from ptycho_engine.formats.zip_members import Archive, ArrayMember, read_member

MAX_BYTES = 1 << 20

_OPCODES = (
    {"PROTO", "FRAME", "GLOBAL", "STACK_GLOBAL", "MARK", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
    | {"EMPTY_LIST", "APPEND", "APPENDS", "BININT", "BININT1", "BININT2", "NONE", "NEWTRUE", "NEWFALSE"}
    | {"SHORT_BINBYTES", "BINBYTES", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "MEMOIZE", "BINPUT"}
    | {"LONG_BINPUT", "BINGET", "LONG_BINGET", "REDUCE", "BUILD", "STOP"}
)
_MODULES = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs"}
_WORDS = {"_reconstruct", "ndarray", "dtype", "encode", "O8", "O4", "|", "b", "latin1"}
# What numpy itself writes around the text: names of modules and functions, apart or together, and kinds of data.
_NAMES = _MODULES | _WORDS | {f"{module} {word}" for module in _MODULES for word in _WORDS}


def photons_of(metadata: Mapping[str, Any]) -> float | None:
    """Return ``physics_parameters.nphotons`` if it is a positive number."""
    physics = metadata.get("physics_parameters")
    value = physics.get("nphotons") if isinstance(physics, Mapping) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    return None


def read_metadata(archive: Archive, notes: list[str]) -> Mapping[str, Any]:
    """Return the metadata as plain data, empty (with a note if there was something) when they cannot be used."""
    array = archive.array("_metadata")
    if array is None:
        return {}
    if array.n_bytes > MAX_BYTES or array.shape not in ((), (1,)):
        notes.append("_metadata is not used: it is too large or not a single text.")
        return {}
    data = read_member(archive, array.member)[array.header_bytes :]
    try:
        values = json.loads(_text(array, data))
    except (ValueError, RecursionError) as reason:
        notes.append(f"_metadata is not used: {reason}.")
        return {}
    if not isinstance(values, dict):
        notes.append("_metadata is not used: it is not a JSON object.")
        return {}
    return values


def _text(array: ArrayMember, data: bytes) -> str:
    if array.dtype.hasobject:
        return pickled_text(data)
    if array.dtype.kind == "S":
        return data.decode("utf-8").rstrip("\0")
    if array.dtype.kind == "U":
        return data.decode("utf-32-be" if array.dtype.str[0] == ">" else "utf-32-le").rstrip("\0")
    raise ValueError("it is no text")


def pickled_text(data: bytes) -> str:
    """Return the one text in a pickled array of one element, without running the pickle.

    Parameters
    ----------
    data
        What numpy wrote for an array of objects.

    Raises
    ------
    ValueError
        If the pickle is anything but an array that holds one text.
    """
    found: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name not in _OPCODES:
                raise ValueError(f"it is pickled with {opcode.name}")
            if isinstance(argument, str) and opcode.name != "PROTO":
                found.append(argument)
    except (struct.error, IndexError, OverflowError, AttributeError, TypeError):
        raise ValueError("it is damaged") from None
    texts = [text for text in found if text not in _NAMES]
    if len(texts) != 1:
        raise ValueError("it is pickled, and more than one text")
    return texts[0]
