"""Which phase without ramp a canvas panel still needs, and which it can show."""

from collections.abc import Iterable

from app.display.canvas_pictures import Picture, View
from app.display.phase_pictures import PREPARED, UNWRAPPED, phase_picture
from app.state.app_state import AppState
from ptycho_engine.documents import Canvas


class PreparedPhase:
    """Remembers what was asked for, so that it is asked for once."""

    def __init__(self) -> None:
        self._asked: tuple[Canvas, bool] | None = None

    def missing(self, state: AppState, canvas: Canvas, chosen: Iterable[View]) -> bool | None:
        """Return whether jumps are to be removed in what must be asked for now, ``None`` if nothing must."""
        views = set(chosen)
        if not views & set(PREPARED):
            return None
        unwrap = bool(views & set(UNWRAPPED))
        known, asked = state.phase, self._asked
        if known is not None and known.canvas is canvas and (known.flat.unwrapped is not None or not unwrap):
            return None
        if asked is not None and asked[0] is canvas and (asked[1] or not unwrap):
            return None
        self._asked = (canvas, unwrap)
        return unwrap

    def picture(self, state: AppState, canvas: Canvas, view: View) -> Picture | None:
        """Return a prepared picture of a canvas, ``None`` if it is still being worked out."""
        known = state.phase
        # While the canvas fills, the one before the last is better than none.
        filling = known is not None and state.busy and known.canvas.object_.shape == canvas.object_.shape
        if known is None or not (known.canvas is canvas or filling):
            return None
        return phase_picture(canvas, known.flat, view)
