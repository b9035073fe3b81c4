"""From what a person asks for to the job that does it."""

import re
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.bundle_work import BundleWork
from app.canvas_work import CanvasWork
from app.display.exports import Export
from app.document_work import DocumentWork
from app.jobs.exporter import write_export
from app.jobs.job_runner import JobRunner, Task, Verb
from app.jobs.job_thread import JobEnd, JobEvent
from app.jobs.run_opener import run_folder_of
from app.jobs.verbs import CanvasExport, EngineVerbs, existing
from app.scan_reader import ScanReader
from app.state.app_events import (
    AssumptionMade,
    CloseUndone,
    DiagnosisDismissed,
    DocumentChosen,
    DocumentClosed,
    FrameSelected,
    Logged,
    NoticeClosed,
    NoticeRaised,
)
from app.state.app_state import RESUME_KEY, JobState, LogEntry, Notice, run_id
from app.state.canvas_changes import pixel_size_of
from app.state.examinations import finding_key
from app.state.refused_files import refused_key
from app.state.requests import RefineRequest, TrainRequest
from app.state.session import Session
from app.watching import RUNNING_NOTICE, Watching
from ptycho_engine.config import InferConfig


class Controller(QObject):
    """Turns intents into jobs; what the jobs tell changes the session, and nothing else does."""

    file_opened = Signal(object)
    """``Path`` of a file that was opened without a mistake, for the list of recent files."""
    train_config_used = Signal(object)
    """``TrainConfig`` of a training that begins, for the next start."""

    def __init__(
        self, session: Session, runs_folder: Path, verbs: EngineVerbs | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._verbs = verbs if verbs is not None else EngineVerbs()
        self.runs_folder = runs_folder
        self.runner = JobRunner(session, self)
        self.scan_reader = ScanReader(session, self.runner, self)
        self._given: set[Path] = set()
        self.bundles = BundleWork(session, self.runner, self._verbs, self)
        self.canvases = CanvasWork(session, self.runner, self)
        self.documents = DocumentWork(session, self.runner, self._verbs, self)
        self.watching = Watching(session, self.runner, self._verbs, self)

    # Documents

    def open_files(self, paths: Sequence[str | Path], *, again: bool = False) -> None:
        """Open datasets and bundles, one after the other; ``again`` those of the last start, which may be gone."""
        for given in paths:
            path = Path(given).expanduser().absolute()
            job = JobState(self.runner.new_id("open"), "open", f"Opening {path.name}")
            ended = partial(self._opened, path)
            verb = partial(self._open_again if again else self._verbs.open_file, path)
            task = Task(job, verb, "files", notice_key=f"open:{path}", when_ended=ended)
            self.runner.start(task)

    def _open_again(self, path: Path) -> Iterator[JobEvent]:
        yield from self._verbs.open_file(existing(path))

    def _opened(self, path: Path, end: JobEnd) -> None:
        if end.outcome == "completed":
            entry = LogEntry("info", f"Opened {path.name} from {path.parent}", time.time(), "files")
            self._session.apply(NoticeClosed(f"open:{path}"), Logged(entry))
            self.file_opened.emit(path)
            folder = run_folder_of(path) or path
            if run_id(folder) in self._session.state.runs:
                # Its curves and patches are in its folder, whether it still runs or not.
                self.watching.follow(folder)
        elif end.failure is not None and end.failure.expected:
            self.documents.look_into(path, end.failure.message)

    def offer_unfinished(self) -> None:
        """Look for trainings that were cut off with an earlier window."""
        job = JobState(self.runner.new_id("open"), "open", "Looking for unfinished trainings")
        self.runner.start(Task(job, self._verbs.offer_unfinished, "files"))

    def act_on_notice(self, key: str) -> None:
        """Do what the button of a notice says."""
        if key.startswith(RESUME_KEY):
            self.resume(key.removeprefix(RESUME_KEY))
        elif key == RUNNING_NOTICE:
            self.watching.watch_running()
        elif key.startswith("open:"):
            self._session.apply(NoticeClosed(key), DocumentChosen(refused_key(Path(key.removeprefix("open:")))))

    def choose_document(self, key: str) -> None:
        """Make a document the current one of its kind."""
        self._session.apply(DocumentChosen(key))

    def close_document(self, key: str) -> None:
        """Take a document out of the window."""
        state = self._session.state
        if state.job is not None and state.job.busy and key in (state.job.dataset_id, run_id(state.job.run_folder)):
            self._refuse("close", "This document is in use by the running job. Stop the job first.")
            return
        if any(run.uses(key) for run in state.queue.runs):
            self._refuse("close", "A training in the queue needs this document. Take the training out of it first.")
            return
        self.watching.watches.stop(key)
        self._session.apply(DocumentClosed(key))

    def undo_close(self) -> None:
        """Bring back the document that was closed last."""
        self._session.apply(CloseUndone())

    def assume(self, name: str, word: str | None) -> None:
        """Read the network of the current bundle so, where the bundle does not say how."""
        if self._session.state.bundle_id is not None:
            self._session.apply(AssumptionMade(self._session.state.bundle_id, name, word))

    def select_frame(self, index: int | None) -> None:
        """Mark a frame of the current dataset in all panels."""
        self._session.apply(FrameSelected(index))

    def dismiss(self, key: str, name: str) -> None:
        """Put a finding away."""
        self._session.apply(DiagnosisDismissed(key, name))

    # Computing

    def train(self, request: TrainRequest, *, queued: bool = False) -> bool:
        """Start a training as filled in; return whether it began.

        What went wrong with the one before stays told where this one was ``queued``: nobody has seen it yet.
        """
        dataset_id = request.dataset_id or self._session.state.dataset_id
        if dataset_id is None or dataset_id not in self._session.state.datasets:
            self._refuse("train", "There is no scan to train on. Open a dataset first.")
            return False
        name = self._session.state.datasets[dataset_id].name
        folder = request.run_folder or new_run_folder(self.runs_folder, name, self._given)
        self._given.add(folder)
        return self._train(replace(request, dataset_id=dataset_id, run_folder=folder), resume=False, queued=queued)

    def resume(self, run_id: str | None = None) -> None:
        """Go on with a training that was stopped or failed, from its checkpoint."""
        state = self._session.state
        key = run_id if run_id is not None else state.run_id
        request = state.requests.get(key) if key is not None else None
        if request is None:
            self._refuse("train", "There is no stopped training to go on with. Start a new one.")
            return
        self._session.apply(NoticeClosed(f"{RESUME_KEY}{key}"))
        self._train(request, resume=True)

    def _train(self, request: TrainRequest, *, resume: bool, queued: bool = False) -> bool:
        state = self._session.state
        dataset = state.datasets.get(request.dataset_id or "")
        if dataset is None or request.run_folder is None:
            self._refuse("train", "The scan of this training is not open any more. Open it again, then resume.")
            return False
        test_dataset = state.datasets.get(request.test_dataset_id) if request.test_dataset_id else None
        if request.test_dataset_id and test_dataset is None:
            self._refuse("train", "The test scan of this training is not open any more. Open it again.")
            return False
        further = [state.datasets.get(key) for key in request.further_dataset_ids]
        datasets = [dataset, *(one for one in further if one is not None)]
        if len(datasets) <= len(further):
            self._refuse("train", "A scan of this training is not open any more. Open it again.")
            return False
        start_id = request.start_bundle_id or state.bundle_id
        start_from = state.read_bundle(start_id) if request.start_from_current else None
        if request.detached:
            if self.watching.detach_request(request, datasets, test_dataset, start_from, resume=resume):
                self.train_config_used.emit(request.config)
            return True
        title = f"{'Resuming' if resume else 'Training'} {request.run_folder.name}"
        job = JobState(
            self.runner.new_id("train"),
            "train",
            title,
            dataset_id=request.dataset_id,
            run_folder=request.run_folder,
            n_epochs=request.config.epochs,
        )
        verb = partial(
            self._verbs.train,
            datasets,
            request.config,
            test_dataset=test_dataset,
            out=request.run_folder,
            resume=resume,
            start_from=start_from,
        )
        key = f"train:{job.id}" if queued else ""
        if not self._compute(Task(job, verb, "compute", keeps_losses=resume, request=request, notice_key=key)):
            return False
        self.train_config_used.emit(request.config)
        return True

    def infer(self, settings: InferConfig | None = None) -> None:
        """Infer the current dataset with the current bundle, by default in the usual way."""
        settings = InferConfig() if settings is None else settings
        state = self._session.state
        bundle = state.bundle_as_read
        if state.dataset is None or bundle is None:
            missing = "a dataset" if state.dataset is None else "a bundle"
            self._refuse("infer", f"Inference needs {missing}. Open one first.")
            return
        older = "" if settings.compatibility == "none" else f", as PtychoPINN {settings.compatibility}"
        job = JobState(
            self.runner.new_id("infer"),
            "infer",
            f"Inferring {state.dataset.name} with {bundle.name}{older}",
            dataset_id=state.dataset_id,
            bundle_id=state.bundle_id,
        )
        # Nothing is written without a folder; the statistics are those that the Statistics panel shows.
        config = replace(settings, log_patch_stats=True)
        verb = partial(self._verbs.infer, state.dataset, bundle, config)
        self._compute(Task(job, verb, "compute"))

    def refine(self, request: RefineRequest) -> None:
        """Refine the canvas that is shown against the scan that it was made from."""
        state = self._session.state
        dataset = state.datasets.get(state.canvas_dataset_id or "")
        bundle = state.bundles.get(state.canvas_bundle_id or "")
        if state.canvas is None:
            self._refuse("refine", "There is no canvas to refine. Run an inference first.")
            return
        if dataset is None or bundle is None:
            missing = "scan" if dataset is None else "bundle"
            self._refuse("refine", f"The {missing} of this canvas is not open any more. Open it again, then infer.")
            return
        job = JobState(
            self.runner.new_id("refine"),
            "refine",
            f"Refining {dataset.name}",
            dataset_id=state.canvas_dataset_id,
            bundle_id=state.canvas_bundle_id,
        )
        config = InferConfig(refine=request.passes, refine_probe=request.refine_probe)
        drawn = state.canvas if state.refinement is None else state.refinement.network
        verb = partial(self._verbs.refine, dataset, bundle, state.canvas, config, network_canvas=drawn)
        self._compute(Task(job, verb, "compute"))

    def simulate(self, path: Path) -> None:
        """Simulate a small scan to try things out with, and open it."""
        job = JobState(self.runner.new_id("simulate"), "simulate", f"Simulating {path.name}")
        self._compute(Task(job, partial(self._verbs.simulate, path), "compute"))

    def _compute(self, task: Task) -> bool:
        # What was found of the job before is told no more, unless this one comes from the queue: nobody has seen it.
        found = () if task.notice_key else self._session.state.diagnoses
        if self.runner.start(task):
            closed = ("busy", task.notice_key or task.job.verb, *(finding_key("job", one.id) for one in found))
            self._session.apply(*(NoticeClosed(key) for key in closed))
            return True
        self._refuse("busy", "Another job is running. Wait for its end, or stop it.")
        return False

    def cancel(self) -> None:
        """Stop the computing job; without one, stop opening files, or else the detached training that is shown."""
        if not self.runner.busy and self._session.state.stoppable is not None:
            self.watching.stop_run()
            return
        self.runner.cancel("compute" if self.runner.computing else "files")

    def pause(self) -> None:
        """Let the computing job wait, or go on if it waits."""
        job = self._session.state.job
        if job is not None and job.held:
            self.runner.go_on()
        else:
            self.runner.pause()

    # Results

    def write_report(self, folder: Path, path: Path) -> None:
        """Write the artefact inventory of a run as one HTML file."""
        self._write("report", f"Reporting {folder.name}", partial(self._verbs.write_report, folder, path))

    def save_bundle(self, path: Path) -> None:
        """Save the current bundle under another name."""
        bundle = self._session.state.bundle_as_read
        if bundle is None:
            self._refuse("save", "There is no bundle to save. Train a network or open a bundle first.")
            return
        self._write("save", f"Saving {path.name}", partial(self._verbs.save_bundle, bundle, path))

    def export_canvas(self, path: Path) -> None:
        """Write the canvas on screen, in the format that the ending of the file tells."""
        state = self._session.state
        if state.canvas is None:
            self._refuse("export", "There is no canvas to export. Run an inference first.")
            return
        dataset = state.datasets.get(state.canvas_dataset_id or "")
        # Of the bundle that the canvas was made with, where that is still open.
        bundle = state.bundles.get(state.canvas_bundle_id or "", state.bundle)
        export = CanvasExport(
            state.canvas,
            bundle.intensity_scale if bundle is not None else 1.0,
            dataset.name if dataset is not None else "",
            bundle.name if bundle is not None else "",
            None if state.refinement is None else state.refinement.network,
            pixel_size_of(state, state.canvas_id, state.canvas_dataset_id),
            dataset,
        )
        self._write("export", f"Exporting {path.name}", partial(self._verbs.export_canvas, export, path))

    def export(self, export: Export) -> None:
        """Write what a panel exports."""
        job_id = self.runner.new_id("export")
        job = JobState(job_id, "export", f"Exporting {export.path.name}")
        self.runner.start(Task(job, partial(write_export, export), "files", notice_key=f"export:{export.path}"))

    def _write(self, verb: str, title: str, write: Verb) -> None:
        self.runner.start(Task(JobState(self.runner.new_id(verb), verb, title), write, "files"))

    def close_notice(self, key: str) -> None:
        """Take a notice away that was read."""
        self._session.apply(NoticeClosed(key))

    def _refuse(self, key: str, message: str) -> None:
        self._session.apply(NoticeRaised(Notice(key, "warning", message)))


def new_run_folder(parent: Path, name: str, given: Container[Path] = ()) -> Path:
    """Return a folder named by the second and the scan.

    The disk is not asked, since it may hang: a folder that is there all the same is refused when the run begins.

    Parameters
    ----------
    parent
        Where runs are kept.
    name
        Of the scan.
    given
        Folders that are taken already.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:120] or "run"
    first = parent / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{plain}"
    folder, number = first, 1
    while folder in given:
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return folder
