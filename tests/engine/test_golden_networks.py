"""Trained upstream networks give upstream's patches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import ModelConfig
from ptycho_engine.models.losses import poisson_loss
from ptycho_engine.models.network import PatchNetwork
from ptycho_engine.models.pinn import build_model, build_network, load_state
from ptycho_engine.physics.forward import predict_amplitude
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


def test_patches_of_november_are_upstreams(golden_dir: Path) -> None:
    folder = golden_dir / "era_nov2025_gs2_untrained"
    network = build_model(read_bundle(folder / "wts.h5.zip"))
    with np.load(folder / "nov_model_io.npz") as golden, torch.inference_mode():
        assert _error(network(torch.from_numpy(golden["images"])), golden["patches"]) <= 1e-5


def test_real_and_imaginary_parts_are_upstreams(golden_dir: Path) -> None:
    folder = golden_dir / "ci_rect_realimag_gs2_untrained"
    bundle = read_bundle(folder / "wts.h5.zip")
    assert bundle.model == ModelConfig(
        n_filters_scale=1, amp_activation="silu", output="real_imag", forward_model="rectangular"
    )
    network = build_model(bundle)
    with np.load(folder / "model_io.npz") as golden, torch.inference_mode():
        assert _error(network(torch.from_numpy(golden["images"])), golden["patches"]) <= 1e-5


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


def _batch(golden: np.lib.npyio.NpzFile) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, local offsets ``(y, x)`` and probe; upstream stores ``(x, y)`` of centre minus position."""
    offsets = -golden["coords_relative"][:, :, 0, ::-1].copy()
    return torch.from_numpy(golden["images"]), torch.from_numpy(offsets), torch.from_numpy(golden["probe"])[None]


def test_the_predicted_amplitude_and_the_loss_are_upstreams(golden_dir: Path, case: str, network: PatchNetwork) -> None:
    with np.load(golden_dir / case / "model_io_first8.npz") as golden:
        images, offsets, probe = _batch(golden)
        with torch.inference_mode():
            predicted = predict_amplitude(network(images), offsets, probe, MODELS[case])
        assert _error(predicted, golden["pred_amplitude"]) <= 1e-5
        scale = torch.from_numpy(golden["physics_scaling_constant"])
        assert poisson_loss(predicted, images, scale).item() == pytest.approx(float(golden["loss"]), rel=1e-5)
        recorded = read_bundle(golden_dir / case / "wts.h5.zip").intensity_scale
        assert recorded == pytest.approx(float(scale.flatten()[0]), rel=1e-6)


def test_five_steps_of_adam_follow_upstream(golden_dir: Path, case: str, network: PatchNetwork) -> None:
    with (
        np.load(golden_dir / case / "adam5_same_batch.npz") as golden,
        np.load(golden_dir / case / "model_io_first8.npz") as inputs,
    ):
        images, offsets, probe = _batch(inputs)
        scale = torch.from_numpy(inputs["physics_scaling_constant"])
        optimiser = torch.optim.Adam(network.parameters(), lr=float(golden["lr"]))
        norms = dict(zip(golden["grad_names"].tolist(), golden["grad_norms"].tolist(), strict=True))
        losses = []
        for step in range(len(golden["losses"])):
            optimiser.zero_grad()
            loss = poisson_loss(predict_amplitude(network(images), offsets, probe, MODELS[case]), images, scale)
            losses.append(loss.item())
            if step == len(golden["losses"]) - 1:
                break
            loss.backward()  # type: ignore[no-untyped-call]
            if step == 0:
                for name, parameter in network.named_parameters():
                    assert parameter.grad is not None
                    assert parameter.grad.norm().item() == pytest.approx(norms[name], rel=1e-3, abs=1.0), name
            optimiser.step()
        assert losses == pytest.approx(golden["losses"].tolist(), rel=1e-4)
