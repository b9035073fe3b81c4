"""What is read of documents when they are looked at: groups, previews, examinations, refused files."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject

from app.jobs.job_runner import JobRunner, Task
from app.jobs.reader import examine, find_groups
from app.jobs.refused_reader import look_into
from app.jobs.verbs import EngineVerbs
from app.state.app_state import JobState
from app.state.examinations import DocumentExamined
from app.state.session import Session
from ptycho_engine.documents import Bundle, Dataset


class DocumentWork(QObject):
    """Starts the readings of documents.

    Parameters
    ----------
    session
        The state.
    runner
        Where they run.
    verbs
        The engine's verbs.
    """

    def __init__(self, session: Session, runner: JobRunner, verbs: EngineVerbs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._runner, self._verbs = session, runner, verbs

    def find_groups(self, dataset_id: str, gridsize: int, neighbor_count: int) -> None:
        """Find the groups that an inference with these settings makes."""
        dataset = self._session.state.datasets.get(dataset_id)
        if dataset is None:
            return
        job = JobState(self._runner.new_id("groups"), "groups", f"Grouping {dataset.name}")
        verb = partial(find_groups, dataset_id, dataset, gridsize, neighbor_count)
        self._runner.start(Task(job, verb, "groups", notice_key=f"groups:{dataset_id}"))

    def read_previews(self, key: str, folder: Path) -> None:
        """Read the earlier previews of a run from its folder."""
        job = JobState(self._runner.new_id("previews"), "previews", f"Reading the previews of {folder.name}")
        verb = partial(self._verbs.read_previews, key, folder)
        self._runner.start(Task(job, verb, "previews", notice_key=f"previews:{key}"))

    def examine(self, key: str, dataset_id: str | None, bundle_id: str | None) -> None:
        """Look for what is wrong with a scan, with a bundle, or with the two together."""
        state = self._session.state
        dataset, bundle = state.datasets.get(dataset_id or ""), state.bundles.get(bundle_id or "")
        document = bundle if dataset is None else dataset
        if document is None:
            return
        job = JobState(self._runner.new_id("examine"), "examine", f"Examining {document.name}")
        verb = partial(self._examine, key, document, bundle if dataset is not None else None)
        self._runner.start(Task(job, verb, "examine", notice_key=f"examine:{key}"))

    def _examine(self, key: str, document: Dataset | Bundle, bundle: Bundle | None) -> Iterator[DocumentExamined]:
        return examine(key, self._verbs.examine(document, bundle))

    def look_into(self, path: Path, reason: str) -> None:
        """Look into a file that was refused."""
        job = JobState(self._runner.new_id("look"), "look", f"Looking into {path.name}")
        self._runner.start(Task(job, partial(look_into, path, reason), "study"))
