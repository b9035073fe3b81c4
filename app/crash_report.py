"""What becomes of errors that nobody caught: nothing is silent, and nothing kills the window."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler

from app.errors import describe
from app.state.app_state import Level, LogEntry

_LEVELS: dict[QtMsgType, Level] = {
    QtMsgType.QtDebugMsg: "info",
    QtMsgType.QtInfoMsg: "info",
    QtMsgType.QtWarningMsg: "warning",
    QtMsgType.QtCriticalMsg: "error",
    QtMsgType.QtFatalMsg: "error",
}
_HARMLESS = ("This plugin does not support propagateSizeHints()",)
"""What Qt says on a machine without a screen, whenever a window is shown."""


class Hooks(QObject):
    """Catches what nobody else does and tells the window, from whichever thread."""

    logged = Signal(object)
    """``LogEntry``."""
    failed = Signal(object)
    """``Failure`` of the program itself."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._handler = _LogHandler(self.logged.emit)

    def install(self) -> None:
        """Take the hooks; ``remove`` gives them back."""
        sys.excepthook = self._exception
        threading.excepthook = self._thread_exception
        qInstallMessageHandler(self._qt_message)
        logging.getLogger().addHandler(self._handler)

    def remove(self) -> None:
        """Give the hooks back."""
        sys.excepthook = sys.__excepthook__
        threading.excepthook = threading.__excepthook__
        qInstallMessageHandler(None)
        logging.getLogger().removeHandler(self._handler)

    def _exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        failure = describe(error)
        sys.stderr.write(failure.details)
        self.failed.emit(failure)

    def _thread_exception(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            self._exception(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    def _qt_message(self, kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if text in _HARMLESS:
            return
        self.logged.emit(LogEntry(_LEVELS.get(kind, "info"), text, time.time(), "Qt"))


class _LogHandler(logging.Handler):
    """Hands records of Python's logging, of this program and its libraries, to the log."""

    def __init__(self, tell: Callable[[LogEntry], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        self._tell(LogEntry(level, record.getMessage(), record.created, record.name))
