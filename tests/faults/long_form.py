"""Which tests belong to the long form: ``make faults``."""

import os

import pytest

LONG = bool(os.environ.get("PTYCHOSCOPE_FAULTS"))
long_form = pytest.mark.skipif(not LONG, reason="of the long form: make faults")


def count(quick: int, whole: int) -> int:
    """Return how often something is tried."""
    return whole if LONG else quick
