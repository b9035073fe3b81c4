"""Has patterns read: one to be looked at, all or a sample for their figures, and for the light in a rectangle."""

from functools import partial

import numpy as np
from PySide6.QtCore import QObject

from app.jobs.job_runner import JobRunner, Task, Verb
from app.jobs.job_thread import JobEnd
from app.jobs.reader import read_frame, sum_scan_region, summarise_scan
from app.state.app_state import JobState
from app.state.readings import FrameRead, ReadingKind, ScanReading
from app.state.session import Session
from ptycho_engine.arrays import frozen_array
from ptycho_engine.documents import Dataset, Rectangle

AUTOMATIC_BYTES = 2 * 2**30
"""Scans up to this size are read as a whole without being asked; of larger ones a sample, until somebody asks."""


class ScanReader(QObject):
    """Turns what is asked of whole scans into readings, one of each kind at a time; the last one asked for wins."""

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        session.documents_changed.connect(self._leave_closed)

    def read_frame(self, dataset_id: str, index: int) -> None:
        """Read one pattern to be looked at."""
        dataset = self._session.state.datasets.get(dataset_id)
        if dataset is None or not 0 <= index < dataset.n_scan:
            return

        def ended(end: JobEnd) -> None:
            if end.failure is not None:
                nothing = frozen_array(np.full((dataset.n, dataset.n), np.nan), np.float32)
                self._session.apply(FrameRead(dataset_id, index, nothing, end.failure.message))

        job = JobState(self._runner.new_id("frame"), "frame", f"Reading frame {index}")
        verb = partial(read_frame, dataset_id, dataset, index)
        self._runner.start(Task(job, verb, "frame", notice_key=f"read:{dataset_id}", when_ended=ended))

    def summarise(self, dataset_id: str) -> None:
        """Read a sample of the patterns for their figures, all where the scan is small; what is known is not asked."""
        dataset = self._session.state.datasets.get(dataset_id)
        if dataset is None or dataset_id in self._session.state.summaries or self._reads("summary", dataset_id):
            return
        self._summarise(dataset_id, dataset, whole=is_small(dataset))

    def summarise_whole(self, dataset_id: str) -> None:
        """Read all patterns for their figures."""
        dataset = self._session.state.datasets.get(dataset_id)
        if dataset is not None:
            self._summarise(dataset_id, dataset, whole=True)

    def sum_region(self, dataset_id: str, rectangle: Rectangle, whole: bool) -> None:
        """Sum the light in a rectangle of the patterns: of a sample, or of all where asked or where they are few."""
        dataset = self._session.state.datasets.get(dataset_id)
        if dataset is not None:
            verb = partial(sum_scan_region, dataset_id, dataset, rectangle, whole=whole or is_small(dataset))
            self._read("region", dataset_id, verb, f"Summing a rectangle of {dataset.name}")

    def stop(self, kind: ReadingKind) -> None:
        """Stop a reading; what was read stays."""
        reading = self._session.state.readings.get(kind)
        if reading is not None and reading.state == "running":
            self._runner.cancel(kind)
            self._session.apply(ScanReading(kind, reading.dataset_id, reading.id, "stopped"))

    def _summarise(self, dataset_id: str, dataset: Dataset, *, whole: bool) -> None:
        verb = partial(summarise_scan, dataset_id, dataset, whole=whole)
        self._read("summary", dataset_id, verb, f"Reading all of {dataset.name}")

    def _read(self, kind: ReadingKind, dataset_id: str, verb: Verb, title: str) -> None:
        job = JobState(self._runner.new_id(kind), kind, title)
        self._session.apply(ScanReading(kind, dataset_id, job.id))

        def ended(end: JobEnd) -> None:
            message = end.failure.message if end.failure is not None else ""
            self._session.apply(ScanReading(kind, dataset_id, job.id, end.outcome, message))

        self._runner.start(Task(job, verb, kind, notice_key=f"read:{dataset_id}", when_ended=ended))

    def _reads(self, kind: ReadingKind, dataset_id: str) -> bool:
        reading = self._session.state.readings.get(kind)
        return reading is not None and reading.dataset_id == dataset_id and reading.state == "running"

    def _leave_closed(self) -> None:
        for reading in self._session.state.readings.values():
            if reading.dataset_id not in self._session.state.datasets:
                self.stop(reading.kind)


def is_small(dataset: Dataset) -> bool:
    """Return whether the patterns of a scan are few enough to be read without being asked."""
    return 4 * dataset.n_scan * dataset.n**2 <= AUTOMATIC_BYTES
