"""The training that the faults happen to: two batches an epoch, some tenths of a second."""

from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.events import EngineEvent, LossMeasured, MessageLogged, TrainingCompleted
from ptycho_engine.training import train
from tests.helpers.tiny_scan import tiny_scan

CONFIG = TrainConfig(
    gridsize=1, n_groups=8, batch_size=4, epochs=2, n_filters_scale=1, seed=7, accelerator="cpu", preview_count=1,
    recipe="compatible",
)  # fmt: skip
Event = TypeVar("Event")


def training(
    out: Path | None = None, *, dataset: Dataset | None = None, resume: bool = False, **changes: Any
) -> Generator[EngineEvent, None, None]:
    """Return the events of a tiny training."""
    return train(dataset or tiny_scan(), replace(CONFIG, **changes), out=out, resume=resume)


def of(events: Iterable[EngineEvent], kind: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def shown(events: Iterable[EngineEvent]) -> list[str]:
    """Return what a person sees at once."""
    return [event.text for event in of(events, MessageLogged) if event.shown]


def losses(events: Iterable[EngineEvent]) -> list[float]:
    return [event.loss for event in of(events, LossMeasured)]


def weights(events: Iterable[EngineEvent]) -> dict[str, bytes]:
    """Return the tensors of the bundle that came out."""
    (completed,) = of(events, TrainingCompleted)
    return {name: one.tobytes() for name, one in completed.bundle.state.items()}


def collect(into: list[EngineEvent], events: Iterable[EngineEvent]) -> None:
    """Keep what is told until the training fails."""
    for event in events:
        into.append(event)
