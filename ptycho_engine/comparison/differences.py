"""Differences between two tables or two arrays, with a figure by which the worst comes first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.artefacts.strict_json import plain

_BLOCK = 1 << 22
_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same."""

    part: str
    """What it belongs to: ``"tensors"``, ``"parameters"``, ``"arrays"`` …"""
    name: str
    a: Any
    """Its value in the first, as plain data; ``"absent"`` where it is not there."""
    b: Any
    distance: float
    """Relative: norm(a - b) / max(norm(a), norm(b)); 1 for texts, infinity where there is nothing to subtract."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs between two files or folders of one kind."""

    kind: str
    a: Path
    b: Path
    differences: tuple[Difference, ...]
    """Worst first."""
    n_same: Mapping[str, int] = field(default_factory=dict)
    """By part, how many were compared and found equal."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Figures of the whole: digests, norms over all tensors."""


class Found:
    """Differences while they are collected."""

    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self.n_same: dict[str, int] = {}

    def same(self, part: str) -> None:
        """Count something equal."""
        self.n_same[part] = self.n_same.get(part, 0) + 1

    def add(self, difference: Difference | None, part: str) -> None:
        """Keep a difference, or count something equal."""
        if difference is None:
            self.same(part)
        else:
            self.differences.append(difference)

    def tables(self, part: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
        """Compare two tables of plain data, nested ones by dotted names."""
        left, right = flat(a), flat(b)
        for name in dict.fromkeys([*left, *right]):
            one, other = left.get(name, _ABSENT), right.get(name, _ABSENT)
            distance = value_distance(one, other)
            self.add(Difference(part, name, one, other, distance) if distance else None, part)

    def arrays(self, part: str, a: Mapping[str, NDArray[Any]], b: Mapping[str, NDArray[Any]]) -> None:
        """Compare two tables of arrays."""
        for name in dict.fromkeys([*a, *b]):
            self.add(array_difference(part, name, a.get(name), b.get(name)), part)

    def finish(self, kind: str, a: Path, b: Path, figures: Mapping[str, Any]) -> Comparison:
        """Return everything, worst first; equal distances stay in the order of the files."""
        ordered = sorted(self.differences, key=lambda each: -each.distance)
        return Comparison(kind, a, b, tuple(ordered), dict(self.n_same), figures)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, by dotted names, as plain data."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = plain(value)
    return found


def value_distance(a: Any, b: Any) -> float:
    """Return 0 for equal plain values, the relative difference of two numbers, else 1."""
    if _is_number(a) and _is_number(b):
        if a == b:
            return 0.0
        top = max(abs(a), abs(b))
        distance = abs(a - b) / top
        return float(distance) if math.isfinite(distance) else math.inf
    return 0.0 if a == b and type(a) is type(b) else 1.0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def array_difference(part: str, name: str, a: NDArray[Any] | None, b: NDArray[Any] | None) -> Difference | None:
    """Return how two arrays differ, ``None`` if every value is the same.

    Parameters
    ----------
    part, name
        What they are.
    a, b
        The arrays; ``None`` where there is none.
    """
    if a is None or b is None or a.shape != b.shape:
        return Difference(part, name, _look(a), _look(b), math.inf, _why(a, b))
    squares = np.zeros(3)
    greatest, n_not_finite = 0.0, 0
    flat_a, flat_b = a.reshape(-1), b.reshape(-1)
    for start in range(0, flat_a.size, _BLOCK):
        one, other = _wide(flat_a[start : start + _BLOCK]), _wide(flat_b[start : start + _BLOCK])
        good = np.isfinite(one) & np.isfinite(other)
        odd = ~good & ~((one == other) | (np.isnan(one) & np.isnan(other)))
        n_not_finite += int(np.count_nonzero(odd))
        change = np.abs(one[good] - other[good])
        squares += [np.sum(change**2), np.sum(np.abs(one[good]) ** 2), np.sum(np.abs(other[good]) ** 2)]
        greatest = max(greatest, float(change.max(initial=0.0)))
    if greatest == 0 and n_not_finite == 0:
        return None
    distance = math.inf if n_not_finite else math.sqrt(squares[0] / max(squares[1], squares[2]))
    detail = f"norm of the difference {math.sqrt(squares[0]):.4g}, greatest {greatest:.4g}"
    if n_not_finite:
        detail += f", {n_not_finite} values finite in one only"
    norms = [float(f"{math.sqrt(each):.6g}") for each in squares[1:]]
    return Difference(part, name, {"norm": norms[0]}, {"norm": norms[1]}, distance, detail)


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _look(array: NDArray[Any] | None) -> Any:
    return _ABSENT if array is None else {"shape": list(array.shape), "dtype": str(array.dtype)}


def _why(a: NDArray[Any] | None, b: NDArray[Any] | None) -> str:
    if a is None or b is None:
        return "only in the second" if a is None else "only in the first"
    return "of another shape"
