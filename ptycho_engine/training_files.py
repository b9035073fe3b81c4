"""What a training keeps on disk for itself: checkpoints to resume from, and the bundle."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_engine import __version__
from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.atomic import free_space, space_text
from ptycho_engine.bundles.checkpoint import Checkpoint, prune_checkpoints, read_checkpoint, save_checkpoint
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.errors import BundleError, ConfigError, EngineError, OutputError, TrainingDiverged
from ptycho_engine.models.pinn import load_state, state_of
from ptycho_engine.physics.scaling import probe_energy
from ptycho_engine.runs.run_folder import BUNDLE_FILE, list_checkpoints
from ptycho_engine.training_state import GoodState, Progress

if TYPE_CHECKING:
    from ptycho_engine.training_job import TrainingJob

FREE_SETTINGS = frozenset(
    {
        "epochs",
        "accelerator",
        "compiled",
        "early_stop_patience",
        "checkpoint_every",
        "preview_interval_s",
        "preview_count",
        "log_every",
        "log_patch_stats",
        "patch_stats_limit",
        "remedy",
    }
)
"""Settings that may differ when a training is resumed: they do not change what was computed so far."""
SAVE_INTERVAL_S = 300.0
"""Longest time between two checkpoints: an epoch may take hours."""
_NETWORKS_ON_DISK = 4 * 6 + 2
"""Three checkpoints and the one being written, each of weights and moments, twice in the middle of an epoch; the bundle
and the one being written."""
_SCALE_TOLERANCE = 1e-6
_GOOD, _GOOD_OPTIMISER = "good-state/", "good-optimiser/"


class TrainingFiles:
    """The checkpoints and the bundle of one training.

    Parameters
    ----------
    folder
        The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best: Path | None = None
        self.saved_step = -1
        """Steps done at the newest checkpoint of this session."""
        self._tried_s = time.monotonic()
        self.resumed_from: Path | None = None

    def newest(self) -> Path | None:
        """Return the newest checkpoint, if there is one."""
        found = list_checkpoints(self.folder)
        return found[-1] if found else None

    @property
    def bundle_path(self) -> Path:
        """Where the bundle is written."""
        return self.folder / BUNDLE_FILE

    def save_checkpoint(self, job: "TrainingJob", *, best: bool = False) -> Path:
        """Write the state of this moment, then remove old ones: the newest two and the best are kept."""
        self._tried_s = time.monotonic()
        progress = job.progress
        name = f"epoch-{progress.epoch:04d}" + (f"-step-{progress.step:06d}" if progress.batch else "")
        path = make_folder(self.folder / "checkpoints") / f"{name}.ckpt"
        save_checkpoint(checkpoint_of(job), path)
        self.saved_step = progress.step
        if best:
            self.best = path
        prune_checkpoints(list_checkpoints(self.folder), best=self.best)
        return path

    def is_due(self, step: int) -> bool:
        """Whether the newest checkpoint is so old that one is written in the middle of an epoch."""
        return step != self.saved_step and time.monotonic() - self._tried_s >= SAVE_INTERVAL_S

    def require_space(self, job: "TrainingJob") -> None:
        """Raise ``OutputError`` if what the training keeps will not fit on the disk."""
        n_bytes = sum(one.numel() * one.element_size() for one in job.trainer.network.state_dict().values())
        free = free_space(self.folder)
        needed = n_bytes * _NETWORKS_ON_DISK
        if free is not None and free < needed:
            raise OutputError(
                f"there is too little space: {space_text(free)} are free, the training keeps {space_text(needed)}",
                "Free some space or choose another folder.",
                file=self.folder,
            )

    def begin_anew(self, job: "TrainingJob") -> Path:
        """Remove the checkpoints of a start that collapsed, and write that of the new one."""
        # In this order: without any checkpoint a resumed training collapses, and begins anew, in the same way.
        prune_checkpoints(list_checkpoints(self.folder), newest=0)
        self.best = None
        return self.save_checkpoint(job)

    def forget_after(self, epoch: int, step: int) -> None:
        """Remove checkpoints of the steps that are undone: one that was written in the middle of this epoch."""
        begun, last = f"epoch-{epoch:04d}-step-", f"epoch-{epoch:04d}-step-{step:06d}"
        undone = [one for one in list_checkpoints(self.folder) if one.name.startswith(begun) and one.stem > last]
        prune_checkpoints(undone, newest=0)

    def save_bundle(self, bundle: Bundle) -> Path:
        """Write the bundle in the place of the one before."""
        save_bundle(bundle, self.bundle_path)
        return self.bundle_path

    def restore(self, job: "TrainingJob") -> None:
        """Put a training where its newest readable checkpoint left it; without one it begins at the start."""
        refused: BundleError | None = None
        for path in reversed(list_checkpoints(self.folder)):
            try:
                checkpoint = read_checkpoint(path)
            except BundleError as error:
                refused = refused or error
                continue
            restore_checkpoint(checkpoint, job, path)
            self.resumed_from = path
            self._restore_best(job)
            return
        if refused is not None:
            raise refused

    def _restore_best(self, job: "TrainingJob") -> None:
        progress = job.progress
        best = self.folder / "checkpoints" / f"epoch-{progress.best_epoch + 1:04d}.ckpt"
        self.best = best if best.exists() else None
        if job.validation is None or progress.best_epoch < 0:
            return
        try:
            bundle = read_bundle(self.bundle_path)
        except EngineError:
            return
        # A bundle from after the checkpoint belongs to epochs that are computed anew.
        known = (bundle.provenance.get("epoch"), bundle.provenance.get("attempt", 0))
        if known == (progress.best_epoch, progress.attempt):
            job.best_state = bundle.state


