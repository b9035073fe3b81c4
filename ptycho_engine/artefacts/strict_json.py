"""JSON that every reader accepts: NaN and infinities become ``null``, numpy and paths become plain values."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return ``value`` as nested dictionaries, lists, strings, numbers, booleans and ``None``.

    An array of up to 16 values becomes a list; a larger one is described by its shape and dtype, because what is
    written here is read by people and by line-oriented tools.
    """
    result: Any = str(value)
    if value is None or isinstance(value, (bool, int, str)):
        result = value
    elif isinstance(value, float):
        result = value if math.isfinite(value) else None
    elif isinstance(value, np.generic):
        result = plain(value.item())
    elif isinstance(value, complex):
        result = [plain(value.real), plain(value.imag)]
    elif isinstance(value, Enum):
        result = plain(value.value)
    elif isinstance(value, PurePath):
        result = str(value)
    elif isinstance(value, np.ndarray):
        result = plain(value.tolist()) if value.size <= 16 else {"shape": list(value.shape), "dtype": str(value.dtype)}
    elif is_dataclass(value) and not isinstance(value, type):
        result = {spec.name: plain(getattr(value, spec.name)) for spec in fields(value)}
    elif isinstance(value, Mapping):
        result = {str(key): plain(item) for key, item in value.items()}
    elif isinstance(value, (list, tuple, set, frozenset)):
        result = [plain(item) for item in value]
    return result


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Return strict JSON."""
    return json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
