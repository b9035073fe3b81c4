"""Between an engine that tells much and a window that paints little: newer replaces older where that is allowed.

Knows no Qt. One thread puts, another takes.
"""

import threading
from dataclasses import replace
from typing import ClassVar, Generic, Protocol, TypeVar

from ptycho_engine.documents import Rectangle
from ptycho_engine.events import CanvasUpdated, Delivery


class Deliverable(Protocol):
    """An event that says whether a newer one may take its place."""

    delivery: ClassVar[Delivery]


EventT = TypeVar("EventT", bound=Deliverable)


class Mailbox(Generic[EventT]):
    """Events on their way from the thread of a job to the window.

    Of the classes marked ``LATEST`` at most the newest event waits; those marked ``EVERY`` all wait, in order.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._every: list[tuple[int, EventT]] = []
        self._latest: dict[type, tuple[int, EventT]] = {}
        self._number = 0

    def put(self, event: EventT) -> bool:
        """Add ``event``; return whether the mailbox was empty, so that somebody should be woken."""
        with self._lock:
            was_empty = not self._every and not self._latest
            self._number += 1
            if event.delivery is Delivery.LATEST:
                waiting = self._latest.get(type(event))
                if waiting is not None:
                    event = merged(waiting[1], event)
                self._latest[type(event)] = (self._number, event)
            else:
                self._every.append((self._number, event))
            return was_empty

    def take(self, limit: int) -> tuple[EventT, ...]:
        """Remove and return the oldest ``limit`` events of ``EVERY`` and all of ``LATEST``, in the order they came.

        The newest picture never queues behind a flood of figures, and a flood is worked off in bounded portions.
        """
        with self._lock:
            portion = [*self._every[:limit], *self._latest.values()]
            del self._every[:limit]
            self._latest.clear()
        portion.sort(key=lambda numbered: numbered[0])
        return tuple(event for _, event in portion)

    def __bool__(self) -> bool:
        """Whether something waits."""
        with self._lock:
            return bool(self._every or self._latest)


def merged(older: EventT, newer: EventT) -> EventT:
    """Return what ``newer`` must say when ``older`` is never seen: the damage of a canvas adds up."""
    if not isinstance(newer, CanvasUpdated) or not isinstance(older, CanvasUpdated):
        return newer
    return replace(newer, damage=_union(older.damage, newer.damage))


def _union(one: Rectangle, other: Rectangle) -> Rectangle:
    row, column = min(one.row, other.row), min(one.column, other.column)
    bottom = max(one.row + one.height, other.row + other.height)
    right = max(one.column + one.width, other.column + other.width)
    return Rectangle(row, column, bottom - row, right - column)
