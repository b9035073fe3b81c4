"""Make the pictures of the guide from the running app: a short training, then an inference with the shipped bundle.

``make screenshots``, with or without a display; the pictures go to ``docs/images``.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from app.application import Application
from app.collector import Collector
from app.panels.bundle import BundlePanel
from app.panels.training import TrainingPanel
from resources.setup.demo import BUNDLE, ROOT, SCAN, simulate

IMAGES = ROOT / "docs" / "images"
SIZE = (1500, 940)
TRAINING = {"gridsize": 1, "n_groups": 256, "epochs": 4, "log_patch_stats": True, "preview_interval_s": 0.5}
PANELS = ("patches", "dataset", "scan", "bundle", "statistics", "ab", "canvas", "loss", "diagnoses")
"""Those with a picture of their own; the others are seen in that of the window."""
FRAME = 333
WAIT_S = 1200.0
QUIET_MS = 400


class Pictures:
    """Drives the app and saves what it shows."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._window = application.window
        self._session = application.session
        self._runner = application.controller.runner

    def make(self) -> None:
        """Make all pictures."""
        application, window = self._application, self._window
        application.controller.open_files([SCAN, BUNDLE])
        self._settle()
        shipped = self._session.state.bundle_id
        training = window.panels["training"]
        assert isinstance(training, TrainingPanel)
        training.show_config(TRAINING)
        window.show_panel("patches")
        training.ask_to_train()
        self._wait(lambda: len(self._session.state.losses.epochs) >= 2 and len(self._session.state.previews) > 3)
        self._save("training", window)
        self._settle()
        application.controller.choose_document(str(shipped))
        application.controller.infer()
        self._settle()
        application.controller.select_frame(FRAME)
        self._settle()
        window.show_panel("patches")
        self._settle()
        self._save("window", window)
        for panel_id in PANELS:
            window.show_panel(panel_id)
            panel = window.panels[panel_id]
            if isinstance(panel, BundlePanel):
                # The summary names a folder of whoever makes the pictures.
                panel.tables.setCurrentWidget(panel.layer_view)
            self._settle()
            self._save(f"panel-{panel_id}", window.panels[panel_id])

    def _wait(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_S
        while not true():
            if time.monotonic() > end:
                raise TimeoutError("the app did not come to an end")
            _run_events(50)

    def _settle(self) -> None:
        """Wait until nothing runs, for longer than a moment: what a panel reads to be shown is asked for when it is."""
        self._wait(lambda: not (self._runner.busy or self._runner.reading))
        _run_events(QUIET_MS)
        self._wait(lambda: not (self._runner.busy or self._runner.reading))
        for notice in self._session.state.notices:
            self._application.controller.close_notice(notice.key)
        _run_events(QUIET_MS)

    def _save(self, name: str, widget: QWidget) -> None:
        path = IMAGES / f"{name}.png"
        if not widget.grab().save(str(path)):
            raise OSError(f"{path} could not be written")
        print(path.relative_to(ROOT), flush=True)


def _run_events(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def main() -> int:
    """Make the pictures; return the exit status."""
    simulate()
    IMAGES.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    qt = QApplication([sys.argv[0]])
    qt.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as folder:
        # Neither the settings nor the runs of whoever makes them are touched, or shown.
        os.environ["XDG_CONFIG_HOME"] = folder
        application = Application(qt, runs=Path(folder) / "runs")
        application.change_theme("light")
        application.window.resize(*SIZE)
        application.window.show()
        collector = Collector()
        Pictures(application).make()
        collector.stop()
        application.window.leave()
        application.shut_down()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    return 0


if __name__ == "__main__":
    sys.exit(main())
