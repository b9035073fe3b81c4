"""Pictures of the window and of each panel, once everything that was asked for is done."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from app.main_window import MainWindow

QUIET_MS = 150
"""Nothing may have run for so long: a result may start the next job, and panels read what they show."""


class Screenshots(QObject):
    """Waits until nothing runs, saves the pictures, and tells their paths.

    Parameters
    ----------
    window
        The window.
    busy
        Tells whether something still runs.
    folder
        Where the pictures go.
    parent
        Owner.
    """

    done = Signal(object)
    """The list of paths."""

    def __init__(
        self, window: MainWindow, busy: Callable[[], bool], folder: Path, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._busy = busy
        self._folder = folder
        self._waiting = list(window.panels)
        self._saved: list[Path] = []
        self._timer = QTimer(self)
        self._timer.setInterval(QUIET_MS)
        self._timer.timeout.connect(self._look)
        self._quiet = 0

    def begin(self) -> None:
        """Start waiting."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._timer.start()

    def _look(self) -> None:
        """Take the next picture if nothing ran at the last look and nothing runs now."""
        self._quiet = 0 if self._busy() else self._quiet + 1
        if self._quiet < 2:
            return
        if not self._saved:
            self._save("window")
        elif self._waiting:
            # Shown at one look and taken at a later one: what a panel reads to be shown arrives in between.
            panel_id = self._waiting[0]
            if not self._is_front(panel_id):
                self._window.show_panel(panel_id)
                self._quiet = 1
            else:
                self._save(self._waiting.pop(0))
        else:
            self._timer.stop()
            self.done.emit(self._saved)

    def _is_front(self, panel_id: str) -> bool:
        return self._window.panels[panel_id].isVisible()

    def _save(self, name: str) -> None:
        QApplication.sendPostedEvents()
        widget = self._window if name == "window" else self._window.panels[name]
        path = self._folder / f"{name}.png"
        if widget.grab().save(str(path)):
            self._saved.append(path)
