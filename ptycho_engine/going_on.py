"""Long work in one piece asks between its blocks whether it is to go on."""

from collections.abc import Callable

GoOn = Callable[[], None]
"""Called between two blocks of a second at most; raises ``Stopped`` once nobody wants the result any more."""


def always() -> None:
    """Go on to the end."""
