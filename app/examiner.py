"""Has every document looked at when it opens, and the current scan with the current bundle."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.state.examinations import pair_key
from app.state.session import Session

if TYPE_CHECKING:
    from ptycho_engine.documents import Bundle, Dataset


class Examiner(QObject):
    """Watches for documents that are new, or were opened again.

    Parameters
    ----------
    session
        What is open.
    examine
        Asks for an examination: the key under which its findings are kept, the scan and the bundle, either by its id.
    parent
        Owner.
    """

    def __init__(
        self, session: Session, examine: Callable[[str, str | None, str | None], None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._examine = examine
        self._seen: dict[str, tuple[Dataset | Bundle, ...]] = {}
        session.documents_changed.connect(self._look)

    def _look(self) -> None:
        state = self._session.state
        wanted: dict[str, tuple[tuple[Dataset | Bundle, ...], str | None, str | None]] = {}
        for key, dataset in state.datasets.items():
            wanted[key] = ((dataset,), key, None)
        for key, bundle in state.bundles.items():
            wanted[key] = ((bundle,), None, key)
        if state.dataset is not None and state.bundle is not None and state.dataset_id and state.bundle_id:
            both = pair_key(state.dataset_id, state.bundle_id)
            wanted[both] = ((state.dataset, state.bundle), state.dataset_id, state.bundle_id)
        before, self._seen = self._seen, {key: documents for key, (documents, _, _) in wanted.items()}
        for key, (documents, dataset_id, bundle_id) in wanted.items():
            known = before.get(key, ())
            if len(known) != len(documents) or any(old is not new for old, new in zip(known, documents, strict=True)):
                self._examine(key, dataset_id, bundle_id)
