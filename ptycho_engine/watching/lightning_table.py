"""The rows of a ``metrics.csv`` of Lightning as they come, also when it is written anew with a wider header."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ptycho_engine.watching.growing_lines import GrowingLines

Row = dict[str, float]
_MAX_COLUMNS = 256


@dataclass(frozen=True, slots=True)
class NewRows:
    """What one look found."""

    rows: list[Row] = field(default_factory=list)
    """The figures of each new row by column, without the empty cells."""
    another_run: bool = False
    """Whether these rows, from the first on, are of another run than those told before."""


class LightningTable:
    """Tells each row once.

    Lightning writes one row per call: of a step, of a validation, of the means of an epoch. When a new column comes it
    truncates the file and writes all rows again under a wider header; they are known by what their cells hold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = GrowingLines(path)
        self._header: list[str] = []
        self._told: list[int] = []
        """A hash of each row that was told."""
        self._known: list[Row] = []
        """The rows of the present file, as long as all of them are among those that were told."""
        self._n_seen = 0
        """Rows of the present file that were read."""

    def poll(self) -> NewRows:
        """Return the rows that are new."""
        found = NewRows()
        while True:
            lines, anew = self._lines.poll()
            if anew:
                self._header, self._known, self._n_seen = [], [], 0
            if not lines:
                return found
            for row in self._rows(lines):
                found = self._with_row(found, row)

    def _rows(self, lines: list[str]) -> Iterator[Row]:
        for line in lines:
            try:
                cells = next(csv.reader([line]), [])
            except csv.Error:
                continue
            if not self._header:
                self._header = cells if 0 < len(cells) <= _MAX_COLUMNS else []
            elif len(cells) == len(self._header):
                pairs = ((name, _value(cell)) for name, cell in zip(self._header, cells, strict=True))
                yield {name: value for name, value in pairs if value is not None}

    def _with_row(self, found: NewRows, row: Row) -> NewRows:
        fingerprint = hash(tuple(sorted((name, repr(value)) for name, value in row.items())))
        index = self._n_seen
        self._n_seen += 1
        if index < len(self._told):
            if self._told[index] == fingerprint:
                self._known.append(row)
                return found
            # All of it is news, also what was the same up to here.
            found = NewRows(self._known, another_run=True)
            del self._told[index:]
        self._known = []
        self._told.append(fingerprint)
        found.rows.append(row)
        return found


def _value(cell: str) -> float | None:
    """Return the number in a cell, NaN as such; ``None`` where none was logged."""
    try:
        return float(cell) if cell else None
    except ValueError:
        return None
