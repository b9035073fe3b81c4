"""Start, show the window, and tell what that took: ``python -m app.benchmarks.first_window bare|ours FOLDER``."""

import json
import sys
import time
from pathlib import Path
from typing import Any


def bare() -> Any:
    """Show an empty main window of Qt."""
    from PySide6.QtWidgets import QApplication, QMainWindow

    qt = QApplication(sys.argv[:1])
    window = QMainWindow()
    window.show()
    qt.processEvents()
    return window


def ours(folder: Path) -> Any:
    """Show this program's window, as at its first start."""
    import pyqtgraph as pg
    from PySide6.QtWidgets import QApplication

    from app.application import Application

    pg.setConfigOptions(imageAxisOrder="row-major")
    qt = QApplication(sys.argv[:1])
    qt.setStyle("Fusion")
    application = Application(qt, runs=folder)
    application.window.show()
    qt.processEvents()
    return application


def main(words: list[str]) -> int:
    """Show one of the two and print the CPU time of this process so far [s], and whether torch was imported."""
    shown = bare() if words[0] == "bare" else ours(Path(words[1]))
    told = {"cpu_s": time.process_time(), "torch": "torch" in sys.modules}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    close = getattr(shown, "shut_down", None)
    if close is not None:
        shown.window.close()
        close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
