"""Verbs that tell prepared events, and wait where a test wants them to."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from app.jobs.detacher import DetachedTraining
from app.jobs.verbs import CanvasExport, EngineVerbs
from app.state.app_events import NoticeRaised, RunOpened
from app.state.preview_history import PreviewHistory, PreviewsRead
from ptycho_engine import events
from ptycho_engine.arrays import frozen_array
from ptycho_engine.assumptions import Candidate
from ptycho_engine.config import InferConfig, TrainConfig
from ptycho_engine.documents import Bundle, Canvas, Dataset, Diagnosis, LossHistory, RunRecord
from ptycho_engine.errors import BundleError, DatasetError, InputError
from ptycho_engine.events import DiagnosisFound, EngineEvent, MessageLogged, Progressed
from tests.app.samples import (
    canvas_updated,
    epoch_done,
    loss_measured,
    make_bundle,
    make_canvas,
    make_dataset,
    preview,
    step_done,
)

NO_INDICES, NO_LOSSES = frozen_array([], "i8"), frozen_array([], "f8")
HISTORY = LossHistory(NO_INDICES, NO_LOSSES, NO_INDICES, NO_LOSSES, NO_LOSSES)


class FakeVerbs(EngineVerbs):
    """Opens files by their name, trains ten steps and infers at once.

    A training waits after its fifth step until ``go_on`` is set, if ``pausing``.
    """

    def __init__(self, *, pausing: bool = False) -> None:
        self.pausing = pausing
        self.paused = threading.Event()
        self.go_on = threading.Event()
        self.calls: list[tuple[str, Any]] = []
        self.saved_at_stop = False
        self.watched_run_ends = threading.Event()
        self.running: list[RunRecord] = []
        self.examined: list[str] = []
        self.unfinished: list[RunOpened | NoticeRaised] = []
        self.stored_steps: tuple[int, ...] = ()
        """Of the previews that a run folder holds."""
        self.findings: dict[str, tuple[Diagnosis, ...]] = {}

    def open_file(self, path: Path) -> Iterator[EngineEvent | RunOpened]:
        self.calls.append(("open", path))
        if "bad" in path.name:
            raise BundleError("this is neither a scan nor a bundle", "Choose another file.", file=path)
        if path.suffix == ".zip":
            yield events.BundleLoaded(make_bundle(path.name.split(".")[0]))
        else:
            yield events.DatasetOpened(make_dataset(path.stem))

    def examine(
        self, document: Dataset | Bundle, bundle: Bundle | None = None
    ) -> Iterator[DiagnosisFound | Progressed]:
        """Find what a test has prepared for a document of this name."""
        self.examined.append(document.name if bundle is None else f"{document.name} + {bundle.name}")
        yield events.Progressed(1, 2, "patterns")
        for finding in self.findings.get(document.name if bundle is None else "pair", ()):
            yield events.DiagnosisFound(finding)

    def rank_assumptions(self, dataset: Dataset, bundle: Bundle) -> tuple[Candidate, ...]:
        """Find a far better fit of the second of two readings, unless the scan is called otherwise."""
        self.calls.append(("rank", (dataset.name, bundle.name)))
        if dataset.name == "dark":
            raise DatasetError("its patterns are dark", "Choose another.")
        near = 1.01 if dataset.name == "vague" else 2.0
        readings = ({"output": "real_imag"}, {"output": "amp_phase"})
        return tuple(Candidate(words, 10.0 * near**place, 0.25) for place, words in enumerate(readings))

    def train(
        self,
        datasets: Sequence[Dataset],
        config: TrainConfig,
        *,
        test_dataset: Dataset | None,
        out: Path,
        resume: bool,
        start_from: Bundle | None,
    ) -> Iterator[EngineEvent]:
        self.calls.append(
            (
                "train",
                {
                    "scans": [one.name for one in datasets],
                    "config": config,
                    "test": test_dataset,
                    "out": out,
                    "resume": resume,
                    "from": start_from,
                },
            )
        )
        yield events.JobStarted("train", "CPU · 1 thread", 10, "steps", out)
        try:
            for step in range(5 if resume else 0, 10):
                if step == 5 and self.pausing and not resume:
                    self.paused.set()
                    assert self.go_on.wait(10)
                yield loss_measured(step)
                yield step_done(step + 1, 10)
            yield epoch_done(0)
            yield events.CheckpointSaved(out / "checkpoints" / "epoch-0000.ckpt", 0, 10, True)
            yield events.TrainingCompleted(make_bundle("wts", str(out)), HISTORY, out)
        finally:
            self.saved_at_stop = True

    def offer_unfinished(self) -> Iterator[EngineEvent | RunOpened | NoticeRaised]:
        yield from self.unfinished

    def read_previews(self, key: str, folder: Path) -> Iterator[PreviewsRead | MessageLogged]:
        self.calls.append(("previews", folder))
        history = PreviewHistory(key)
        for step in self.stored_steps:
            history = history.with_preview(preview(step))
        yield PreviewsRead(history)

    def open_named(self, folder: Path) -> Iterator[EngineEvent | RunOpened]:
        self.calls.append(("open_named", folder))
        yield from ()

    def watch(self, folder: Path, wait: Callable[[float], object]) -> Iterator[EngineEvent]:
        """Tell a run of four steps that goes on until ``watched_run_ends``."""
        self.calls.append(("watch", folder))
        run = RunRecord(folder, "train", "running", 0, 3)
        if "bad" in folder.name:
            raise InputError("there is no such file", "Check the path.", file=folder)
        yield events.RunFound(run, "PtychoPINN")
        yield events.JobStarted("train", "CPU · 1 thread", 4, "steps", folder)
        for step in range(4):
            yield loss_measured(step)
        yield step_done(4, 4)
        while not self.watched_run_ends.is_set():
            yield events.RunObserved(run, 1.0, detached=True)
            if wait(0.01):
                return
        yield events.BundleLoaded(make_bundle("wts", str(folder)))
        yield events.RunEnded(RunRecord(folder, "train", "completed", 2, 3))

    def detach(self, training: DetachedTraining) -> Iterator[EngineEvent]:
        self.calls.append(("detach", training))
        yield events.MessageLogged("info", "it trains")

    def interrupt(self, folder: Path) -> Iterator[EngineEvent]:
        self.calls.append(("interrupt", folder))
        yield events.MessageLogged("info", "asked")

    def running_runs(self, parent: Path) -> Iterator[RunRecord]:
        yield from self.running

    def infer(self, dataset: Dataset, bundle: Bundle, config: InferConfig) -> Iterator[EngineEvent]:
        self.calls.append(("infer", (dataset, bundle, config)))
        yield events.JobStarted("infer", "CPU · 1 thread", 10, "patches")
        if self.pausing:
            self.paused.set()
            assert self.go_on.wait(10)
        yield canvas_updated(5)
        yield events.InferenceCompleted(make_canvas(), None, None, 1.0, 10.0)

    def refine(
        self, dataset: Dataset, bundle: Bundle, canvas: Canvas, config: InferConfig, *, network_canvas: Canvas
    ) -> Iterator[EngineEvent]:
        self.calls.append(("refine", (dataset, bundle, canvas, config, network_canvas)))
        yield events.JobStarted("refine", "CPU · 1 thread", 10, "patterns")
        yield events.RefinementBegan(network_canvas, config.refine, 6)
        yield events.MisfitMeasured(0, config.refine, 0.5, None, None, 1.0, 0.0)
        yield canvas_updated(5)
        if self.pausing:
            self.paused.set()
            assert self.go_on.wait(10)
        yield events.MisfitMeasured(config.refine, config.refine, 0.1, None, None, 1.0, 1.0)
        yield events.InferenceCompleted(make_canvas(), None, None, 1.0, 10.0)

    def simulate(self, path: Path) -> Iterator[EngineEvent]:
        self.calls.append(("simulate", path))
        yield events.DatasetOpened(make_dataset(path.stem))

    def save_bundle(self, bundle: Bundle, path: Path) -> Iterator[EngineEvent]:
        self.calls.append(("save", (bundle, path)))
        yield events.BundleSaved(path)

    def export_canvas(self, export: CanvasExport, path: Path) -> Iterator[EngineEvent]:
        self.calls.append(("export", (export, path)))
        yield events.FileWritten(path)
