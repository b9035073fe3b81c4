"""The ``_metadata`` of a dataset: JSON in an array of one element, read without running what is pickled."""

import json
from collections.abc import Mapping
from typing import Any

from ptycho_engine.bundles.plain_objects import PLAIN_OBJECTS, Known, Malformed
from ptycho_engine.bundles.plain_values import Limits
from ptycho_engine.bundles.unpickle import read_plain
from ptycho_engine.errors import BundleError
from ptycho_engine.formats.zip_members import Archive, ArrayMember, read_member

MAX_BYTES = 1 << 20

_LIMITS = Limits(member_bytes=MAX_BYTES, opcodes=200, values=2 * MAX_BYTES // 1024, text_bytes=MAX_BYTES)


class _ObjectDtype:
    """What numpy writes for the kind of an array of objects."""

    def __init__(self, code: object, *_flags: object) -> None:
        if code not in ("O8", "O4", "|O", "O"):
            raise Malformed("the kind of an array that holds no text")

    def build(self, state: object) -> None:
        """Take the byte order, which means nothing here."""
        if not isinstance(state, tuple):
            raise Malformed("the state of the kind of an array")


class _ObjectArray:
    """An array of objects, which may only be texts."""

    def __init__(self, kind: object, shape: object, _code: object) -> None:
        if kind is not PLAIN_OBJECTS["numpy", "ndarray"] or shape != (0,):
            raise Malformed("the arguments of an array")
        self.texts: list[str] = []

    def build(self, state: object) -> None:
        """Take shape and content."""
        match state:
            case (int(), tuple(), _ObjectDtype(), bool(), list(items)):
                self.texts = [item for item in items if isinstance(item, str)]
                if len(self.texts) != len(items):
                    raise Malformed("an array that holds more than texts")
            case _:
                raise Malformed("the state of an array")


_KNOWN: dict[tuple[str, str], Known] = {
    ("numpy", "ndarray"): PLAIN_OBJECTS["numpy", "ndarray"],
    ("numpy", "dtype"): Known("numpy.dtype", _ObjectDtype),
    ("numpy.core.multiarray", "_reconstruct"): Known("numpy._reconstruct", _ObjectArray),
    ("numpy._core.multiarray", "_reconstruct"): Known("numpy._reconstruct", _ObjectArray),
    ("_codecs", "encode"): PLAIN_OBJECTS["_codecs", "encode"],
}
"""All that numpy writes around the one text."""


def photons_of(metadata: Mapping[str, Any]) -> float | None:
    """Return ``physics_parameters.nphotons`` if it is a positive number."""
    physics = metadata.get("physics_parameters")
    value = physics.get("nphotons") if isinstance(physics, Mapping) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e300:
        return float(value)
    return None


def pixel_size_of(metadata: Mapping[str, Any]) -> float | None:
    """Return ``object_pixel_size_m``, itself or among the physics parameters, if it is a length [m]."""
    for part in (metadata, metadata.get("physics_parameters")):
        value = part.get("object_pixel_size_m") if isinstance(part, Mapping) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1:
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
    try:
        found = read_plain(data, member="_metadata", limits=_LIMITS, known=_KNOWN)
    except BundleError as reason:
        raise ValueError(f"it {reason.message.removeprefix('_metadata ')}") from None
    if not isinstance(found, _ObjectArray) or len(found.texts) != 1:
        raise ValueError("it is pickled, and not as one text")
    return found.texts[0]
