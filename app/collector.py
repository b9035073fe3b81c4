"""Garbage is collected in the thread of the window, between two events, and nowhere else.

Python collects cycles in whichever thread happens to allocate, at whichever moment. If a widget is among them, Qt
destroys it there: in the thread of a job, where widgets must not be touched, or in the middle of a call of Qt that
holds one of its locks and then waits for itself for ever.
"""

import gc
import sys

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 1000
MANY_MODULES = 100
"""So many more modules hold tens of thousands of objects, and looking at them stops the window for a while."""


class Collector(QObject):
    """Collects once a second what is worth it; until ``stop`` Python does not collect by itself."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        gc.collect()
        self._set_aside()
        self._hasty = False
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Collect the generations that have grown beyond their thresholds."""
        if len(sys.modules) > self._modules + MANY_MODULES:
            self._set_aside()
            self._hasty = True
        for generation in (2, 1, 0):
            threshold = gc.get_threshold()[generation]
            if threshold and gc.get_count()[generation] > threshold:
                gc.collect(generation)
                return

    def collect_all(self) -> None:
        """Collect everything now: a job has ended, and what it held in cycles may be large."""
        if not self._timer.isActive():
            return
        if self._hasty:
            # With the modules a part of the job was set aside, which may be garbage now.
            gc.unfreeze()
        gc.collect()
        if self._hasty:
            self._set_aside()
            self._hasty = False

    def _set_aside(self) -> None:
        """Never look again at what is there now: modules and their contents, which do not become garbage."""
        gc.freeze()
        self._modules = len(sys.modules)

    def rest(self) -> None:
        """Collect no more: the process is about to end, and whoever closed the window waits for it."""
        self._timer.stop()

    def stop(self) -> None:
        """Leave it to Python again."""
        self._timer.stop()
        gc.enable()
        gc.unfreeze()
