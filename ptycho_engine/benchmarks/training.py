"""Training: the engine's optimiser step, against a plain loop over the same network and loss."""

from collections.abc import Iterator
from pathlib import Path

import torch

from ptycho_engine.batches import Batch
from ptycho_engine.benchmarks.inference import forward_flops
from ptycho_engine.benchmarks.machine import Machine
from ptycho_engine.benchmarks.measuring import in_turns
from ptycho_engine.benchmarks.row import OWN, Limit, Row, faster
from ptycho_engine.benchmarks.samples import simulated_scan
from ptycho_engine.benchmarks.settings import BenchSettings
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.models.losses import poisson_loss
from ptycho_engine.physics.forward import predict_amplitude
from ptycho_engine.recipes import Plan, plan_training
from ptycho_engine.trainer import Scene, Trainer, fresh_network
from ptycho_engine.training_scans import TrainingScan, prepare_scans

_PLAIN = "a plain loop (contiguous, default Adam)"
_IN_BF16 = "this program, bf16"
_COMPILED = "this program, compiled"
_CPU = torch.device("cpu")
_FORWARD_AND_BACKWARD = 3
"""A backward pass takes about two forward ones."""


def training(settings: BenchSettings, machine: Machine, folder: Path) -> Iterator[Row]:
    """Measure steps of 4 and of 16 patterns of PtychoPINN's own network, as PtychoPINN trains it."""
    dataset = simulated_scan(folder, 256)
    for batch_size in (16,) if settings.quick else (4, 16):
        yield _steps(dataset, batch_size, settings, machine)


class PlainLoop:
    """What anyone would write: contiguous tensors and torch's own Adam with its defaults.

    Parameters
    ----------
    plan, seed
        Network and learning rate, and the seed of the start.
    batch
        What each step takes.
    scene
        Probe and intensity scale.
    """

    def __init__(self, plan: Plan, seed: int, batch: Batch, scene: Scene) -> None:
        self._network = fresh_network(plan, seed).train()
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=plan.learning_rate)
        self._model, self._scene = plan.model, scene
        self._images, self._offsets = batch.images.contiguous(), batch.local_offsets

    def step(self) -> torch.Tensor:
        """Do one step; return its loss."""
        self._optimiser.zero_grad()
        patches = self._network(self._images)
        predicted = predict_amplitude(patches, self._offsets, self._scene.probe, self._model)
        loss = poisson_loss(predicted, self._images, self._scene.intensity_scale)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return loss.detach()


def training_parts(dataset: Dataset, batch_size: int, precision: str) -> tuple[Trainer, TrainingScan, Batch]:
    """Return a trainer of the recipe ``upstream``, its scan and its first batch."""
    config = TrainConfig(
        gridsize=1, n_groups=64, batch_size=batch_size, recipe="upstream", precision=precision, accelerator="cpu"
    )
    plan = plan_training(config, dataset.n, dataset.probe)
    scan = prepare_scans([dataset], config, plan, _CPU).first
    return Trainer(config, plan, scan.scene, _CPU), scan, scan.batches.batch(scan.batches.all_groups()[:batch_size])


def _steps(dataset: Dataset, batch_size: int, settings: BenchSettings, machine: Machine) -> Row:
    trainer, scan, batch = training_parts(dataset, batch_size, "32")
    half, _, _ = training_parts(dataset, batch_size, "bf16")
    plain = PlainLoop(trainer.plan, TrainConfig().seed, batch, scan.scene)
    ways = {OWN: lambda: trainer.step(batch), _PLAIN: plain.step, _IN_BF16: lambda: half.step(batch)}
    compiled, values, note = _compiled_trainer(dataset, batch_size, trainer, batch, settings)
    if compiled is not None:
        ways[_COMPILED] = lambda: compiled.step(batch)
    timings = in_turns(ways, settings.rounds)
    values["patches_per_s"] = batch_size / timings[OWN].median
    values["patches_per_s_bf16"] = batch_size / timings[_IN_BF16].median
    if compiled is not None:
        values["patches_per_s_compiled"] = batch_size / timings[_COMPILED].median
    flops = _FORWARD_AND_BACKWARD * forward_flops(trainer.network, batch.images)
    return Row(
        "training",
        f"cnn, steps of {batch_size} patterns of {dataset.n} px",
        timings,
        (
            faster(">= 1.15x a plain loop", 1.15, timings[OWN], timings[_PLAIN]),
            faster(
                ">= 2x in bf16 where the CPU has matrix units (AMX)",
                2,
                timings[_IN_BF16],
                timings[_PLAIN],
                applies=machine.matrix_units,
            ),
        ),
        Limit("matrix products in float32", flops / machine.matmul_flops),
        values,
        note,
    )


def _compiled_trainer(
    dataset: Dataset, batch_size: int, plain: Trainer, batch: Batch, settings: BenchSettings
) -> tuple[Trainer | None, dict[str, float], str]:
    """Return a trainer with a compiled network, how much its first loss differs, and how long compiling took.

    There is none where it is not asked, or fails; the text then says why.
    """
    if settings.quick:
        return None, {}, ""
    trainer, _, _ = training_parts(dataset, batch_size, "32")
    told = trainer.compile_steps(batch.images)
    if told.level != "info":
        return None, {}, told.text
    losses = [float(one.step(batch).loss) for one in (plain, trainer)]
    return trainer, {"relative_difference_of_loss_compiled": abs(losses[1] / losses[0] - 1.0)}, told.text
