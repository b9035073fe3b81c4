"""Start, show the window, and tell what that took: ``python -m app.benchmarks.first_window bare|ours FOLDER``."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QMainWindow, QWidget


class _Painted(QObject):
    """Notices the first painting of a window."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.seen = False
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # Qt's name
        self.seen = self.seen or event.type() is QEvent.Type.Paint
        return False


def _show(qt: QApplication, window: QWidget) -> float:
    """Show a window, and return the CPU time of this process until it was painted as a whole [s]."""
    painted = _Painted(window)
    window.show()
    while not painted.seen:
        qt.processEvents()
    return time.process_time()


def bare() -> dict[str, Any]:
    """Show an empty main window of Qt."""
    qt = QApplication(sys.argv[:1])
    return {"cpu_s": _show(qt, QMainWindow()), "torch": False}


def ours(folder: Path) -> dict[str, Any]:
    """Show this program's window, as at its first start, and wait for what is built after it has been painted."""
    from app.application import Application

    qt = QApplication(sys.argv[:1])
    qt.setStyle("Fusion")
    application = Application(qt, runs=folder)
    first_s = _show(qt, application.window)
    torch = "torch" in sys.modules
    while not application.late_parts.done:
        qt.processEvents()
    told = {"cpu_s": first_s, "torch": torch, "whole_cpu_s": time.process_time()}
    application.window.close()
    application.shut_down()
    return told


def main(words: list[str]) -> int:
    """Show one of the two and print the CPU time of this process until it was there [s], and whether torch was."""
    told = bare() if words[0] == "bare" else ours(Path(words[1]))
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
