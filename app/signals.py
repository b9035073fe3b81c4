"""SIGINT, SIGTERM and SIGHUP end the window as its own button does; a second one ends it at once."""

import signal
import socket
from types import FrameType
from typing import Any

from PySide6.QtCore import QObject, QSocketNotifier, Signal

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""SIGHUP is what a lost connection sends; Windows has none."""


class EndSignals(QObject):
    """Tells when somebody asks the process to end.

    Python's handler runs only between two steps of Python, which an idle window does not take: the byte that the
    interpreter writes at once wakes Qt's loop.
    """

    asked = Signal()
    """The first time."""
    insisted = Signal(int)
    """Each further time, with the exit status."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.heard = 0
        """The first signal that has come, 0 before."""
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._notifier = QSocketNotifier(self._near.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._awake)
        self._before: dict[int, Any] = {}
        self._earlier_fd = -1

    def install(self) -> None:
        """Take the signals; ``remove`` gives them back."""
        self._earlier_fd = signal.set_wakeup_fd(self._far.fileno(), warn_on_full_buffer=False)
        for number in ENDING:
            self._before[number] = signal.signal(number, _nothing)

    def remove(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        signal.set_wakeup_fd(self._earlier_fd)
        self._notifier.setEnabled(False)
        self._near.close()
        self._far.close()

    def exit_status(self, status: int) -> int:
        """Return the exit status of the process: 128 + n if the signal n has ended it."""
        return status or (128 + self.heard if self.heard else 0)

    def _awake(self) -> None:
        try:
            received = self._near.recv(64)
        except BlockingIOError:
            return
        for number in received:
            if number not in ENDING:
                continue
            if self.heard:
                self.insisted.emit(128 + number)
            else:
                self.heard = number
                self.asked.emit()


def _nothing(number: int, frame: FrameType | None) -> None:
    """Do nothing here: the byte that was written is what wakes the window."""
