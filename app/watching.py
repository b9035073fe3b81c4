"""From what a person asks for of runs that other processes write, to the threads that follow them."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject

from app.jobs.detacher import DetachedTraining
from app.jobs.job_runner import JobRunner, Task
from app.jobs.job_thread import JobEnd, JobEvent
from app.jobs.verbs import EngineVerbs
from app.jobs.watch_runner import WatchRunner
from app.state.app_events import NoticeClosed, NoticeRaised, WatchedRunStopping
from app.state.app_state import JobState, Notice, run_id
from app.state.requests import TrainRequest
from app.state.session import Session
from ptycho_engine.documents import Bundle, Dataset, RunRecord

RUNNING_NOTICE = "running-runs"


class Watching(QObject):
    """Watches folders, starts detached trainings and stops them.

    Parameters
    ----------
    session
        What is known.
    runner
        Runs what only takes a moment.
    verbs
        The engine's verbs.
    parent
        Owner.
    """

    def __init__(self, session: Session, runner: JobRunner, verbs: EngineVerbs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._verbs = verbs
        self.watches = WatchRunner(session, verbs.watch, self)
        self._still_running: list[Path] = []

    def watch(self, given: str | Path) -> None:
        """Follow the run in a folder, and open the scans that it names."""
        folder = Path(given).expanduser().absolute()
        # By name: to ask the disk would keep the window waiting.
        folder = folder.parent if folder.name == "run.json" else folder
        job = JobState(self._runner.new_id("open"), "open", f"Opening {folder.name}")
        # Whatever of it cannot be opened, the run itself can be followed.
        task = Task(
            job,
            partial(self._verbs.open_named, folder),
            "files",
            notice_key=f"open:{folder}",
            when_ended=partial(self._begin, folder),
        )
        self._runner.start(task)

    def _begin(self, folder: Path, end: JobEnd) -> None:
        if end.outcome != "stopped":
            self.follow(folder)

    def follow(self, folder: Path) -> None:
        """Follow the run in a folder, unless it is this window's own job."""
        job = self._session.state.job
        if job is None or not job.busy or job.run_folder != folder:
            self.watches.begin(folder)

    def stop(self, key: str | None = None) -> None:
        """Follow a run no more, by default the one that is shown; it goes on."""
        key = key if key is not None else self._session.state.shown_run
        if key is not None:
            self.watches.stop(key)

    def detach_request(
        self,
        request: TrainRequest,
        datasets: Sequence[Dataset],
        test_dataset: Dataset | None,
        start_from: Bundle | None,
        *,
        resume: bool,
    ) -> bool:
        """Start a training in a process of its own; return whether that was possible."""
        paths = tuple(one.path for one in datasets if one.path is not None)
        test = test_dataset.path if test_dataset is not None else None
        if len(paths) < len(datasets) or (test_dataset is not None and test is None) or request.run_folder is None:
            text = "A scan that is not a file cannot be trained on without this window. Save it first."
            self._session.apply(NoticeRaised(Notice("train", "warning", text)))
            return False
        training = DetachedTraining(request.run_folder, request.config, paths, test, start_from, resume)
        self.detach(training, request)
        return True

    def detach(self, training: DetachedTraining, request: TrainRequest) -> None:
        """Start a training in a process of its own and follow it."""
        job = JobState(self._runner.new_id("detach"), "detach", f"Starting {training.folder.name}")
        ended = partial(self._detached, training.folder, request)
        self._runner.start(Task(job, partial(self._verbs.detach, training), "files", when_ended=ended))

    def _detached(self, folder: Path, request: TrainRequest, end: JobEnd) -> None:
        if end.outcome == "completed":
            self._session.apply(NoticeClosed("train"), NoticeClosed("detach"))
            self.watches.begin(folder, request)

    def stop_run(self, key: str | None = None) -> None:
        """Ask the process of a detached training to stop, by default of the one that is shown."""
        state = self._session.state
        key = key if key is not None else state.shown_run or ""
        run = state.runs.get(key)
        if run is None:
            return
        job = JobState(self._runner.new_id("interrupt"), "interrupt", f"Stopping {run.path.name}")
        task = Task(
            job,
            partial(self._verbs.interrupt, run.path),
            "files",
            notice_key=f"interrupt:{run.path}",
            when_ended=partial(self._asked, key),
        )
        self._runner.start(task)

    def _asked(self, key: str, end: JobEnd) -> None:
        if end.outcome == "completed":
            self._session.apply(WatchedRunStopping(key))

    def look_for_running(self, parent: Path) -> None:
        """Look for runs that some process still writes, and offer to watch them."""
        found: list[RunRecord] = []

        def look() -> Iterator[JobEvent]:
            found.extend(self._verbs.running_runs(parent))
            yield from ()

        job = JobState(self._runner.new_id("look"), "look", "Looking for runs")
        self._runner.start(Task(job, look, "examine", when_ended=partial(self._offer, found)))

    def _offer(self, found: list[RunRecord], end: JobEnd) -> None:
        state = self._session.state
        own = state.job.run_folder if state.job is not None else None
        self._still_running = [
            run.path for run in found if run.path != own and (run_id(run.path) or "") not in state.watched
        ]
        names = ", ".join(path.name for path in self._still_running)
        if names:
            several = len(self._still_running) > 1
            words = (
                f"{len(self._still_running)} runs are still going on: {names}." if several else f"{names} still runs."
            )
            self._session.apply(NoticeRaised(Notice(RUNNING_NOTICE, "info", words, action="Watch")))

    def watch_running(self) -> None:
        """Follow the runs that were found going on."""
        self._session.apply(NoticeClosed(RUNNING_NOTICE))
        for folder in self._still_running:
            self.watch(folder)
