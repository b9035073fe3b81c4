"""What two processes do together, for the tests of :mod:`ptycho_engine.ranks`; their results go to files."""

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptycho_engine.bundles.read import read_bundle
from ptycho_engine.config import InferConfig, ModelConfig, TrainConfig
from ptycho_engine.documents import Bundle, Canvas
from ptycho_engine.errors import ConfigError, EngineError
from ptycho_engine.events import InferenceCompleted, TrainingCompleted
from ptycho_engine.inference import infer
from ptycho_engine.models.pinn import build_network, initialise_transparent, state_of
from ptycho_engine.process_end import end_process
from ptycho_engine.ranks import ALONE, Ranks, SharedMemoryError, joined
from ptycho_engine.recipes import plan_training
from ptycho_engine.trainer import Trainer
from ptycho_engine.training import train
from ptycho_engine.training_scans import prepare_scans
from tests.helpers.tiny_scan import tiny_scan

N_PROCESSES = 2
TRAINING = TrainConfig(
    gridsize=1, n_groups=7, batch_size=5, epochs=2, learning_rate=1e-4, accelerator="cpu", preview_interval_s=3600.0
)
"""Batches of five and two do not divide evenly; at this rate rounding stays rounding."""
WHOLE = replace(TRAINING, n_groups=45, batch_size=None, epochs=1, learning_rate=None)
"""As the recipe has it: at its rate, the last digit of a step is a tenth of the loss a few epochs later."""
RECIPES = ("reliable", "compatible")
INFERENCE = InferConfig(accelerator="cpu", batch_size=4)
_CPU = torch.device("cpu")


def work(rank: int, folder: Path, port: int) -> None:
    """Do everything as one of two processes, and write what came out."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(N_PROCESSES), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    with joined("cpu") as ranks:
        found: dict[str, Any] = {
            "gradients": {recipe: gradients(recipe, ranks) for recipe in RECIPES},
            "losses": {recipe: losses(recipe, ranks, folder / recipe) for recipe in RECIPES},
            "bits": {recipe: bits(recipe, ranks) for recipe in RECIPES},
            "resumed": losses("compatible", ranks, folder / "compatible", epochs=3, resume=True),
            "canvases": {gridsize: canvas(gridsize, ranks) for gridsize in (1, 2)},
            "told": (_lacking_memory(ranks), _different_settings(ranks)),
        }
        with (folder / f"{rank}.pickle").open("wb") as file:
            pickle.dump(found, file)
        ranks.all(None)
    # As the program ends: threads of the exchange may outlive it, which aborts an interpreter that is taken apart.
    end_process(0)


def gradients(recipe: str, ranks: Ranks) -> torch.Tensor:
    """Return all gradients of one batch of five, the network's part of them in 64 bits."""
    dataset = tiny_scan()
    config = replace(TRAINING, recipe=recipe)
    plan = plan_training(config, dataset.n, dataset.probe)
    scan = prepare_scans([dataset], config, plan, _CPU).first
    trainer = Trainer(config, plan, scan.scene, _CPU, ranks=ranks)
    trainer.network.double()
    batch = scan.batches.batch(scan.batches.all_groups()[:5])
    batch = replace(batch, images=batch.images.double())
    trainer.plan = replace(trainer.plan, learning_rate=0.0, clip_factor=None)
    trainer.step(batch)
    return torch.cat([one.grad.reshape(-1) for one in trainer.parameters if one.grad is not None])


def losses(recipe: str, ranks: Ranks, out: Path, *, epochs: int = 2, resume: bool = False) -> list[float]:
    """Return the losses of a short training's steps and of its test scan."""
    config = replace(TRAINING, recipe=recipe, epochs=epochs)
    events = train(tiny_scan(), config, test_dataset=tiny_scan(seed=1), out=out, resume=resume, ranks=ranks)
    (completed,) = [event for event in events if isinstance(event, TrainingCompleted)]
    if ranks.first:
        read_bundle(out / "wts.h5.zip")
    history = completed.history
    return [*history.step_losses.tolist(), *history.validation_losses.tolist()]


def bits(recipe: str, ranks: Ranks) -> tuple[list[float], dict[str, bytes]]:
    """Return losses and weights of a training as its recipe has it, its last batch an odd one."""
    events = train(tiny_scan(45), replace(WHOLE, recipe=recipe), ranks=ranks)
    (completed,) = [event for event in events if isinstance(event, TrainingCompleted)]
    state = {name: value.tobytes() for name, value in completed.bundle.state.items()}
    return completed.history.step_losses.tolist(), state


def canvas(gridsize: int, ranks: Ranks = ALONE) -> Canvas:
    """Return the canvas of a network that was not trained."""
    model = ModelConfig(gridsize=gridsize, architecture="full_patch_cnn", n_filters_scale=1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = build_network(model)
        initialise_transparent(network, model, 3.0)
        for one in network.parameters():
            # Patches that differ, so that the processes have something to get wrong.
            one.data += 0.01 * torch.randn_like(one)
    bundle = Bundle("tiny", None, "2026-07", model, state_of(network), 9.88, "made up", input_scale=1.0)
    events = infer(tiny_scan(n_scan=30), bundle, INFERENCE, ranks=ranks)
    (completed,) = [event for event in events if isinstance(event, InferenceCompleted)]
    return completed.canvas


def _lacking_memory(ranks: Ranks) -> str:
    try:
        ranks.require_memory("1.5 GiB" if ranks.rank == 1 else None)
    except SharedMemoryError as error:
        return str(error)
    return ""


def _different_settings(ranks: Ranks) -> str:
    try:
        ranks.require_same({"seed": ranks.rank, "scan": "the same"})
    except ConfigError as error:
        return str(error)
    return ""


def _exchange_or_fail(ranks: Ranks) -> None:
    if ranks.rank == 1:
        raise EngineError("the disk is full")
    ranks.all(np.zeros(3))


def fails(rank: int, folder: Path, port: int) -> None:
    """Let the second process fail while the first waits for it; write who tells it."""
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(N_PROCESSES), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    with joined("cpu") as ranks:
        try:
            _exchange_or_fail(ranks)
        except EngineError as error:
            told = ranks.may_tell(error)
            (folder / f"{rank}.txt").write_text(f"{type(error).__name__} {told}")
