"""SIGINT and SIGTERM end the window as its own button does."""

import signal
import socket
from types import FrameType
from typing import Any

from PySide6.QtCore import QObject, QSocketNotifier, Signal


class EndSignals(QObject):
    """Tells when somebody asks the process to end.

    Python's handler runs only between two steps of Python, which an idle window does not take: the byte that the
    interpreter writes at once wakes Qt's loop.
    """

    asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
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
        for number in (signal.SIGINT, signal.SIGTERM):
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

    def _awake(self) -> None:
        try:
            received = self._near.recv(64)
        except BlockingIOError:
            return
        if {int(signal.SIGINT), int(signal.SIGTERM)} & set(received):
            self.asked.emit()


def _nothing(number: int, frame: FrameType | None) -> None:
    """Do nothing here: the byte that was written is what wakes the window."""
