"""What is worked out about canvases when it is asked for: comparisons, phases without ramp, sizes of pixels."""

from functools import partial

from PySide6.QtCore import QObject

from app.jobs.canvas_reader import compare, prepare_phase
from app.jobs.job_runner import JobRunner, Task
from app.state.app_events import NoticeClosed
from app.state.app_state import JobState
from app.state.canvas_readings import ComparisonRequest, PixelSizeGiven
from app.state.session import Session
from ptycho_engine.documents import Canvas


class CanvasWork(QObject):
    """Starts the readings of canvases.

    Parameters
    ----------
    session
        The state.
    runner
        Where they run.
    """

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self.runner = session, runner

    def compare_canvases(self, request: ComparisonRequest) -> None:
        """Measure how well two reconstructions agree, or one with the known object of a scan."""
        state = self._session.state
        canvas, other = state.canvases.get(request.a), state.canvases.get(request.b)
        known = state.datasets.get(request.b)
        object_ = other if other is not None else known.object_ if known is not None else None
        if canvas is None or object_ is None:
            return
        self._session.apply(NoticeClosed("compare"))
        job = JobState(self.runner.new_id("compare"), "compare", "Comparing two reconstructions")
        verb = partial(compare, request, canvas, object_)
        self.runner.start(Task(job, verb, "compare_canvases", notice_key="compare"))

    def prepare_phase(self, canvas: Canvas, unwrap: bool) -> None:
        """Work out the phase of a canvas without its ramp, and without its jumps."""
        job = JobState(self.runner.new_id("phase"), "phase", "Taking the ramp out of the phase")
        self.runner.start(Task(job, partial(prepare_phase, canvas, unwrap), "phase", notice_key="phase"))

    def give_pixel_size(self, key: str, size_m: float | None) -> None:
        """Take the side of a pixel of the object as entered."""
        self._session.apply(PixelSizeGiven(key, size_m))
