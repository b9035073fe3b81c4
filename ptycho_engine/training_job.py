"""A training made ready: inputs checked and normalised, network built, earlier progress taken up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ptycho_engine.arrays import IndexArray
from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import BundleError, ConfigError, DatasetError
from ptycho_engine.fixed_sample import FixedSample
from ptycho_engine.memory_need import free_for, memory_note, require_memory
from ptycho_engine.models.pinn import require_runnable
from ptycho_engine.physics.scaling import light_factor, probe_energy
from ptycho_engine.preview import RateLimit, choose_groups
from ptycho_engine.ranks import ALONE, Ranks
from ptycho_engine.recipes import Plan, plan_training
from ptycho_engine.trainer import Scene, Trainer
from ptycho_engine.training_counts import counts_of_test
from ptycho_engine.training_files import TrainingFiles
from ptycho_engine.training_memory import training_need, with_bundle
from ptycho_engine.training_scans import ScanStep, TrainingScan, TrainingScans, prepare_scans
from ptycho_engine.training_state import GoodState, Meter, Progress
from ptycho_engine.training_underway import Underway
from ptycho_engine.validation import Validation


@dataclass(slots=True)
class TrainingJob:
    """Everything that the training loop holds."""

    config: TrainConfig
    device: torch.device
    plan: Plan
    scans: TrainingScans
    trainer: Trainer
    validation: Validation | None
    files: TrainingFiles | None
    progress: Progress
    epoch_losses: list[torch.Tensor]
    """Losses of the epoch that has begun, on the device."""
    previews: RateLimit
    preview_groups: IndexArray
    meter: Meter
    sample: FixedSample
    """What the training is measured on as it goes."""
    good: GoodState
    underway: Underway
    """What the device was asked for and has not brought yet."""
    memory_note: str = ""
    """What the training takes of the memory, in a sentence."""
    fine_tunes: bool = False
    """Whether it begins with the weights of a bundle, so that there is no other start."""
    best_state: Mapping[str, Any] | None = None
    """Tensors of the best epoch, where there is a test scan to tell it."""
    planned: tuple[int, list[ScanStep]] | None = None
    """An epoch and its steps."""

    @property
    def ranks(self) -> Ranks:
        """The processes of the training."""
        return self.trainer.ranks

    @property
    def dataset(self) -> Dataset:
        """The first scan."""
        return self.scans.first.dataset

    @property
    def batches(self) -> GroupBatches:
        """The groups of the first scan."""
        return self.scans.first.batches

    @property
    def input_scale(self) -> float:
        """What the measured values of the first scan are multiplied by for the network."""
        return self.scans.first.input_scale

    @property
    def intensity_scale(self) -> float:
        """S of the first scan."""
        return self.scans.first.scene.intensity_scale

    @property
    def intensity_scale_origin(self) -> str:
        """In words, where :attr:`intensity_scale` comes from."""
        scan = self.scans.first
        return (
            f"computed as sqrt(n_photons)/(N/2) with n_photons = {scan.n_photons:g} {scan.photons_origin}; not learned"
        )

    @property
    def n_steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.config.epochs * self.scans.n_steps

    @property
    def network_per_physical(self) -> float:
        """Factor from physical to network amplitude, of the first scan: 1 for counts, whose probe is in their scale."""
        return 1.0 if self.scans.first.counts is not None else self.plan.model.probe_scale * self.input_scale

    def epoch_steps(self) -> list[ScanStep]:
        """Return the steps of the epoch that has begun, in their order."""
        epoch = self.progress.epoch
        if self.planned is None or self.planned[0] != epoch:
            steps = self.scans.steps(self.config.seed, epoch, neighbouring=self.plan.shared_object)
            self.planned = (epoch, steps)
        return self.planned[1]

    def step_images(self) -> torch.Tensor | None:
        """Return (B, C, N, N) patterns as whole batches bring them to this process at once; ``None`` if none come."""
        batches = max(self.scans.all_batches, key=lambda one: one.sizes()[0])
        part = batches.batch(batches.all_groups()[: batches.batch_size]).parts(self.trainer.n_parts)[0]
        images = part.share(self.ranks.share(len(part.groups))).images
        return images if len(images) else None

    def step_sizes(self) -> list[int]:
        """Return the groups in each step of the epoch that has begun."""
        return [len(step.groups) for step in self.epoch_steps()]


def prepare_training(
    datasets: Sequence[Dataset],
    config: TrainConfig,
    device: torch.device,
    *,
    test_dataset: Dataset | None,
    out: Path | None,
    resume: bool,
    start_from: Bundle | None,
    adapt: Callable[[Plan], Plan] | None = None,
    ranks: Ranks = ALONE,
) -> TrainingJob:
    """Check the inputs and make a training ready to run, from its start or from its newest checkpoint.

    Raises
    ------
    EngineError
        If scans, test scan, bundle and settings do not fit together.
    """
    _check_inputs(datasets, config, test_dataset, start_from)
    dataset = datasets[0]
    plan = plan_training(config, dataset.n, dataset.probe)
    plan = plan if adapt is None else adapt(plan)
    plan = with_bundle(plan, start_from)
    free = free_for(device)
    need = training_need(datasets, config, plan, device, free, test_dataset, ranks.size)
    if not resume:
        # One that goes on may have halved its batches, and fits.
        require_memory(need, free)
    scans = prepare_scans(datasets, config, plan, device)
    scene = scans.first.scene
    trainer = _trainer(config, plan, scans, device, start_from, ranks)
    validation = None if test_dataset is None else _validation(test_dataset, config, scans.first, device)
    job = TrainingJob(
        config=config,
        device=device,
        plan=plan,
        scans=scans,
        trainer=trainer,
        validation=validation,
        files=None if out is None else TrainingFiles(out),
        progress=Progress(),
        epoch_losses=[],
        previews=RateLimit(config.preview_interval_s),
        preview_groups=choose_groups(scans.first.batches.grouping.group_centers, config.preview_count),
        meter=Meter(),
        sample=(
            FixedSample(scans.first.batches, scene, on_test_scan=False)
            if validation is None
            else FixedSample(validation.batches, validation.scene, on_test_scan=True)
        ),
        good=GoodState(trainer.snapshot(), Progress()),
        underway=Underway(as_they_come=ranks.alone or device.type == "cpu"),
        memory_note=memory_note(need, free),
        fine_tunes=start_from is not None,
    )
    _take_up(job, datasets, resume)
    return job


def _validation(test_dataset: Dataset, config: TrainConfig, scan: TrainingScan, device: torch.device) -> Validation:
    """Return the validation on the test scan, predicted with its own probe and the photons of the training."""
    factor = 1.0
    if scan.counts is not None:
        # A probe in the scale of the counts says by itself how bright it is.
        test_dataset = counts_of_test(test_dataset, scan.counts)
    else:
        factor = light_factor(test_dataset.probe, probe_energy(scan.dataset.probe))
    probe = torch.tensor(test_dataset.probe, dtype=torch.complex64, device=device)
    scene = Scene(probe, scan.scene.intensity_scale, factor, statistics=scan.scene.statistics)
    return Validation(test_dataset, config, scene, device)


def _trainer(
    config: TrainConfig,
    plan: Plan,
    scans: TrainingScans,
    device: torch.device,
    start_from: Bundle | None,
    ranks: Ranks,
) -> Trainer:
    """Return a network at its start, brought to the data unless it comes from a bundle; the same in all processes."""
    trainer = Trainer(config, plan, scans.first.scene, device, start_from, ranks)
    if not ranks.alone:
        _require_single_patterns(trainer.network)
    if start_from is None:
        trainer.match(scans.all_batches)
        ranks.same_weights(trainer.network)
    return trainer


def _take_up(job: TrainingJob, datasets: Sequence[Dataset], resume: bool) -> None:
    """Go on where the newest checkpoint stands, if that is asked, and see that all processes stand there."""
    if resume and job.files is not None:
        job.files.restore(job)
    job.ranks.require_same(
        {
            "settings": job.config.as_dict(),
            "scans": [one.fingerprint for one in datasets],
            "checkpoints": job.progress.step,
        }
    )
    if not job.ranks.first:
        # All have read where the training stands; only the first writes.
        job.files = None


def _require_single_patterns(network: torch.nn.Module) -> None:
    if any(isinstance(one, torch.nn.modules.batchnorm._BatchNorm) for one in network.modules()):
        raise ConfigError(
            "the network normalises over its batch, which several processes would each do for their own share",
            "Train it in one process.",
        )


def _check_inputs(
    datasets: Sequence[Dataset], config: TrainConfig, test_dataset: Dataset | None, start_from: Bundle | None
) -> None:
    dataset = datasets[0]
    if config.loss not in ("poisson", "mae"):
        raise ConfigError(f"there is no loss {config.loss!r}", "It must be one of poisson, mae.")
    others = [(one, "training") for one in datasets[1:]]
    others += [] if test_dataset is None else [(test_dataset, "test")]
    for other, what in others:
        if other.n != dataset.n:
            raise DatasetError(
                f"its patterns have the side {other.n} px, those of the first training scan {dataset.n} px",
                f"Choose a {what} scan with patterns of the same side.",
                file=other.path,
            )
    if start_from is None:
        return
    require_runnable(start_from)
    model = start_from.model
    if (model.n, model.gridsize) != (dataset.n, config.gridsize):
        raise BundleError(
            f"the network is for N = {model.n}, gridsize {model.gridsize}; "
            f"the training is for N = {dataset.n}, gridsize {config.gridsize}",
            "Choose a bundle, a scan and a gridsize that fit together.",
            file=start_from.path,
        )
    reads_counts = model.forward_model == "counts"
    if reads_counts != (config.profile == "count-intensity"):
        trained, asked = ("counts", "amplitudes") if reads_counts else ("amplitudes", "counts")
        raise BundleError(
            f"the network predicts {trained}, and the training is for {asked}",
            f"Train with the profile {'count-intensity' if reads_counts else 'amplitude'}, or from another start.",
            file=start_from.path,
        )
