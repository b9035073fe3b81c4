"""Which preview the Patches panel shows: the newest, an earlier one, or one of a run opened from its folder."""

from app.state.app_state import AppState
from app.state.preview_history import PreviewHistory
from ptycho_engine.events import PatchPreview


class PreviewChoice:
    """Follows the newest preview until somebody goes back."""

    def __init__(self) -> None:
        self._chosen: PatchPreview | None = None
        self._left: PreviewHistory | None = None
        """A stored history that somebody left for what is live."""
        self._history = PreviewHistory()
        self._job_id = ""

    def follow(self, state: AppState) -> PatchPreview | None:
        """Take in a state; return the preview to show."""
        job_id = state.job.id if state.job is not None else ""
        if job_id != self._job_id:
            # Who starts a job wants to see what it draws.
            self._job_id, self._left, self._chosen = job_id, state.stored_previews, None
        stored = state.stored_previews
        shown = len(stored) > 0 and stored.source == state.run_id and stored is not self._left
        history = stored if shown else state.previews
        if history.source != self._history.source:
            self._chosen = None
        self._history = history
        if self._chosen is not None:
            return self._chosen
        return history.items[-1] if shown else state.preview

    @property
    def history(self) -> PreviewHistory:
        """What can be gone back through."""
        return self._history

    @property
    def place(self) -> int | None:
        """The place of the chosen preview, or the one nearest to it that is still kept; ``None`` is the newest."""
        return None if self._chosen is None else self._history.nearest(self._chosen.step)

    def choose(self, place: int) -> None:
        """Go to a place in the history."""
        if 0 <= place < len(self._history):
            self._chosen = self._history.items[place]

    def go_live(self, state: AppState) -> None:
        """Follow the newest preview of the job again."""
        self._chosen = None
        if state.preview is not None:
            self._left = state.stored_previews

    def is_stored(self, state: AppState) -> bool:
        """Whether the history is that of a run opened from its folder."""
        return self._history is state.stored_previews and len(self._history) > 0

    def can_go_live(self, state: AppState) -> bool:
        """Whether something newer can be shown than what is."""
        return self._chosen is not None or (self.is_stored(state) and state.preview is not None)

    def dataset_id(self, state: AppState) -> str | None:
        """Return the scan that the frame indices count in, ``None`` if it is not known."""
        if not self.is_stored(state):
            return state.preview_dataset_id
        request = state.requests.get(self._history.source)
        return request.dataset_id if request is not None else None
