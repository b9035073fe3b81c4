"""The window's fixtures, for the faults that happen to it: nothing may be left running."""

from tests.app.conftest import _nothing_left_running, expects_notice, shown

__all__ = ["_nothing_left_running", "expects_notice", "shown"]
