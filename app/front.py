"""Brings to the front what was just asked for: a scan or figures that open, the patches of a job that begins."""

from collections.abc import Callable

from PySide6.QtCore import QObject

from app.state.session import Session

COMPUTING = ("train", "infer")
WHAT_GOES_IN = ("dataset", "bundle")
"""Panels that show what a job starts from, and nothing of what it draws."""


class Front(QObject):
    """Watches for scans that open and jobs that begin.

    Parameters
    ----------
    session
        What happens.
    front_panel
        Tells the panel in front in the middle.
    show
        Brings a panel to the front.
    parent
        Owner.
    """

    def __init__(
        self,
        session: Session,
        front_panel: Callable[[], str],
        show: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._front_panel = front_panel
        self._show = show
        self._dataset_id = session.state.dataset_id
        self._figures_id = session.state.figures_id
        self._refused_id = session.state.refused_id
        self._job_id = session.state.job.id if session.state.job is not None else ""
        session.documents_changed.connect(self._documents_changed)
        self._run_id = session.state.shown_run
        session.job_changed.connect(self._job_changed)
        session.preview_changed.connect(self._preview_changed)

    def _documents_changed(self) -> None:
        state = self._session.state
        opened = state.dataset_id is not None and state.dataset_id != self._dataset_id
        self._dataset_id = state.dataset_id
        figures = state.figures_id is not None and state.figures_id != self._figures_id
        self._figures_id = state.figures_id
        if state.refused_id is not None and state.refused_id != self._refused_id:
            self._show("bundle")
        self._refused_id = state.refused_id
        document = state.figures.get(state.figures_id or "") if figures else None
        if document is not None and (document.stats or document.dumps) and not opened and not state.busy:
            self._show("statistics")
        # Patches that are there stay in sight; a panel without any has less to say than the scan.
        if opened and state.preview is None and not state.busy and self._front_panel() == "patches":
            self._show("dataset")

    def _preview_changed(self) -> None:
        state = self._session.state
        if state.preview is None or state.shown_run == self._run_id:
            return
        # The first patches of a run that is watched; not every such run keeps any.
        self._run_id = state.shown_run
        if state.shown_run is not None and self._front_panel() in WHAT_GOES_IN:
            self._show("patches")

    def _job_changed(self) -> None:
        job = self._session.state.job
        if job is None or job.id == self._job_id:
            return
        self._job_id = job.id
        if job.verb in COMPUTING and self._front_panel() in WHAT_GOES_IN:
            self._show("patches")
