"""The training verb: its loop, from the first step to the bundle."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ptycho_engine.compiled_network import COMPILING, forget_compiled
from ptycho_engine.config import TrainConfig
from ptycho_engine.device import (
    compute_settings,
    describe_device,
    device_choice,
    device_errors,
    drop_frames,
    free_device,
    lacking_memory,
)
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import ConfigError, EngineError, OutputError, Stopped, TrainingDiverged
from ptycho_engine.events import (
    BundleSaved,
    CheckpointSaved,
    DiagnosisFound,
    EngineEvent,
    EpochDone,
    JobStarted,
    MessageLogged,
    TrainingCompleted,
)
from ptycho_engine.models.pinn import state_of
from ptycho_engine.ranks import ALONE, Ranks, SharedMemoryError
from ptycho_engine.recipes import Plan
from ptycho_engine.runs.event_record import bundle_summary, dataset_summary
from ptycho_engine.runs.recorder import record
from ptycho_engine.runs.run_folder import RunFolder
from ptycho_engine.time_left import TimeLeft
from ptycho_engine.trainer import mean_loss
from ptycho_engine.training_events import (
    losses_measured,
    losses_settled,
    preview,
    previews_due,
    require_finite,
    stats_measured,
    step_done,
)
from ptycho_engine.training_files import bundle_of, saved_as
from ptycho_engine.training_job import TrainingJob, prepare_training
from ptycho_engine.training_rehearsal import rehearse
from ptycho_engine.training_remedy import (
    divergence_finding,
    go_back_after,
    halve_after,
    require_bounded,
    restart_if_collapsed,
)
from ptycho_engine.training_state import GoodState
from ptycho_engine.training_watch import look, look_is_due, read
from ptycho_engine.working_time import WorkingTime


def train(
    dataset: Dataset | Sequence[Dataset],
    config: TrainConfig,
    *,
    test_dataset: Dataset | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    start_from: Bundle | None = None,
    adapt: Callable[[Plan], Plan] | None = None,
    ranks: Ranks = ALONE,
) -> Generator[EngineEvent, None, None]:
    """Train a network on a scan; the last event, ``TrainingCompleted``, carries the bundle.

    Closing the generator cancels: with a run folder, the state of that moment is kept there, and a training resumed
    from it gives the same numbers as one that was never interrupted. With the same scan, settings, seed and device the
    weights are the same, bit for bit. Steps and epochs are numbered from 0, except in ``StepDone``, which counts them.

    Parameters
    ----------
    dataset
        The scan to train on, or several: each with its own patterns, probe, input scale and photons. The first one
        decides what network amplitude means, and is the one that is shown.
    config
        The settings; ``n_groups`` groups are drawn from each scan.
    test_dataset
        A scan for the validation loss, which then decides what the best epoch is, and whose weights the bundle holds.
        Without one the bundle holds the last weights.
    out
        The run folder; ``None`` writes nothing.
    resume
        Continue the training in ``out`` from its newest checkpoint; without one it begins at the start.
    start_from
        A bundle whose network is trained on.
    adapt
        Changes what the recipe planned, for studies; a training that is resumed must be given the same.
    ranks
        The processes that train together, each of which calls this with the same arguments. The first writes the run
        folder; all yield the same losses.

    Raises
    ------
    EngineError
        ``TrainingDiverged`` if the loss becomes infinite or NaN; ``DatasetError``, ``BundleError``, ``ConfigError`` or
        ``GroupingError`` for inputs that do not fit; ``DeviceError`` for want of a device or of its memory.
    """
    folder = None if out is None else Path(out)
    datasets = [dataset] if isinstance(dataset, Dataset) else list(dataset)
    if not datasets:
        raise ConfigError("there is no scan to train on", "Choose at least one.")
    events = _train(datasets, config, test_dataset, folder, resume, start_from, adapt, ranks)
    if folder is not None and ranks.first:
        described = _description(datasets, config, test_dataset, start_from)
        events = record(events, RunFolder(folder, "train", described, resume=resume))
    yield from events


def _train(
    datasets: Sequence[Dataset],
    config: TrainConfig,
    test_dataset: Dataset | None,
    out: Path | None,
    resume: bool,
    start_from: Bundle | None,
    adapt: Callable[[Plan], Plan] | None,
    ranks: Ranks,
) -> Generator[EngineEvent, None, None]:
    with compute_settings(deterministic=config.deterministic):
        choice = device_choice(config.accelerator, config.deterministic)
        if choice.reason and config.accelerator == "auto":
            yield MessageLogged("info", choice.reason)
        try:
            with device_errors(choice.device):
                # The job lives in the frame of _run alone: with that, its tensors are gone before the device is freed.
                working = WorkingTime()
                yield from working.without_waits(
                    _run(
                        prepare_training(
                            datasets,
                            config,
                            choice.device,
                            test_dataset=test_dataset,
                            out=out,
                            resume=resume,
                            start_from=start_from,
                            adapt=adapt,
                            ranks=ranks,
                        ),
                        working,
                    )
                )
        finally:
            if config.compiled:
                forget_compiled()
            free_device(choice.device)


def _run(job: TrainingJob, working: WorkingTime) -> Generator[EngineEvent, None, None]:
    folder = None if job.files is None else job.files.folder
    yield JobStarted("train", describe_device(job.device), job.n_steps, "steps", folder)
    if job.files is not None:
        job.files.require_space(job)
    yield from _opening_notes(job)
    left = TimeLeft(job.progress.step, working)
    try:
        yield from (DiagnosisFound(one) for one in job.progress.findings)
        if job.ranks.first:
            yield preview(job)
        yield from _compiled(job)
        left.begin(job.progress.step)
        while job.progress.epoch < job.config.epochs and not _stops_early(job):
            lacking = None
            try:
                yield from rehearse(job, left)
                if (yield from _epoch(job, left)):
                    yield from _end_of_epoch(job, left)
            except TrainingDiverged as error:
                yield from _mended(job, error, left)
            except (RuntimeError, MemoryError) as error:
                lacking = lacking_memory(error)
                if lacking is None or not (job.ranks.alone or isinstance(error, SharedMemoryError)):
                    raise
                drop_frames(error)
            if lacking is not None:
                # Out of the handler: while it runs, the exception keeps what is to be freed.
                yield from halve_after(job, lacking)
                # Halves are a size of their own.
                yield from _compiled(job)
                left.begin(job.progress.step)
    except TrainingDiverged:
        raise
    except (GeneratorExit, Stopped, EngineError):
        _keep_this_moment(job)
        raise
    yield from _complete(job)


def _compiled(job: TrainingJob) -> Iterator[MessageLogged]:
    """Compile the network for the steps, where that is asked, and tell of it."""
    images = job.step_images() if job.config.compiled else None
    if images is not None:
        yield COMPILING
        yield job.trainer.compile_steps(images)


def _epoch(job: TrainingJob, left: TimeLeft) -> Generator[EngineEvent, None, bool]:
    """Do the steps of an epoch; return False if the training began anew meanwhile."""
    progress, trainer = job.progress, job.trainer
    for planned in job.epoch_steps()[progress.batch :]:
        if look_is_due(job):
            yield from losses_settled(job)
            reading = job.ranks.from_first(lambda: read(job))
            require_bounded(job, reading)
            yield from restart_if_collapsed(job, look(job, reading))
            if job.progress is not progress:
                left.begin(0)
                return False
        started = time.perf_counter()
        rate = trainer.set_learning_rate(progress.step / job.n_steps)
        scan = planned.scan
        step = trainer.step(scan.batches.batch(planned.groups), scan.scene)
        progress.step += 1
        progress.batch += 1
        job.epoch_losses.append(step.loss)
        yield from losses_measured(job, step, rate, started)
        yield from stats_measured(job, step)
        yield step_done(job, left)
        if job.ranks.first:
            yield from previews_due(job)
        if job.files is not None and job.files.is_due(progress.step):
            yield from losses_settled(job)
            yield from _save(job, best=False, now=True)
    return True


def _end_of_epoch(job: TrainingJob, left: TimeLeft) -> Generator[EngineEvent, None, None]:
    progress, epoch = job.progress, job.progress.epoch
    yield from losses_settled(job)
    validation_loss = None
    if job.validation is not None:
        for _ in job.validation.run(job.trainer):
            yield step_done(job, left)
        validation_loss = job.validation.loss
    train_loss = mean_loss(job.epoch_losses, job.step_sizes())
    require_finite(job, train_loss + (validation_loss or 0.0), f"the end of epoch {epoch + 1}")
    reading = job.ranks.from_first(lambda: read(job, validation_loss, complete=True))
    require_bounded(job, reading)
    told = look(job, reading)
    best = progress.end_epoch(train_loss, validation_loss)
    job.epoch_losses.clear()
    rate = job.trainer.optimiser.param_groups[0]["lr"]
    done = EpochDone(epoch, job.config.epochs, progress.step - 1, train_loss, validation_loss, rate, best)
    told = restart_if_collapsed(job, told)
    if job.progress is not progress:
        left.begin(0)
    else:
        best_state = state_of(job.trainer.network) if best and job.validation is not None else job.best_state
        # Both at once: if the memory ends in one of the copies, neither is of an epoch that is undone.
        job.good, job.best_state = GoodState(job.trainer.snapshot(), progress.copy()), best_state
        # Written before anything is told: whoever stops at the first event finds the files complete.
        told += _save(job, best)
    yield done
    yield from told


def _mended(job: TrainingJob, error: TrainingDiverged, left: TimeLeft) -> Generator[EngineEvent, None, None]:
    """Tell a divergence and go back, or tell it and fail."""
    try:
        told = go_back_after(job, error)
    except TrainingDiverged:
        yield divergence_finding(job.progress, error)
        raise
    left.begin(job.progress.step)
    yield from told


def _save(job: TrainingJob, best: bool, *, now: bool = False) -> Generator[EngineEvent, None, None]:
    """Write checkpoint and bundle where they are due; a full disk does not end the training."""
    if job.files is None:
        return
    progress, config = job.progress, job.config
    try:
        if now or progress.epoch % config.checkpoint_every == 0 or progress.epoch == config.epochs:
            path = job.files.save_checkpoint(job, best=best)
            yield CheckpointSaved(path, progress.epoch, progress.step, best)
        if best:
            yield BundleSaved(job.files.save_bundle(bundle_of(job, best=True)))
    except OutputError as error:
        yield MessageLogged("warning", f"The training goes on, but cannot be saved: {error}", shown=True)
    except MemoryError:
        yield MessageLogged("warning", "The training goes on, but cannot be saved: the memory is full.", shown=True)


def _complete(job: TrainingJob) -> Generator[EngineEvent, None, None]:
    bundle = bundle_of(job, best=True)
    folder = None
    if job.ranks.first:
        yield preview(job)
    if job.files is not None:
        try:
            path = job.files.save_bundle(bundle)
        except OutputError as error:
            yield MessageLogged("error", f"The trained network could not be saved: {error}", shown=True)
        else:
            bundle, folder = saved_as(bundle, path), job.files.folder
            yield BundleSaved(path)
    yield TrainingCompleted(bundle, job.progress.history(), folder, job.progress.epoch < job.config.epochs)


def _stops_early(job: TrainingJob) -> bool:
    patience = job.config.early_stop_patience
    return patience is not None and job.progress.epochs_since_best >= patience and job.progress.epoch > 0


def _keep_this_moment(job: TrainingJob) -> None:
    """Write a checkpoint of where the training is left, unless there is one of just this step."""
    if job.files is None or job.files.saved_step == job.progress.step or job.progress.step == 0:
        return
    # Nothing can be told any more; the checkpoint before this one is still there.
    with suppress(OutputError, TrainingDiverged):
        for _ in losses_settled(job):
            pass
        job.files.save_checkpoint(job)


def _opening_notes(job: TrainingJob) -> Iterator[MessageLogged]:
    n_groups, channels = job.batches.grouping.group_indices.shape
    symbol = "k" if job.scans.first.counts is None else "of counts"
    yield MessageLogged(
        "info",
        f"{n_groups} groups of {channels}; input scale {symbol} = {job.input_scale:.6g}; "
        f"intensity scale {job.intensity_scale:.6g}, {job.intensity_scale_origin}",
    )
    yield MessageLogged("info", job.memory_note)
    for scan in job.scans.scans[1:]:
        yield MessageLogged(
            "info",
            f"Also {scan.batches.n_groups} groups of {scan.dataset.name}; input scale k = {scan.input_scale:.6g}; "
            f"{scan.n_photons:g} photons {scan.photons_origin}",
        )
    if not job.scans.resident:
        yield MessageLogged("info", "The patterns are read batch by batch: they do not fit into memory at once")
    if job.files is not None and job.files.resumed_from is not None:
        yield MessageLogged("info", f"Resumed after step {job.progress.step} from {job.files.resumed_from}")


def _description(
    datasets: Sequence[Dataset], config: TrainConfig, test_dataset: Dataset | None, start_from: Bundle | None
) -> dict[str, Any]:
    return {
        "configuration": config.as_dict(),
        "seed": config.seed,
        "dataset": dataset_summary(datasets[0]),
        "further_datasets": [dataset_summary(one) for one in datasets[1:]],
        "test_dataset": None if test_dataset is None else dataset_summary(test_dataset),
        "start_from": None if start_from is None else bundle_summary(start_from),
    }
