"""What becomes of errors that nobody caught, and of a crash: nothing is silent, and nothing kills the window."""

import faulthandler
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler

from app.errors import Failure, describe
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


class CrashFile:
    """A file that a crash writes to, and that is offered at the next start.

    Parameters
    ----------
    folder
        The state folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "crash.log"
        self.kept: Path | None = None
        """Where the report of the last crash was set aside."""
        self._stream: TextIO | None = None

    def earlier(self) -> str:
        """Return what the last crash left and set it aside, empty if there was none."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
            if text.strip():
                self.kept = self.path.replace(self.path.with_name(f"crash-{time.strftime('%Y%m%d-%H%M%S')}.log"))
        except OSError:
            return ""
        return text.strip()

    def open(self) -> None:
        """Let a crash of the interpreter write where every thread stood."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("w", encoding="utf-8")
        except OSError:
            return
        faulthandler.enable(self._stream)

    def close(self) -> None:
        """Take the file away after a clean end."""
        if self._stream is None:
            return
        faulthandler.disable()
        self._stream.close()
        self._stream = None
        self.path.unlink(missing_ok=True)


def crash_failure(text: str, kept: Path | None) -> Failure:
    """Return the words for a crash of the last start, and where its report is kept."""
    where = f" The report is kept in {kept}." if kept is not None else ""
    return Failure("Crash", f"Ptychoscope ended unexpectedly last time.{where}", text, expected=False)
