"""Has the earlier previews of a run read from its folder when it becomes the current one."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject

from app.state.app_state import run_id
from app.state.session import Session


class PreviewReader(QObject):
    """Watches which run is the current one.

    Parameters
    ----------
    session
        What is open.
    read
        Asks for the previews of a run, by its key and its folder.
    parent
        Owner.
    """

    def __init__(self, session: Session, read: Callable[[str, Path], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._read = read
        self._seen: str | None = None
        session.documents_changed.connect(self._look)

    def _look(self) -> None:
        state = self._session.state
        if state.run_id == self._seen:
            return
        self._seen = state.run_id
        run, job = state.run, state.job
        if run is None or state.run_id is None or run.verb != "train":
            return
        if job is not None and run_id(job.run_folder) == state.run_id:
            # The window has them, with the patterns that the folder does not keep.
            return
        self._read(state.run_id, run.path)
