"""Read a ``metrics.csv``, this program's or Lightning's, also while another process writes it."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptycho_engine.errors import InputError
from ptycho_engine.ordinary_file import read_small

_MAX_BYTES = 256 * 2**20
_MAX_COLUMNS = 256
_COUNTERS = ("epoch", "step")


@dataclass(frozen=True, slots=True)
class Column:
    """The figures of one column that are there and finite, in short."""

    n: int
    first: float
    last: float
    least: float
    greatest: float


@dataclass(frozen=True, slots=True)
class LossTable:
    """What a table of metrics holds."""

    n_rows: int
    n_epochs: int
    """Greatest epoch number plus one."""
    columns: Mapping[str, Column]
    """By name, without those that never hold a number."""


def read_loss_table(path: Path) -> LossTable:
    """Read the table.

    A row that does not fit the header is left out: the last one may not be complete yet.

    Raises
    ------
    InputError
        If it cannot be read, or is no table of metrics.
    """
    text = read_small(path, _MAX_BYTES).decode("utf-8", "replace")
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(rows, [])
        if ("step" not in header and "epoch" not in header) or len(header) > _MAX_COLUMNS:
            raise InputError("is not a table of metrics", "Give a metrics.csv of a training.", file=path)
        values: list[list[float]] = [[] for _ in header]
        n_rows = 0
        for row in rows:
            if len(row) != len(header):
                continue
            n_rows += 1
            for cell, column in zip(row, values, strict=True):
                number = _number(cell)
                if number is not None:
                    column.append(number)
    except csv.Error as error:
        raise InputError(f"is not a table of metrics ({error})", "Give a metrics.csv.", file=path) from error
    columns = dict(zip(header, values, strict=True))
    epochs = columns.get("epoch", [])
    return LossTable(
        n_rows,
        int(max(epochs)) + 1 if epochs else 0,
        {name: _short(found) for name, found in columns.items() if found and name not in _COUNTERS},
    )


def _short(values: list[float]) -> Column:
    return Column(len(values), values[0], values[-1], min(values), max(values))


def _number(cell: str) -> float | None:
    try:
        value = float(cell) if cell else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
