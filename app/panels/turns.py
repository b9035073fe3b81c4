"""What a job changes is painted panel by panel, each in a turn of the event loop to itself.

Painted all at once, a delivery would keep whoever types or points waiting for as long as all panels together take.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QObject, Qt, QTimer

PAUSE_MS = 7
"""Time from one portion to the next, longer than a picture is drawn: what waits meanwhile waits for one of them."""


class Painter(Protocol):
    """Who can be asked what there is to paint."""

    def due_portions(self) -> tuple[Callable[[], None], ...]:
        """Return what is to be painted now, in portions; nothing while it cannot be seen."""
        ...


class Turns(QObject):
    """A line of panels that wait to be painted."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: list[Painter] = []
        self._portions: deque[Callable[[], None]] = deque()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._take)

    def ask(self, painter: Painter) -> None:
        """Join the line; who waits already keeps the place."""
        if painter not in self._waiting:
            self._waiting.append(painter)
        if not self._timer.isActive():
            self._timer.start()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be painted."""
        return bool(self._portions or self._waiting)

    def _take(self) -> None:
        while not self._portions and self._waiting:
            self._portions.extend(self._waiting.pop(0).due_portions())
        if not self._portions:
            return
        portion = self._portions.popleft()
        # Started first: whatever becomes of this portion, the others have their turn.
        if self.waiting:
            self._timer.start()
        portion()
