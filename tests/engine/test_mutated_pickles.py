"""A pickle that was changed at random is refused or gives plain data, nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_engine.bundles.plain_objects import StoredPath
from ptycho_engine.bundles.trace import trace_pickle
from ptycho_engine.bundles.unpickle import read_plain
from ptycho_engine.errors import BundleError
from ptycho_engine.formats.metadata import pickled_text
from tests.helpers.mutated_pickles import mutated, seeds

N_PICKLES = int(os.environ.get("PTYCHOSCOPE_PICKLES", "3000"))
"""The whole series is 200,000: PTYCHOSCOPE_PICKLES=200000."""
SCALARS = (type(None), bool, int, float, complex, str, bytes, StoredPath)


def kinds(value: Any) -> Iterator[type]:
    """Yield the exact kinds of all values in nested data."""
    yield type(value)
    if isinstance(value, dict):
        for key, entry in value.items():
            yield type(key)
            yield from kinds(entry)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for entry in value:
            yield from kinds(entry)
    elif isinstance(value, np.ndarray):
        assert not value.flags.writeable
        assert value.dtype.kind in "biufc"


@pytest.mark.timeout(60 + N_PICKLES // 100)
def test_changed_pickles_are_refused_or_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    allowed = {*SCALARS, dict, list, tuple, set, frozenset, np.ndarray}
    n_plain = 0
    for data in mutated(N_PICKLES):
        # Any other exception than the two below fails the test.
        try:
            value = read_plain(data, member="m")
        except BundleError:
            continue
        finally:
            trace_pickle(data, member="m", n_listed=50)
            _try_as_metadata(data)
        n_plain += 1
        assert set(kinds(value)) <= allowed
    assert list(tmp_path.iterdir()) == []
    assert 0 < n_plain < N_PICKLES


def _try_as_metadata(data: bytes) -> None:
    try:
        text = pickled_text(data)
    except ValueError:
        return
    assert type(text) is str


def test_the_changes_change_and_repeat() -> None:
    first, again = list(mutated(300)), list(mutated(300))
    assert first == again
    assert len(set(first) - set(seeds())) > 250
