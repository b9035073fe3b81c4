"""Measure the memory of the window over many previews: patches, canvas and statistics drawn anew each time.

``python -m tests.benchmarks.window_previews [COUNT]`` (20,000). Each update is delivered as a job's are, painted, and
followed by the events of the window; a history of previews is kept as in a training. The memory after the first tenth,
when histories and caches are full, is what the rest is compared with.
"""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from app.application import Application
from app.collector import Collector
from app.state.app_events import JobBegan
from app.state.app_state import JobState
from ptycho_engine.arrays import frozen_array
from ptycho_engine.documents import Canvas, Dataset, Rectangle
from ptycho_engine.events import CanvasUpdated, DatasetOpened, LossMeasured, PatchPreview, StepDone
from tests.app.samples import make_canvas, make_dataset, preview
from tests.benchmarks.window_lateness import show_all

COUNT = 20_000
PATCHES, SIDE, CANVAS = 16, 64, 128
MIB = 2**20


class Updates:
    """New patches and a new canvas for each update, of noise that costs little to make."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._noise = self._random.normal(1.0, 0.2, (PATCHES + 1, SIDE, SIDE)).astype(np.float32)
        self._plain = preview(0, PATCHES, SIDE)
        self._canvas = make_canvas(CANVAS)

    def preview(self, step: int) -> PatchPreview:
        """Return patches that differ from those before."""
        start = step % 2
        values = self._noise[start : start + PATCHES] * (1 + 0.1 * np.sin(step / 50))
        return replace(self._plain, step=step, patches=frozen_array(values, np.complex64))

    def canvas(self, step: int, n_done: int) -> CanvasUpdated:
        """Return a canvas that was filled a little further."""
        values = self._random.normal(1.0, 0.1, (CANVAS, CANVAS)).astype(np.complex64)
        canvas: Canvas = replace(self._canvas, object_=frozen_array(values, np.complex64))
        row = step % (CANVAS - 32)
        return CanvasUpdated(canvas, Rectangle(row, row, row + 32, row + 32), n_done, COUNT)


def drive(application: Application, count: int) -> dict[str, float]:
    """Deliver the updates; return the memory [MiB] and the pace."""
    session, updates, process = application.session, Updates(), psutil.Process()
    dataset: Dataset = make_dataset("many", n_scan=PATCHES, n=SIDE)
    session.apply(DatasetOpened(dataset))
    job = JobState("train-1", "train", "Training", dataset_id=session.state.dataset_id)
    session.apply(JobBegan(job))
    memory, warm = [], count // 10
    start = time.perf_counter()
    for step in range(1, count + 1):
        session.deliver(
            "train-1",
            [
                StepDone(step, count, 0, 1, 1.0),
                LossMeasured(step, 0, 1.0 / step, 1e-3, 0.5, 100.0),
                updates.preview(step),
                updates.canvas(step, step),
            ],
        )
        QCoreApplication.processEvents()
        if step % max(1, count // 40) == 0:
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            memory.append((step, process.memory_info().rss / MIB))
            sys.stderr.write(f"{step} updates, {memory[-1][1]:.1f} MiB\n")
    seconds = time.perf_counter() - start
    after = [rss for step, rss in memory if step >= warm]
    return {
        "updates": count,
        "updates_per_s": count / seconds,
        "after_the_first_tenth_MiB": after[0],
        "at_the_end_MiB": after[-1],
        "greatest_growth_MiB": max(after) - after[0],
    }


def main(count: int) -> int:
    """Measure and print; return 1 where memory grew by more than 50 MiB."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    pg.setConfigOptions(imageAxisOrder="row-major")
    qt = QApplication([sys.argv[0]])
    qt.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as folder:
        # The settings of whoever measures stay as they are.
        os.environ["XDG_CONFIG_HOME"] = folder
        application = Application(qt, runs=Path(folder))
        application.window.resize(1280, 720)
        application.window.show()
        statistics = show_all(application)
        collector = Collector()
        found = drive(application, count)
        collector.stop()
        statistics.close()
        application.window.leave()
        application.shut_down()
    for name, value in found.items():
        sys.stdout.write(f"{name}: {value:.1f}\n")
    return int(found["greatest_growth_MiB"] > 50)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
