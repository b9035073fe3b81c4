"""Garbage is collected in the thread of the window, between two events, and nowhere else.

Python collects cycles in whichever thread happens to allocate, at whichever moment. If a widget is among them, Qt
destroys it there: in the thread of a job, where widgets must not be touched, or in the middle of a call of Qt that
holds one of its locks and then waits for itself for ever.
"""

import gc

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 1000


class Collector(QObject):
    """Collects once a second what is worth it; until ``stop`` Python does not collect by itself."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # What is there now are modules and their contents, which never become garbage: looking at them again at each
        # full collection would stop the window for as long as it takes.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Collect the generations that have grown beyond their thresholds."""
        for generation in (2, 1, 0):
            threshold = gc.get_threshold()[generation]
            if threshold and gc.get_count()[generation] > threshold:
                gc.collect(generation)
                return

    def collect_all(self) -> None:
        """Collect everything now: a job has ended, and what it held in cycles may be large."""
        if self._timer.isActive():
            gc.collect()

    def rest(self) -> None:
        """Collect no more: the process is about to end, and whoever closed the window waits for it."""
        self._timer.stop()

    def stop(self) -> None:
        """Leave it to Python again."""
        self._timer.stop()
        gc.enable()
        gc.unfreeze()
