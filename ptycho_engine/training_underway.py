"""What a training has asked of the device and not read yet: losses of its last steps, and a preview.

A GPU works on what is queued while the host prepares the next step. Whoever reads a loss right after its step lets the
GPU run empty each time; so losses are read a few steps later, when they have arrived, in their order. On the CPU they
are there at once.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ptycho_engine.arrays import IndexArray
from ptycho_engine.transfers import HostCopy

MOST_STEPS = 4
"""Steps by which the host may be ahead: enough to keep a GPU busy, few enough that a divergence shows soon."""


@dataclass(frozen=True, slots=True)
class LossUnderway:
    """The loss of one step."""

    index: int
    """Number of the step, from 0."""
    epoch: int
    learning_rate: float
    values: HostCopy
    """Loss and norm of the gradient."""


@dataclass(frozen=True, slots=True)
class PreviewUnderway:
    """Patches, measured and predicted amplitudes of the chosen groups."""

    step: int
    frames: IndexArray
    """(k,) numbers of the patterns."""
    pieces: tuple[HostCopy, ...]
    """One for each batch."""

    @property
    def ready(self) -> bool:
        """Whether all of it has arrived."""
        return all(piece.ready for piece in self.pieces)


@dataclass(slots=True)
class Underway:
    """All that has been asked of the device.

    Parameters
    ----------
    as_they_come
        Take losses whenever they arrive. Several processes with GPUs take them after the same number of steps instead:
        what follows from a loss must follow in the same step of all.
    """

    as_they_come: bool = True
    losses: deque[LossUnderway] = field(default_factory=deque)
    preview: PreviewUnderway | None = None

    def arrived(self, *, wait: bool = False) -> Iterator[tuple[LossUnderway, float, float]]:
        """Take out what has arrived, or all of it, in the order of the steps; yield it with loss and gradient norm."""
        while self.losses:
            first = self.losses[0]
            if not (wait or len(self.losses) > MOST_STEPS or (self.as_they_come and first.values.ready)):
                return
            loss, norm = (float(value) for value in first.values.arrays()[0])
            yield self.losses.popleft(), loss, norm

    def forget(self) -> None:
        """Drop everything: the training has gone to another state."""
        self.losses.clear()
        self.preview = None
