"""A small scan of counts, and trainings of it that take seconds."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.formats import read_dataset
from ptycho_engine.physics.simulate import SimulateConfig, simulate_scan
from ptycho_engine.training_job import TrainingJob, prepare_training

TINY = TrainConfig(
    gridsize=1,
    n_groups=16,
    batch_size=4,
    epochs=4,
    seed=3,
    accelerator="cpu",
    profile="count-intensity",
    preview_count=3,
    preview_interval_s=3600.0,
)


def counted_scan(folder: Path) -> Dataset:
    """Return a scan of 32 patterns of 1e5 counts, kept in a folder."""
    for _ in simulate_scan(SimulateConfig(n_scan=32, n_photons=1e5, measurement="counts"), folder / "counts.npz"):
        pass
    return read_dataset(folder / "counts.npz")


def job_of(dataset: Dataset, config: TrainConfig = TINY, **given: Any) -> TrainingJob:
    """Return a training at its start, on the CPU."""
    asked: dict[str, Any] = {"test_dataset": None, "out": None, "resume": False, "start_from": None}
    return prepare_training([dataset], config, torch.device("cpu"), **asked | given)


def fields(patches: NDArray[Any], probe: NDArray[Any]) -> NDArray[Any]:
    """Return (k, n_modes, N, N) the diffracted waves of (k, N, N) patches, by numpy."""
    waves = patches[:, None].astype(np.complex128) * probe
    return np.asarray(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(-2, -1)))