def checkpoint_of(job: "TrainingJob") -> Checkpoint:
    """Return everything that a resumed training needs.

    Raises
    ------
    TrainingDiverged
        If a weight is not finite: such a state is never written.
    """
    state = state_of(job.trainer.network)
    if not all(np.isfinite(tensor).all() for tensor in state.values()):
        raise TrainingDiverged("a weight is not finite any more", "Lower the learning rate.", file=job.dataset.path)
    losses = torch.stack(job.epoch_losses).tolist() if job.epoch_losses else []
    between = job.progress.batch > 0
    return Checkpoint(
        state=state,
        optimiser=job.trainer.optimiser_state() | (_good_arrays(job) if between else {}),
        values={
            "configuration": job.config.as_dict(),
            "model": job.plan.model.as_dict(),
            "input_scale": job.input_scale,
            "dataset_fingerprint": job.dataset.fingerprint,
            "further_scans": _further_scans(job),
            "progress": job.progress.as_dict(),
            "epoch_losses": losses,
            # At the end of an epoch the state itself is the good one.
            "good": job.good.progress.as_dict() if between else None,
        },
    )


def _good_arrays(job: "TrainingJob") -> dict[str, NDArray[Any]]:
    """Return the state that the training goes back to when it diverges."""
    state = job.good.trainer
    arrays = {f"{_GOOD}{name}": _host(tensor) for name, tensor in state.network.items()}
    for name, moments in state.optimiser.items():
        arrays |= {f"{_GOOD_OPTIMISER}{name}/{key}": _host(tensor) for key, tensor in moments.items()}
    norms, count = state.clip
    return arrays | {f"{_GOOD_OPTIMISER}clip/norms": norms, f"{_GOOD_OPTIMISER}clip/count": np.array(count, np.int64)}


def _host(tensor: torch.Tensor) -> NDArray[Any]:
    return tensor.cpu().contiguous().numpy().copy()


def _under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): one for name, one in arrays.items() if name.startswith(prefix)}


