"""The loss on a scan that is not trained on."""

from collections.abc import Iterator

import numpy as np
import torch

from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.geometry.grouping import Grouping, cover_positions
from ptycho_engine.physics.scaling import dataset_input_scale
from ptycho_engine.preview import choose_groups
from ptycho_engine.stoppable_reading import go_on_of
from ptycho_engine.trainer import Scene, Trainer

VALIDATION_BATCH = 32


class Validation:
    """The groups of the test scan, the same in every epoch.

    Every position of the test scan is the first member of one group; of a scan with more positions than the training
    has groups, evenly spread ones are taken. Amplitudes are normalised by the test scan's own input scale, counts by
    that of the training.

    Parameters
    ----------
    dataset
        The test scan.
    config
        The training.
    scene
        What its patterns are predicted with.
    device
        Where to compute.
    """

    def __init__(self, dataset: Dataset, config: TrainConfig, scene: Scene, device: torch.device) -> None:
        positions, go_on = dataset.scan_positions, go_on_of(dataset)
        grouping = cover_positions(positions, config.gridsize, config.neighbor_count, config.seed, go_on)
        grouping = spread_groups(grouping, config.n_groups)
        frozen = scene.statistics
        scale = dataset_input_scale(dataset) if frozen is None else frozen.rms_input_scale
        self.batches = GroupBatches(dataset, grouping, scale, device, VALIDATION_BATCH, counts=frozen is not None)
        self.scene = scene
        self.loss: float | None = None
        """Of the last complete pass."""

    def run(self, trainer: Trainer) -> Iterator[None]:
        """Compute :attr:`loss`; yields after each batch, so that whoever iterates can stop there."""
        ranks, sizes = trainer.ranks, self.batches.sizes()
        own = ranks.share(len(sizes))
        losses = []
        for groups in list(self.batches.slices(self.batches.all_groups()))[own]:
            losses.append(trainer.validation_loss(self.batches.batch(groups), self.scene))
            yield
        own_losses = torch.stack(losses).cpu().double().tolist() if losses else []
        found = [one for part in ranks.all(own_losses) for one in part]
        self.loss = float(np.average(found, weights=sizes))


def spread_groups(grouping: Grouping, limit: int | None) -> Grouping:
    """Return at most ``limit`` groups, evenly spread over the scan."""
    if limit is None or limit >= len(grouping.group_indices):
        return grouping
    kept = choose_groups(grouping.group_centers, limit)
    return Grouping(grouping.group_indices[kept], grouping.group_centers[kept], grouping.local_offsets[kept])
