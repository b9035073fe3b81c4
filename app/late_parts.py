"""What the first window does without is built once that window is painted, each part in a turn of the event loop.

The pictures and curves of a window without documents are empty, but to import what draws them takes a third of the
start. Whoever needs a part before its turn has it built at once.
"""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QWidget

from app.panel_shelf import PanelShelf


class LateParts(QObject):
    """Waits for the first painting of the window, then builds.

    Parameters
    ----------
    window
        What is to be painted first.
    panels
        Whose parts are built, of those that are there.
    parent
        Owner.
    """

    def __init__(self, window: QWidget, panels: PanelShelf, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._window = window
        self._parts = self._in_order(panels)
        self.done = False
        """Whether everything is there."""
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._build_next)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # Qt's name
        """Begin when the painting that this event is part of is over."""
        if event.type() is QEvent.Type.Paint:
            self._window.removeEventFilter(self)
            self._timer.start()
        return False

    def stop(self) -> None:
        """Build no more."""
        self._window.removeEventFilter(self)
        self._timer.stop()

    def _build_next(self) -> None:
        part = next(self._parts, None)
        if part is None:
            self._timer.stop()
            self.done = True
        else:
            part()

    def _in_order(self, panels: PanelShelf) -> Iterator[Callable[[], object]]:
        yield partial(import_module, "pyqtgraph")
        # Asked for only now: a panel of the middle may have been seen meanwhile.
        for panel in panels.there().values():
            yield panel.prepare
