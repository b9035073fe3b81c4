"""Trained upstream networks give upstream's patches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.models.pinn import build_network, load_state
from tests.helpers.golden_states import golden_state

pytestmark = pytest.mark.shared_data
MODELS = {"gs1": ModelConfig(gridsize=1, object_big=False), "gs2": ModelConfig(gridsize=2)}


@pytest.fixture(params=["gs1", "gs2"])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def network(golden_dir: Path, case: str) -> PatchNetwork:
    network = build_network(MODELS[case]).eval()
    load_state(network, golden_state(golden_dir / case / "wts.h5.zip"))
    return network


def _error(found: Tensor, expected: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> float:
    return float(np.abs(found.detach().numpy() - expected).max() / np.abs(expected).max())


def test_patches_are_upstreams(golden_dir: Path, case: str, network: PatchNetwork) -> None:
    with np.load(golden_dir / case / "model_io_first8.npz") as golden:
        images = torch.from_numpy(golden["images"])
        with torch.inference_mode():
            assert _error(network(images), golden["patches"]) <= 1e-5
            amplitude, phase = network.autoencoder(images)
        assert _error(amplitude, golden["amp"]) <= 1e-5
        assert _error(phase, golden["phase"]) <= 1e-5


def test_every_stage_is_upstreams(golden_dir: Path, case: str, network: PatchNetwork) -> None:
    seen: dict[str, Tensor] = {}
    with (
        np.load(golden_dir / case / "activations_first2.npz") as golden,
        np.load(golden_dir / case / "model_io_first8.npz") as inputs,
    ):
        for name in golden.files:
            network.autoencoder.get_submodule(name).register_forward_hook(
                lambda _module, _inputs, output, name=name: seen.__setitem__(name, output)
            )
        with torch.inference_mode():
            network(torch.from_numpy(inputs["images"][:2]))
        errors = {name: _error(seen[name], golden[name]) for name in golden.files}
    assert max(errors.values()) <= 1e-5, errors
