"""The trainings that wait for their turn."""

from dataclasses import dataclass
from typing import ClassVar

from app.state.requests import TrainRequest
from ptycho_engine.events import Delivery


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A training in the queue."""

    id: str
    title: str
    details: str
    request: TrainRequest

    def uses(self, key: str) -> bool:
        """Tell whether the training needs this document."""
        request = self.request
        needed = (request.dataset_id, request.test_dataset_id, request.start_bundle_id, *request.further_dataset_ids)
        return key in needed


@dataclass(frozen=True, slots=True)
class RunQueueState:
    """The queue, the next training first."""

    runs: tuple[QueuedRun, ...] = ()
    automatic: bool = True
    """Whether the next one starts by itself when the computing job has ended."""


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """The queue is another one now."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    queue: RunQueueState
