"""The scans of a training that reads counts: their count scale, and the statistics that are measured and then fixed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ptycho_engine.arrays import IndexArray
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import CountStatistics, Dataset
from ptycho_engine.errors import ConfigError
from ptycho_engine.physics.counts import CountScan, as_counts, count_statistics


@dataclass(frozen=True, slots=True)
class TrainingCounts:
    """What a training reads of its scan."""

    scan: CountScan
    statistics: CountStatistics
    """Of the patterns in the training's groups."""
    set_scale: float | None
    """By which amplitudes were multiplied for the root of counts, where a person's ``n_photons`` says so."""
    measurement: str
    """What the scan's file holds."""

    @property
    def n_photons(self) -> float:
        """Mean count of a training pattern."""
        return self.statistics.mean_measured_intensity * self.scan.dataset.n**2

    @property
    def origin(self) -> str:
        """In words, where :attr:`n_photons` comes from."""
        return f"as the mean count of a training pattern ({self.scan.origin})"


def require_one_scan(datasets: Sequence[Dataset]) -> None:
    """Refuse several scans: the factors of both parts, and the statistics, are those of one."""
    if len(datasets) > 1:
        raise ConfigError(
            f"the profile count-intensity trains on one scan, and there are {len(datasets)}",
            "Choose one of them, or the profile amplitude.",
        )


def training_counts(dataset: Dataset, config: TrainConfig, group_indices: IndexArray) -> TrainingCounts:
    """See a training's scan as counts and measure them.

    Raises
    ------
    DatasetError
        If its patterns are no counts, and cannot be made into counts.
    """
    scan = as_counts(dataset, config.n_photons)
    statistics = count_statistics(scan.dataset, group_indices)
    set_scale = None if config.n_photons is None else scan.count_scale
    return TrainingCounts(scan, statistics, set_scale, dataset.measurement)


def counts_of_test(test_dataset: Dataset, training: TrainingCounts) -> Dataset:
    """See the test scan of a training as counts.

    Raises
    ------
    DatasetError
        If its patterns are no counts, and cannot be made into counts.
    """
    # What a person says holds of the units of the training scan; a file speaks for itself.
    alike = test_dataset.measurement == training.measurement
    dataset = as_counts(test_dataset, count_scale=training.set_scale if alike else None).dataset
    count_statistics(dataset, np.arange(dataset.n_scan))  # refuses what is no counts
    return dataset