def restore_checkpoint(checkpoint: Checkpoint, job: "TrainingJob", path: Path) -> None:
    """Put a training where a checkpoint left it.

    Raises
    ------
    EngineError
        If the checkpoint is of another training.
    """
    values = checkpoint.values
    try:
        earlier = TrainConfig.from_dict(values["configuration"])
        progress = Progress.from_dict(values["progress"])
        good = progress.copy() if values["good"] is None else Progress.from_dict(values["good"])
        scale, losses = float(values["input_scale"]), [float(loss) for loss in values["epoch_losses"]]
        earlier_scans = [str(one["fingerprint"]) for one in values.get("further_scans", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError("the checkpoint does not hold what a training needs", "Train anew.", file=path) from error
    require_same_training(job.config, earlier, path)
    _require_same_network(job.plan.model.as_dict(), values.get("model"), path)
    further = [one["fingerprint"] for one in _further_scans(job)]
    if abs(scale / job.input_scale - 1.0) > _SCALE_TOLERANCE or further != earlier_scans:
        raise ConfigError("the checkpoint was made with other scans", "Resume with the same scans.", file=path)
    trainer, arrays = job.trainer, checkpoint.optimiser
    if values["good"] is not None:
        load_state(trainer.network, _under(arrays, _GOOD))
        trainer.restore_optimiser(_under(arrays, _GOOD_OPTIMISER))
        job.good = GoodState(trainer.snapshot(), good)
    load_state(trainer.network, checkpoint.state)
    trainer.restore_optimiser({name: one for name, one in arrays.items() if not name.startswith("good-")})
    if values["good"] is None:
        job.good = GoodState(trainer.snapshot(), good)
    trainer.rate_factor, trainer.n_parts = progress.rate_factor, progress.n_parts
    job.progress = progress
    # In float64, which holds the losses of either profile exactly.
    job.epoch_losses = [torch.tensor(loss, dtype=torch.float64, device=job.device) for loss in losses]


def require_same_training(config: TrainConfig, earlier: TrainConfig, path: Path) -> None:
    """Raise ``ConfigError`` if a checkpoint was made with settings that would have given other numbers."""
    now, then = config.as_dict(), earlier.as_dict()
    changed = [name for name in now if name not in FREE_SETTINGS and now[name] != then[name]]
    if changed:
        told = ", ".join(f"{name} was {then[name]} and is {now[name]}" for name in changed)
        raise ConfigError(f"the training cannot be resumed with other settings: {told}", "Keep them.", file=path)


def _require_same_network(planned: Mapping[str, Any], earlier: object, path: Path) -> None:
    """Raise ``ConfigError`` if the recipe planned another network for the checkpoint, as an older version may have."""
    then = earlier if isinstance(earlier, dict) else {}
    told = ", ".join(
        f"{name} was {then.get(name)} and is {now}" for name, now in planned.items() if now != then.get(name)
    )
    if told:
        raise ConfigError(
            f"the training cannot be resumed: its recipe had another network then ({told})",
            f"Resume with the version that began it, or train on from its bundle, {BUNDLE_FILE}, in another folder.",
            file=path,
        )


def bundle_of(job: "TrainingJob", *, best: bool) -> Bundle:
    """Return the network as a bundle: the weights of the best epoch, or those of this moment."""
    state = job.best_state if best and job.best_state is not None else state_of(job.trainer.network)
    epoch = job.progress.best_epoch if best and job.best_state is not None else job.progress.epoch - 1
    dataset = job.dataset
    return Bundle(
        name=BUNDLE_FILE,
        path=None,
        era=job.plan.model.release,
        model=job.plan.model,
        state=state,
        intensity_scale=job.intensity_scale,
        intensity_scale_origin=job.intensity_scale_origin,
        input_scale=job.scans.first.amplitude_scale,
        n_photons=job.scans.first.n_photons,
        count_statistics=job.scans.first.scene.statistics,
        # What the recipe chose is recorded as chosen: the words of the settings alone do not repeat a training.
        training=job.config.as_dict() | {"batch_size": job.plan.batch_size, "learning_rate": job.plan.learning_rate},
        provenance={
            "program": "ptychoscope",
            "version": __version__,
            "seed": job.config.seed,
            "epoch": epoch,
            "attempt": job.progress.attempt,
            "remedies": list(job.progress.remedies),
            "rehearsal_steps": job.progress.rehearsed,
            "dataset": dataset.name,
            "dataset_fingerprint": dataset.fingerprint,
            "probe_energy": probe_energy(dataset.probe),
            "further_scans": _further_scans(job),
        }
        | _set_count_scale(job),
        history=job.progress.history(),
    )


def _set_count_scale(job: "TrainingJob") -> dict[str, Any]:
    """Return the count scale that a person's number of photons gave: a scan in the same units has the same."""
    counts = job.scans.first.counts
    if counts is None or counts.set_scale is None:
        return {}
    return {"count_scale": counts.set_scale, "count_scale_of": counts.measurement}


def _further_scans(job: "TrainingJob") -> list[dict[str, Any]]:
    return [
        {
            "name": scan.dataset.name,
            "fingerprint": scan.dataset.fingerprint,
            "input_scale": scan.input_scale,
            "n_photons": scan.n_photons,
        }
        for scan in job.scans.scans[1:]
    ]


def saved_as(bundle: Bundle, path: Path) -> Bundle:
    """Return a bundle that knows where it was saved."""
    return replace(bundle, path=path)
