"""Cancel a verb where a test wants it."""

from collections.abc import Callable, Generator

from ptycho_engine.events import EngineEvent


def until(events: Generator[EngineEvent, None, None], enough: Callable[[EngineEvent], bool]) -> list[EngineEvent]:
    """Take events to the one that is enough, then cancel."""
    taken = []
    for event in events:
        taken.append(event)
        if enough(event):
            break
    events.close()
    return taken
