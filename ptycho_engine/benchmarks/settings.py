"""How long to measure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """Sizes and rounds of a measurement."""

    rounds: int = 5
    """Samples of each way."""
    quick: bool = False
    """Whether large cases are made smaller, so that all takes about a minute."""
