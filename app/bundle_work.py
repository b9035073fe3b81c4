"""What is computed of bundles to be looked at: their layers and files, how they are best read, how two differ."""

from functools import partial

from PySide6.QtCore import QObject

from app.jobs.bundle_reader import compare_open_bundles, rank_readings, study_bundle
from app.jobs.job_runner import JobRunner, Task
from app.jobs.verbs import EngineVerbs
from app.state.app_state import JobState
from app.state.bundle_readings import ReadingsRanked
from app.state.session import Session


class BundleWork(QObject):
    """Starts the readings of bundles.

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

    def study(self, bundle_id: str) -> None:
        """Compute figures of the layers of a bundle, and look into its file."""
        bundle = self._session.state.bundles.get(bundle_id)
        if bundle is None:
            return
        job = JobState(self._runner.new_id("study"), "study", f"Reading the layers of {bundle.name}")
        self._runner.start(Task(job, partial(study_bundle, bundle_id, bundle), "study"))

    def rank_readings(self, bundle_id: str, dataset_id: str) -> None:
        """Find how a bundle that leaves something open is best read, by the patterns of a scan."""
        state = self._session.state
        bundle, dataset = state.bundles.get(bundle_id), state.datasets.get(dataset_id)
        if bundle is None or dataset is None:
            return
        job = JobState(self._runner.new_id("rank"), "rank", f"Comparing {bundle.name} with {dataset.name}")
        rank = partial(self._verbs.rank_assumptions, dataset, bundle)
        verb = partial(rank_readings, ReadingsRanked(bundle_id, dataset_id, bundle), rank)
        self._runner.start(Task(job, verb, "study"))

    def compare(self, a: str, b: str) -> None:
        """Find what differs between two open bundles."""
        one, other = (self._session.state.bundles.get(key) for key in (a, b))
        if one is None or other is None:
            return
        job = JobState(self._runner.new_id("compare"), "compare", f"Comparing {one.name} with {other.name}")
        self._runner.start(Task(job, partial(compare_open_bundles, a, one, b, other), "compare"))
