"""Measure how late a 5 ms timer of the window fires, idle and while a network trains, and how fast Cancel acts.

Patches, canvas and statistics are in sight.

``python -m tests.benchmarks.window_lateness SCAN.npz [SECONDS]``, with or without a display.

Where other programs want the cores, the window also waits for a core; where the system tells for how long, the lateness
without that wait is given as well (``own``). As root, ``chrt -r 1`` before the command keeps the others away; a display
server on the same machine needs the same (``chrt -r -a -p 1 PID``), for the window waits for it.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from app.application import Application
from app.collector import Collector
from app.state.requests import TrainRequest
from ptycho_engine.config import TrainConfig

PERIOD_S = 0.005
REDRAW_MS = 103


class Lateness:
    """How much later than its period a precise timer fires [ms]."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self.own_ms: list[float] = []
        self._last = time.perf_counter()
        self._last_wait = core_wait_ms()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(round(PERIOD_S * 1000))
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now, wait = time.perf_counter(), core_wait_ms()
        late = 1000 * (now - self._last - PERIOD_S)
        self.late_ms.append(max(0.0, late))
        self.own_ms.append(max(0.0, late - (wait - self._last_wait)))
        self._last, self._last_wait = now, wait

    def measure(self, seconds: float) -> dict[str, float]:
        """Let the event loop run and return percentiles of the lateness [ms]."""
        self.late_ms.clear()
        self.own_ms.clear()
        self._last, self._last_wait = time.perf_counter(), core_wait_ms()
        self._timer.start()
        run_loop(seconds)
        self._timer.stop()
        values = np.array(self.late_ms)
        found = {f"p{q}": float(np.percentile(values, q)) for q in (50, 95, 99)}
        found |= {"max": float(values.max()), "own p99": float(np.percentile(self.own_ms, 99))}
        found["own max"] = max(self.own_ms)
        return {name: round(value, 2) for name, value in found.items()}


def core_wait_ms() -> float:
    """Return how long this thread was ready to run and had no core, so far [ms]; 0 where the system does not tell."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    return int(path.read_text().split()[1]) / 1e6 if path.exists() else 0.0


def run_loop(seconds: float) -> None:
    """Run the event loop for a while."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


class Redraw:
    """A picture of 512 x 512 pixels drawn anew ten times a second, in both phases: what a window at work shows anyway.

    Not exactly ten: every 100 ms it would always be drawn just after the 5 ms timer, and never make it late.
    """

    def __init__(self) -> None:
        self.view = pg.PlotWidget()
        self.view.resize(540, 540)
        self._item = pg.ImageItem()
        self.view.addItem(self._item)
        self._pictures = np.random.default_rng(0).random((4, 512, 512)).astype(np.float32)
        self._count = 0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._draw)
        self._timer.start(REDRAW_MS)
        self.view.show()

    def _draw(self) -> None:
        self._count += 1
        self._item.setImage(self._pictures[self._count % 4], levels=(0.0, 1.0))

    def close(self) -> None:
        """Stop and hide."""
        self._timer.stop()
        self.view.close()


def show_all(application: Application) -> QWidget:
    """Bring patches, canvas and statistics in sight at once: the statistics, returned, in a window of their own."""
    window = application.window
    window.use_layout("train")
    window.bring_forward("patches")
    statistics = window.panels["statistics"]
    window.tabs.removeTab(window.tabs.indexOf(window.panels.tab("statistics")))
    statistics.setParent(None)
    statistics.resize(500, 400)
    statistics.show()
    return statistics


def train_until_seen(application: Application) -> None:
    """Start a training and return when its losses arrive."""
    application.controller.train(TrainRequest(TrainConfig(gridsize=1, epochs=1000, log_patch_stats=True)))
    while application.session.state.job is None or not len(application.session.state.losses.steps):
        run_loop(0.1)
    run_loop(1.0)


def cancel(application: Application) -> tuple[float, int]:
    """Cancel; return the seconds until nothing runs any more, and the steps seen meanwhile."""
    steps = len(application.session.state.losses.steps)
    asked = time.perf_counter()
    application.controller.cancel()
    while application.controller.runner.busy:
        run_loop(0.01)
    return time.perf_counter() - asked, len(application.session.state.losses.steps) - steps


def main(scan: Path, seconds: float, rounds: int = 5) -> int:
    """Measure idle and training in turn and print both, round by round and as medians; return 0."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    pg.setConfigOptions(imageAxisOrder="row-major")
    qt = QApplication([sys.argv[0]])
    qt.setStyle("Fusion")
    out = sys.stdout
    with tempfile.TemporaryDirectory() as folder:
        # The settings of whoever measures stay as they are.
        os.environ["XDG_CONFIG_HOME"] = folder
        application = Application(qt, runs=Path(folder))
        application.window.resize(1600, 1000)
        application.window.show()
        statistics = show_all(application)
        collector = Collector()
        application.controller.runner.idle.connect(collector.collect_all)
        application.controller.open_files([scan])
        while application.session.state.dataset is None:
            run_loop(0.1)
        redraw = Redraw()
        run_loop(2.0)
        lateness, idle, training = Lateness(), [], []
        for _ in range(rounds):
            idle.append(lateness.measure(seconds))
            out.write(f"idle      {idle[-1]}\n")
            train_until_seen(application)
            training.append(lateness.measure(seconds))
            out.write(f"training  {training[-1]}\n")
            waited, more = cancel(application)
            out.flush()
            out.write(f"cancel    {waited:.2f} s, {more} more steps seen (checkpoint written)\n")
        for kind in ("p99", "own p99"):
            calm, busy = (float(np.median([one[kind] for one in found])) for found in (idle, training))
            out.write(f"median {kind}: idle {calm:.2f} ms, training {busy:.2f} ms, {busy / calm:.2f} times\n")
        out.write(f"longest own stall while training: {max(one['own max'] for one in training):.0f} ms\n")
        redraw.close()
        statistics.close()
        collector.stop()
        application.window.close()
        application.shut_down()
    QCoreApplication.sendPostedEvents(None, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 10.0))
