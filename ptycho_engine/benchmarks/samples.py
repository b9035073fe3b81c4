"""Scans and networks to measure with."""

from importlib.resources import files
from pathlib import Path

import torch

from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.formats import read_dataset
from ptycho_engine.models.pinn import build_network, state_of
from ptycho_engine.physics.simulate import SimulateConfig, simulate_scan

N = 64


def simulated_scan(folder: Path, n_scan: int) -> Dataset:
    """Return a noisy scan of a specimen that the trained network has never seen, written to ``folder``."""
    path = folder / f"scan-{n_scan}.npz"
    if not path.exists():
        for _ in simulate_scan(SimulateConfig(n_scan=n_scan, object_kind="cells", seed=7), path):
            pass
    return read_dataset(path)


def trained_bundle() -> Bundle:
    """Return the trained network that comes with the program: gridsize 1, patterns of 64 px."""
    return read_bundle(Path(str(files("resources") / "demo" / "wts.h5.zip")))


def untrained_bundle(architecture: str = "cnn", n_filters_scale: int = 2) -> Bundle:
    """Return a network for single patterns of 64 px, of torch's own random start."""
    model = ModelConfig(n=N, gridsize=1, architecture=architecture, n_filters_scale=n_filters_scale)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = build_network(model)
    return Bundle(architecture, None, model.release, model, state_of(network), 988.2, "made up")
