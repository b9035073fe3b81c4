"""Stop a verb between two of its events: a large scan may be read, grouped or brought into line for minutes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ptycho_engine.arrays import FloatArray, IndexArray
from ptycho_engine.documents import Dataset, FrameStack
from ptycho_engine.errors import Stopped
from ptycho_engine.going_on import GoOn, always


@dataclass(frozen=True, slots=True)
class StoppableFrames:
    """The patterns of another stack, for as long as nobody asks to stop."""

    stored: FrameStack
    asked: Callable[[], bool]
    """Whether whoever pulls the events wants no more of them."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(n_scan, N, N)``."""
        return self.stored.shape

    @property
    def stored_dtype(self) -> str:
        """The dtype of the other stack."""
        return self.stored.stored_dtype

    def read(self, indices: IndexArray | slice) -> FloatArray:
        """Return patterns as the other stack does.

        Raises
        ------
        Stopped
            If somebody has asked to stop.
        """
        self.go_on()
        return self.stored.read(indices)

    def go_on(self) -> None:
        """Raise ``Stopped`` if somebody has asked to stop."""
        if self.asked():
            raise Stopped


def stoppable(dataset: Dataset, asked: Callable[[], bool]) -> Dataset:
    """Return a scan for one verb, which ends as if it were closed when it reads on after ``asked`` is true.

    Parameters
    ----------
    dataset
        The scan.
    asked
        Asked before each block of patterns, in the thread that reads.
    """
    return replace(dataset, frames=StoppableFrames(dataset.frames, asked))


def go_on_of(dataset: Dataset) -> GoOn:
    """Return what work on a scan calls between its blocks: it raises ``Stopped`` where reading the scan would."""
    frames: object = dataset.frames
    while frames is not None:
        if isinstance(frames, StoppableFrames):
            return frames.go_on
        # Frames that convert those of another stack, to counts for example.
        frames = getattr(frames, "stored", None)
    return always
