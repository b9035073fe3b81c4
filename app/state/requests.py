"""What a person asks for in a panel, as plain data that the controller turns into jobs."""

from dataclasses import dataclass
from pathlib import Path

from ptycho_engine.config import TrainConfig


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """A training as filled in."""

    config: TrainConfig
    dataset_id: str | None = None
    """The scan to train on; ``None``: the current one."""
    test_dataset_id: str | None = None
    """The scan to validate on, if any."""
    run_folder: Path | None = None
    """Where the run is kept; ``None``: a new folder among the runs."""
    start_from_current: bool = False
    """Go on from the weights of the current bundle instead of a fresh network."""
    further_dataset_ids: tuple[str, ...] = ()
    """More scans to train on at once, each with its own probe and scales."""
    start_bundle_id: str | None = None
    """The bundle that was the current one when this was asked for; ``None``: that of the moment when it begins."""
    detached: bool = False
    """Train in a process of its own, which outlives the window."""


@dataclass(frozen=True, slots=True)
class RefineRequest:
    """A refinement of the canvas that is shown."""

    passes: int
    refine_probe: bool = False
