"""Measure how soon the window shows the first pattern of a large scan, in how much memory, and how fast it scrubs.

``python -m tests.benchmarks.window_large_scan FOLDER [GIB] [SIDE] [packed] [--keep]`` writes ``scan.npz`` there unless
it is there (by default 10 GB), asks the system to forget it, opens it in the real window in a process of its own, and
moves through it: by one frame at a time as an arrow key does, by jumps as a click on the map does, and by a slider that
is dragged at 200 values a second. Afterwards the file is deleted unless it is to be kept.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tests.benchmarks.large_scan import forget, write
from tests.benchmarks.window_lateness import core_wait_ms, run_loop

GIB = 10e9 / 2**30
WAIT_S = 60.0
DRAG_S, DRAG_INTERVAL_MS = 5.0, 5


def wait_until(true: Callable[[], bool]) -> None:
    """Run the window's events until something is the case."""
    from PySide6.QtCore import QCoreApplication, QEventLoop

    end = time.perf_counter() + WAIT_S
    while not true():
        if time.perf_counter() > end:
            raise TimeoutError("the window did not answer in a minute")
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)


def measure(path: Path) -> dict[str, float]:
    """Drive the window in this process; times in seconds, memory in MiB."""
    import psutil
    from PySide6.QtWidgets import QApplication

    from app.application import Application
    from app.collector import Collector
    from app.panels.dataset import DatasetPanel

    qt = QApplication([sys.argv[0]])
    qt.setStyle("Fusion")
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        # The settings of whoever measures stay as they are.
        os.environ["XDG_CONFIG_HOME"] = folder
        application = Application(qt, runs=Path(folder))
        window = application.window
        window.resize(1600, 1000)
        window.show()
        window.bring_forward("dataset")
        collector = Collector()
        run_loop(2.0)
        panel = window.panels["dataset"]
        assert isinstance(panel, DatasetPanel)
        before = process.memory_info().rss
        start = time.perf_counter()
        application.controller.open_files([path])
        wait_until(lambda: panel.viewer.shown is not None)
        panel.viewer.view.graphics.viewport().repaint()
        found = {
            "file_GB": path.stat().st_size / 1e9,
            "first_pattern_on_screen_s": time.perf_counter() - start,
            "more_memory_MiB": (process.memory_info().rss - before) / 2**20,
        }
        run_loop(0.2)
        found |= _scrub(panel, "while_the_sample_is_read")
        wait_until(lambda: not application.controller.runner.reading)
        found["more_memory_with_sample_MiB"] = (process.memory_info().rss - before) / 2**20
        found |= _scrub(panel, "after")
        found["dragged_frames_per_s"] = _drag(panel)
        found["more_memory_at_the_end_MiB"] = (process.memory_info().rss - before) / 2**20
        collector.stop()
        application.controller.runner.cancel_all()
        window.close()
        application.shut_down()
    return {name: round(value, 3) for name, value in found.items()}


def _scrub(panel: object, when: str) -> dict[str, float]:
    from app.panels.dataset import DatasetPanel

    assert isinstance(panel, DatasetPanel)
    most = panel.viewer.slider.maximum()
    numbers = {"steps": range(1, 101), "jumps": np.random.default_rng(1).integers(0, most, 50).tolist()}
    return {f"{name}_per_s_{when}": _frames_per_s(panel, which) for name, which in numbers.items()} | {
        f"core_wait_share_{when}": _wait_share(panel, range(101, 151))
    }


def _frames_per_s(panel: object, numbers: Iterable[int]) -> float:
    from app.panels.dataset import DatasetPanel

    assert isinstance(panel, DatasetPanel)
    start, count = time.perf_counter(), 0
    for number in numbers:
        panel.viewer.slider.setValue(number)
        wait_until(lambda number=number: panel.viewer.shown == number)  # type: ignore[misc]
        panel.viewer.view.graphics.viewport().repaint()
        count += 1
    return count / (time.perf_counter() - start)


def _wait_share(panel: object, numbers: Iterable[int]) -> float:
    """Return the part of the time in which the window waited for a core that other programs had."""
    start, wait = time.perf_counter(), core_wait_ms()
    _frames_per_s(panel, numbers)
    return (core_wait_ms() - wait) / 1e3 / (time.perf_counter() - start)


def _drag(panel: object) -> float:
    """Return how many different frames come to the screen a second while the slider is dragged."""
    from PySide6.QtCore import QTimer

    from app.panels.dataset import DatasetPanel

    assert isinstance(panel, DatasetPanel)
    seen: set[int] = set()
    slider = panel.viewer.slider
    timer = QTimer()
    timer.timeout.connect(lambda: slider.setValue((slider.value() + 7) % slider.maximum()))
    timer.start(DRAG_INTERVAL_MS)
    start = time.perf_counter()
    while time.perf_counter() - start < DRAG_S:
        shown = panel.viewer.shown
        wait_until(lambda shown=shown: panel.viewer.shown != shown)  # type: ignore[misc]
        panel.viewer.view.graphics.viewport().repaint()
        seen.add(panel.viewer.shown or 0)
    timer.stop()
    return len(seen) / (time.perf_counter() - start)


def main(words: list[str]) -> None:
    """Write, forget, measure in another process, delete."""
    if words[0] == "--measure":
        sys.stdout.write(json.dumps(measure(Path(words[1])), indent=2) + "\n")
        return
    keep = "--keep" in words
    words = [word for word in words if word != "--keep"]
    path = Path(words[0]) / "scan.npz"
    if not path.exists():
        gib, side = float(words[1]) if len(words) > 1 else GIB, int(words[2]) if len(words) > 2 else 256
        write(path, gib, side, compressed="packed" in words)
    try:
        forget(path)
        subprocess.run([sys.executable, "-m", "tests.benchmarks.window_large_scan", "--measure", str(path)], check=True)
    finally:
        if not keep:
            path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
