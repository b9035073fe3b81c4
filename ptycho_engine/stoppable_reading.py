"""Stop a verb while it reads: between two of its events a large scan may be read for minutes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ptycho_engine.arrays import FloatArray, IndexArray
from ptycho_engine.documents import Dataset, FrameStack
from ptycho_engine.errors import Stopped


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
        if self.asked():
            raise Stopped
        return self.stored.read(indices)


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
