"""Write files that ``torch.load(weights_only=True)`` reads, without torch: the same data give the same bytes."""

import hashlib
import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 64
_DATE = (1980, 1, 1, 0, 0, 0)
_STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}


def torch_file_bytes(value: Any, *, prefix: str = "model") -> bytes:
    """Return the bytes of a torch file that holds ``value``.

    Parameters
    ----------
    value
        Plain data: dictionaries, lists, tuples, literals; numpy arrays become tensors.
    prefix
        The folder inside of the file.
    """
    storages: list[NDArray[Any]] = []
    description = b"\x80\x02" + _encode(value, storages) + b"."
    identity = hashlib.sha256(description)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        _put(archive, stream, f"{prefix}/data.pkl", description)
        _put(archive, stream, f"{prefix}/.format_version", b"1")
        _put(archive, stream, f"{prefix}/.storage_alignment", str(_ALIGNMENT).encode())
        _put(archive, stream, f"{prefix}/byteorder", b"little")
        for number, array in enumerate(storages):
            raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
            identity.update(raw)
            _put(archive, stream, f"{prefix}/data/{number}", raw)
        _put(archive, stream, f"{prefix}/version", b"3\n")
        # torch writes 40 decimal digits that tell two files apart.
        digits = str(int(identity.hexdigest(), 16))[:40].zfill(40)
        _put(archive, stream, f"{prefix}/.data/serialization_id", digits.encode())
    return stream.getvalue()


def _put(archive: zipfile.ZipFile, stream: io.BytesIO, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = 0
    # The data begin at a multiple of 64 bytes, so that torch can map them; an extra field fills the gap.
    start = stream.tell() + 30 + len(name.encode())
    gap = -(start + 4) % _ALIGNMENT
    info.extra = struct.pack("<2sH", b"FB", gap) + b"Z" * gap
    archive.writestr(info, data)


def _encode(value: Any, storages: list[NDArray[Any]]) -> bytes:
    if isinstance(value, np.ndarray):
        return _encode_tensor(value, storages)
    if isinstance(value, OrderedDict):
        return b"ccollections\nOrderedDict\n)R" + _encode_entries(value, storages)
    if isinstance(value, Mapping):
        return b"}" + _encode_entries(value, storages)
    if isinstance(value, (list, tuple)):
        inner = b"".join(_encode(entry, storages) for entry in value)
        return b"](" + inner + b"e" if isinstance(value, list) else b"(" + inner + b"t"
    if value is None or isinstance(value, (bool, int, float, str)):
        # A literal's own instruction, without the header and the end.
        return _literal(value)
    raise TypeError(f"cannot store a {type(value).__name__} in a torch file")


def _literal(value: bool | int | float | str | None) -> bytes:
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(raw)) + raw
    return pickle.dumps(value, protocol=2)[2:-1]


def _encode_entries(entries: Mapping[Any, Any], storages: list[NDArray[Any]]) -> bytes:
    inner = b"".join(_encode(key, storages) + _encode(entry, storages) for key, entry in entries.items())
    return b"(" + inner + b"u"


def _encode_tensor(array: NDArray[Any], storages: list[NDArray[Any]]) -> bytes:
    kind = _STORAGES[array.dtype.name]
    # One array with several names is written once, as torch does.
    place = next((number for number, stored in enumerate(storages) if stored is array), len(storages))
    if place == len(storages):
        storages.append(array)
    key = str(place)
    strides = tuple(int(step) // array.itemsize for step in np.ascontiguousarray(array).strides)
    if array.ndim == 0:
        strides = ()
    identity = (
        b"("
        + _literal("storage")
        + f"ctorch\n{kind}\n".encode()
        + _literal(key)
        + _literal("cpu")
        + _literal(array.size)
        + b"tQ"
    )
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + identity
        + _literal(0)
        + _encode(tuple(array.shape), storages)
        + _encode(strides, storages)
        + _literal(False)
        + b"ccollections\nOrderedDict\n)RtR"
    )
