"""What a panel wants written to a file that the user chose."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptycho_engine.arrays import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """The content of one file; writing it is a job's work, never the window's."""

    path: Path
    content: bytes | FloatArray
    """Bytes are written as they are, a ``(height, width)`` float32 picture as TIFF."""
    description: str = ""
    """What the values are, with scale and unit; kept in the TIFF."""


def with_suffix(path: str | Path, suffix: str) -> Path:
    """Return the path, ending in ``suffix`` (``".png"``) if the user gave it none."""
    chosen = Path(path)
    return chosen if chosen.suffix else chosen.with_name(chosen.name + suffix)


def csv_bytes(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """Return a table as comma-separated UTF-8 text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def json_bytes(values: Mapping[str, Any]) -> bytes:
    """Return plain values as indented UTF-8 JSON; NaN and infinity become null, which JSON lacks."""
    return (json.dumps(_finite(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
