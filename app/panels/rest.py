"""Curves that grow are drawn once in a while: what makes the window late while a network trains is drawing them."""

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

REST_MS = 2000
"""Shortest time between two drawings of growing curves."""


class Rest(QObject):
    """Draws at once what has come to an end, and what grows at most once in a while.

    Parameters
    ----------
    draw
        Draws the present state.
    parent
        Owner.
    """

    def __init__(self, draw: Callable[[], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._draw = draw
        self._put_off = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.timeout.connect(self._rested)

    def ask(self, *, growing: bool) -> None:
        """Draw now, or if it grows and was drawn just now, later."""
        self._put_off = growing and self._timer.isActive()
        if self._put_off:
            return
        self._draw()
        if growing:
            self._timer.start()
        else:
            self._timer.stop()

    def end(self) -> None:
        """Draw what was put off, and rest no more."""
        self._timer.stop()
        self._rested()

    def _rested(self) -> None:
        if self._put_off:
            self.ask(growing=True)
