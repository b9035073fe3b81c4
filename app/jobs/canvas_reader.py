"""Working out what is looked at of canvases: generators for a job thread, beside computing and opening."""

from collections.abc import Iterator

from app.state.canvas_readings import CanvasesCompared, ComparisonRequest, PhasePrepared
from ptycho_engine.arrays import ComplexArray
from ptycho_engine.diagnostics.agreement import compare_reconstructions
from ptycho_engine.diagnostics.phase import flat_phase
from ptycho_engine.documents import Canvas


def compare(request: ComparisonRequest, canvas: Canvas, other: Canvas | ComplexArray) -> Iterator[CanvasesCompared]:
    """Yield how well a canvas agrees with another one, or with a known object."""
    yield CanvasesCompared(request, compare_reconstructions(canvas, other, shifts=request.shifts))


def prepare_phase(canvas: Canvas, unwrap: bool) -> Iterator[PhasePrepared]:
    """Yield the phase of a canvas without its ramp."""
    yield PhasePrepared(canvas, flat_phase(canvas, unwrap=unwrap))
