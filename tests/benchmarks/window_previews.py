"""Measure the memory of the window over many previews: patches, canvas and statistics drawn anew each time.

``python -m tests.benchmarks.window_previews [COUNT] [--job]`` (20,000). Each update is delivered as a job's are, and
the next one comes when all panels have painted it, without a pause between them; a history of previews is kept as in a
training. With ``--job`` a job tells the updates as fast as it can, and the window paints as many of them as it does
of a training. The memory after the first tenth, when histories and caches are full, is what the rest is compared with.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from app.application import Application
from app.collector import Collector
from app.jobs.job_runner import Task
from app.panels import turns
from app.state.app_events import JobBegan
from app.state.app_state import JobState
from ptycho_engine.arrays import frozen_array
from ptycho_engine.documents import Canvas, Dataset, Rectangle
from ptycho_engine.events import CanvasUpdated, DatasetOpened, EngineEvent, LossMeasured, PatchPreview, StepDone
from tests.app.samples import make_canvas, make_dataset, preview
from tests.benchmarks.window_lateness import run_loop, show_all

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

    def events(self, step: int, count: int) -> list[EngineEvent]:
        """Return all that a step of a training tells."""
        return [
            StepDone(step, count, 0, 1, 1.0),
            LossMeasured(step, 0, 1.0 / step, 1e-3, 0.5, 100.0),
            self.preview(step),
            self.canvas(step, step),
        ]

    def canvas(self, step: int, n_done: int) -> CanvasUpdated:
        """Return a canvas that was filled a little further."""
        values = self._random.normal(1.0, 0.1, (CANVAS, CANVAS)).astype(np.complex64)
        canvas: Canvas = replace(self._canvas, object_=frozen_array(values, np.complex64))
        row = step % (CANVAS - 32)
        return CanvasUpdated(canvas, Rectangle(row, row, row + 32, row + 32), n_done, COUNT)


def drive(application: Application, count: int) -> dict[str, float]:
    """Deliver the updates; return the memory [MiB] and the pace."""
    session, updates = application.session, Updates()
    line = application.window.findChild(turns.Turns)
    assert line is not None
    session.apply(JobBegan(job_of(application)))
    memory: list[tuple[int, float]] = []
    start = time.perf_counter()
    for step in range(1, count + 1):
        session.deliver("train-1", updates.events(step, count))
        QCoreApplication.processEvents()
        while line.waiting:
            QCoreApplication.processEvents()
        QCoreApplication.processEvents()
        if step % max(1, count // 40) == 0:
            note_memory(memory, step)
    return figures(memory, count, time.perf_counter() - start)


def drive_by_job(application: Application, count: int) -> dict[str, float]:
    """Let a job tell the updates; return the memory [MiB] and the pace."""
    runner, updates, session = application.controller.runner, Updates(), application.session
    steps = range(1, count + 1)

    def verb() -> Iterator[EngineEvent]:
        return (event for step in steps for event in updates.events(step, count))

    job = job_of(application)
    memory: list[tuple[int, float]] = []
    start = time.perf_counter()
    runner.start(Task(job, verb, "compute"))
    while runner.busy:
        run_loop(0.5)
        note_memory(memory, 0 if session.state.job is None else session.state.job.n_done)
    return figures(memory, count, time.perf_counter() - start)


def job_of(application: Application) -> JobState:
    """Return a training on a scan that is opened for it."""
    dataset: Dataset = make_dataset("many", n_scan=PATCHES, n=SIDE)
    application.session.apply(DatasetOpened(dataset))
    return JobState("train-1", "train", "Training", dataset_id=application.session.state.dataset_id)


def note_memory(memory: list[tuple[int, float]], step: int) -> None:
    """Note the memory after so many updates."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    memory.append((step, psutil.Process().memory_info().rss / MIB))
    sys.stderr.write(f"{step} updates, {memory[-1][1]:.1f} MiB\n")


def figures(memory: list[tuple[int, float]], count: int, seconds: float) -> dict[str, float]:
    """Return what is told at the end."""
    after = [rss for step, rss in memory if step >= count // 10]
    return {
        "updates": count,
        "updates_per_s": count / seconds,
        "after_the_first_tenth_MiB": after[0],
        "at_the_end_MiB": after[-1],
        "greatest_growth_MiB": max(after) - after[0],
    }


def main(count: int, *, by_job: bool) -> int:
    """Measure and print; return 1 where memory grew by more than 50 MiB."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    turns.PAUSE_MS = turns.PAUSE_MS if by_job else 0
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
        found = (drive_by_job if by_job else drive)(application, count)
        collector.stop()
        statistics.close()
        application.window.leave()
        application.shut_down()
    for name, value in found.items():
        sys.stdout.write(f"{name}: {value:.1f}\n")
    return int(found["greatest_growth_MiB"] > 50)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    sys.exit(main(numbers[0] if numbers else COUNT, by_job="--job" in sys.argv))
