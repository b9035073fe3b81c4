import math

import pytest

from app.display.wording import duration, n_bytes, number, whole


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (41.6, "0:42"), (725, "12:05"), (11220, "3:07:00"), (-1, "–"), (math.nan, "–")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(812, "812 B"), (3.1 * 2**20, "3.1 MiB"), (2**41, "2.0 TiB")])
def test_sizes(count: float, text: str) -> None:
    assert n_bytes(count) == text


def test_figures() -> None:
    assert whole(2336258) == "2\u2009336\u2009258"
    assert number(988.21181, 7) == "988.2118"
    assert number(None) == number(math.inf) == "–"
