"""The full-patch network: bounds, start, cost beside ``cnn``."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.full_patch import FullPatchCnn
from ptycho_engine.models.pinn import build_network, initialise_transparent, load_state, state_of

MODEL = ModelConfig(gridsize=1, n_filters_scale=1, architecture="full_patch_cnn", input_transform="log1p")


@pytest.mark.parametrize(("n", "gridsize"), [(64, 2), (128, 1), (256, 1)])
def test_the_start_is_a_transparent_object_over_the_whole_patch(n: int, gridsize: int) -> None:
    torch.manual_seed(0)
    model = replace(MODEL, n=n, gridsize=gridsize)
    network = build_network(model)
    initialise_transparent(network, model, 4.4)
    patches = network(torch.rand(1, gridsize**2, n, n))
    assert patches.shape == (1, gridsize**2, n, n)
    assert torch.allclose(patches.abs() / 4.4, torch.tensor(1.0), atol=0.03)
    assert patches.angle().abs().max() < 0.05


def test_every_parameter_learns_from_the_start() -> None:
    torch.manual_seed(0)
    network = build_network(MODEL)
    initialise_transparent(network, MODEL, 0.5)
    (network(torch.rand(2, 1, 64, 64)) - torch.rand(2, 1, 64, 64)).abs().square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_amplitude_and_phase_are_bounded() -> None:
    network = build_network(MODEL)
    initialise_transparent(network, MODEL, 3.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(30.0)
    amplitude, phase = network.autoencoder(1e3 * torch.rand(1, 1, 64, 64))
    assert amplitude.min() >= 0
    assert amplitude.max() <= 6.0
    assert phase.abs().max() <= torch.pi + 1e-6


def test_a_standardised_input_is_the_difference_from_the_mean_pattern() -> None:
    torch.manual_seed(0)
    model = replace(MODEL, input_transform="standardised")
    network, plain = build_network(model), build_network(replace(MODEL, input_transform="none"))
    initialise_transparent(network, model, 1.0)
    plain.load_state_dict(network.state_dict(), strict=False)
    images, mean = torch.rand(2, 1, 64, 64), torch.rand(64, 64)
    assert isinstance(network.autoencoder, FullPatchCnn)
    network.autoencoder.set_standard(mean, 0.25, torch.ones(64, 64, dtype=torch.complex64))
    assert torch.allclose(network(images), plain((images - mean) / 0.25), atol=1e-6)
    again = build_network(model)
    load_state(again, state_of(network))
    assert torch.equal(again(images), network(images))


def test_the_scale_travels_with_the_state() -> None:
    torch.manual_seed(0)
    one, other = build_network(MODEL), build_network(MODEL)
    initialise_transparent(one, MODEL, 2.5)
    load_state(other, state_of(one))
    images = torch.rand(1, 1, 64, 64)
    assert torch.equal(one(images), other(images))
    assert "model.autoencoder.output_scale" not in dict(one.named_parameters())


def test_it_costs_no_more_than_the_cnn() -> None:
    def flops(model: ModelConfig) -> int:
        with torch.device("meta"):
            network = build_network(model)
            images = torch.rand(1, model.channels, 64, 64)
        with FlopCounterMode(display=False) as counter:
            network(images)
        return int(counter.get_total_flops())

    cnn = ModelConfig(gridsize=2)
    assert flops(replace(cnn, architecture="full_patch_cnn")) <= flops(cnn)
