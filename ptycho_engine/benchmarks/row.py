"""What one measurement says: times, the figure to reach, and whether it is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ptycho_engine.benchmarks.measuring import Ratio, Timing

OWN = "this program"
"""Name of the way that is judged."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure to reach."""

    text: str
    """In words, with its bound: ``">= 8x faster than …"``."""
    bound: float
    at_least: bool
    """Whether the value must not lie below the bound, or not above it."""
    value: float
    """What was reached; the median where it is a ratio of times."""
    low: float
    high: float
    applies: bool = True
    """Whether it is asked of this machine at all."""
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the value keeps the bound."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def verdict(self) -> str:
        """``"yes"``, ``"no"``, or ``"-"`` where it is not asked."""
        return ("yes" if self.reached else "no") if self.applies else "-"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "figure": self.text,
            "bound": self.bound,
            "at_least": self.at_least,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "unit": self.unit,
            "reached": self.reached if self.applies else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Figure":
        """Read what :meth:`as_dict` wrote."""
        value, low, high = (float(values[name]) for name in ("value", "low", "high"))
        applies = values["reached"] is not None
        return cls(values["figure"], values["bound"], values["at_least"], value, low, high, applies, values["unit"])


@dataclass(frozen=True, slots=True)
class Limit:
    """What the machine allows at best."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """One case of a benchmark."""

    benchmark: str
    case: str
    timings: Mapping[str, Timing] = field(default_factory=dict)
    """By the name of the way; :data:`OWN` is this program's."""
    figures: tuple[Figure, ...] = ()
    limit: Limit | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    """Further figures: patches a second, largest difference, memory."""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "benchmark": self.benchmark,
            "case": self.case,
            "cpu_seconds": {
                name: {"median": one.median, "low": one.low, "high": one.high, "rounds": list(one.seconds)}
                for name, one in self.timings.items()
            },
            "figures": [one.as_dict() for one in self.figures],
            "limit": None if self.limit is None else {"of": self.limit.text, "cpu_seconds": self.limit.seconds},
            "values": dict(self.values),
            "note": self.note,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Row":
        """Read what :meth:`as_dict` wrote."""
        limit = values["limit"]
        return cls(
            benchmark=values["benchmark"],
            case=values["case"],
            timings={name: Timing(tuple(one["rounds"])) for name, one in values["cpu_seconds"].items()},
            figures=tuple(Figure.from_dict(one) for one in values["figures"]),
            limit=None if limit is None else Limit(limit["of"], limit["cpu_seconds"]),
            values=values["values"],
            note=values["note"],
        )


def faster(text: str, bound: float, own: Timing, reference: Timing, *, applies: bool = True) -> Figure:
    """Return how many times as fast as a reference the program is, which is to be at least ``bound``."""
    return _figure(text, bound, reference.over(own), at_least=True, applies=applies)


def within(text: str, bound: float, own: Timing, reference: Timing, *, applies: bool = True) -> Figure:
    """Return how many times the time of a reference the program takes, which is to be at most ``bound``."""
    return _figure(text, bound, own.over(reference), at_least=False, applies=applies)


def at_most(text: str, bound: float, value: float, unit: str = "") -> Figure:
    """Return a figure that was measured once and is to be at most ``bound``."""
    return Figure(text, bound, at_least=False, value=value, low=value, high=value, unit=unit)


def _figure(text: str, bound: float, ratio: Ratio, *, at_least: bool, applies: bool) -> Figure:
    return Figure(text, bound, at_least, ratio.median, ratio.low, ratio.high, applies, "x")
