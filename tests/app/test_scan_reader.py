"""Reading all patterns beside everything else: sample first, all on demand, stopped at once, told when it fails."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app import scan_reader
from app.jobs.job_runner import JobRunner
from app.scan_reader import ScanReader
from app.state.app_events import DocumentClosed
from app.state.app_state import document_id
from app.state.session import Session
from ptycho_engine.arrays import FloatArray, IndexArray
from ptycho_engine.diagnostics import patterns, scan_figures
from ptycho_engine.documents import Rectangle
from ptycho_engine.errors import DatasetError
from ptycho_engine.events import DatasetOpened
from tests.app.samples import Frames, make_dataset

N_SCAN, N, SAMPLE = 64, 8, 16


class _Held(Frames):
    """Patterns that are not given after the first ``free`` readings, until they may be."""

    def __init__(self, values: FloatArray) -> None:
        super().__init__(values)
        self.free, self.gone = 1000, False
        self.reached, self.go_on = threading.Event(), threading.Event()

    def read(self, indices: IndexArray | slice) -> FloatArray:
        if self.gone:
            raise DatasetError("the file is gone", "Open it again.")
        self.free -= 1
        if self.free < 0:
            self.reached.set()
            assert self.go_on.wait(10)
        return super().read(indices)


class _Bench:
    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self.frames = _Held(np.random.default_rng(0).random((N_SCAN, N, N), dtype=np.float32))
        dataset = replace(make_dataset(n_scan=N_SCAN, n=N), frames=self.frames)
        self.key = document_id("dataset", dataset.name, dataset.path)
        self.session = Session()
        self.session.apply(DatasetOpened(dataset))
        self.runner = JobRunner(self.session)
        self.reader = ScanReader(self.session, self.runner)

    def settle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.runner.reading, timeout=30_000)

    def state(self, kind: str = "summary") -> str:
        return next(reading.state for name, reading in self.session.state.readings.items() if name == kind)

    @property
    def n_known(self) -> int:
        return int(np.isfinite(self.session.state.summaries[self.key].figures.frames["total"]).sum())


@pytest.fixture
def bench(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Bench]:
    """A scan that is large, in small."""
    monkeypatch.setattr(patterns, "LARGEST_SAMPLE", SAMPLE)
    monkeypatch.setattr(patterns, "WHOLE_BYTES", 0)
    monkeypatch.setattr(scan_figures, "BLOCK_BYTES", 8 * 4 * N * N)
    monkeypatch.setattr(scan_reader, "AUTOMATIC_BYTES", 0)
    made = _Bench(qtbot)
    yield made
    made.frames.go_on.set()
    made.settle()


def test_of_a_large_scan_a_sample_is_read_and_all_of_it_on_demand(bench: _Bench) -> None:
    bench.reader.summarise(bench.key)
    bench.settle()
    assert bench.n_known == SAMPLE
    bench.reader.summarise(bench.key)
    assert not bench.runner.reading
    bench.reader.summarise_whole(bench.key)
    bench.settle()
    assert (bench.n_known, bench.state()) == (N_SCAN, "completed")


def test_a_small_scan_is_read_as_a_whole_unasked(bench: _Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_reader, "AUTOMATIC_BYTES", 1 << 20)
    bench.reader.summarise(bench.key)
    bench.settle()
    assert bench.n_known == N_SCAN


def test_a_stopped_reading_keeps_what_it_read_and_can_begin_again(bench: _Bench) -> None:
    bench.frames.free = 2 * SAMPLE // 8 + 2
    bench.reader.summarise_whole(bench.key)
    assert bench.frames.reached.wait(10)
    bench.reader.stop("summary")
    assert bench.state() == "stopped"
    bench.frames.go_on.set()
    bench.settle()
    assert SAMPLE <= bench.n_known < N_SCAN
    assert bench.state() == "stopped"
    bench.reader.summarise_whole(bench.key)
    bench.settle()
    assert (bench.n_known, bench.state()) == (N_SCAN, "completed")


@pytest.mark.usefixtures("expects_notice")
def test_a_failed_reading_says_why(bench: _Bench) -> None:
    bench.frames.gone = True
    bench.reader.summarise(bench.key)
    bench.settle()
    assert bench.state() == "failed"
    assert "the file is gone" in bench.session.state.readings["summary"].message


@pytest.mark.usefixtures("expects_notice")
def test_a_frame_that_cannot_be_read_is_not_taken_for_the_one_before(bench: _Bench) -> None:
    bench.reader.read_frame(bench.key, 3)
    bench.settle()
    bench.frames.gone = True
    bench.reader.read_frame(bench.key, 5)
    bench.settle()
    frame = bench.session.state.frame
    assert frame is not None
    assert (frame.index, "the file is gone" in frame.problem) == (5, True)


def test_the_light_in_a_rectangle_is_read_beside_it_and_the_last_rectangle_wins(bench: _Bench) -> None:
    bench.reader.summarise(bench.key)
    for height in (1, 2, 3):
        bench.reader.sum_region(bench.key, Rectangle(0, 0, height, 4), True)
    bench.settle()
    region = bench.session.state.regions[bench.key].sums
    assert (region.rectangle.height, region.is_whole, bench.state("region")) == (3, True, "completed")
    assert bench.n_known == SAMPLE


def test_the_reading_of_a_scan_that_is_closed_stops(bench: _Bench) -> None:
    bench.frames.free = 1
    bench.reader.summarise_whole(bench.key)
    assert bench.frames.reached.wait(10)
    bench.session.apply(DocumentClosed(bench.key))
    assert bench.state() == "stopped"
    bench.frames.go_on.set()
    bench.settle()
    assert bench.frames.free >= -2
