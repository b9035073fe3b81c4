"""The convolutional network: what it draws, strict loading, the transparent start."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import BundleError, ConfigError
from ptycho_engine.models.architectures import ARCHITECTURES, Architecture
from ptycho_engine.models.cnn import Cnn
from ptycho_engine.models.heads import inverse_silu
from ptycho_engine.models.pinn import build_network, initialise_transparent, load_state, state_of

SMALL = ModelConfig(gridsize=1, n_filters_scale=1)


@pytest.mark.parametrize(("n", "gridsize"), [(64, 3), (128, 1), (256, 2)])
def test_every_supported_side_gives_patches_of_that_side(n: int, gridsize: int) -> None:
    network = build_network(ModelConfig(n=n, gridsize=gridsize, n_filters_scale=1)).eval()
    patches = network(torch.rand(1, gridsize**2, n, n))
    assert patches.shape == (1, gridsize**2, n, n)
    assert patches.dtype == torch.complex64


def test_one_channel_networks_take_the_members_of_a_group_one_by_one() -> None:
    network = build_network(ModelConfig(gridsize=2, object_big=False, n_filters_scale=1)).eval()
    images = torch.rand(2, 4, 64, 64)
    together, alone = network(images), network(images.reshape(8, 1, 64, 64))
    assert torch.equal(together, alone.reshape(2, 4, 64, 64))


def test_the_border_never_touches_the_centre() -> None:
    torch.manual_seed(0)
    with_border = build_network(SMALL)
    without = build_network(replace(SMALL, probe_big=False))
    load_state(without, state_of(with_border))
    images = torch.rand(1, 1, 64, 64)
    one, other = with_border(images), without(images)
    assert torch.equal(one[..., 16:48, 16:48], other[..., 16:48, 16:48])
    assert not other[..., :16, :].any()
    assert one[..., :16, :].abs().min() > 0


def test_channels_last_gives_the_same_patches() -> None:
    torch.manual_seed(0)
    network = build_network(SMALL).eval()
    images = torch.rand(2, 1, 64, 64)
    plain = network(images)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert torch.allclose(network(images), plain, atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "highest"),
    [({"amp_activation": "swish"}, 9.0), ({"amp_activation": "sigmoid"}, 0.95), ({"output": "real_imag"}, 1.15)],
)
@pytest.mark.parametrize("amplitude", [0.05, 0.5, 4.4])
def test_the_transparent_start_is_flat_and_can_learn(setting: dict[str, Any], highest: float, amplitude: float) -> None:
    torch.manual_seed(0)
    model = replace(SMALL, **setting)
    network = build_network(model)
    initialise_transparent(network, model, amplitude)
    patches = network(torch.rand(2, 1, 64, 64))
    reached = min(amplitude, highest)
    assert torch.allclose(patches.abs(), torch.tensor(reached), atol=0.02)
    assert patches.imag.abs().max() < 0.03 * max(reached, 1.0)
    target = torch.rand(2, 1, 64, 64)
    (patches - target).abs().square().mean().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_start_reads_what_patterns_differ_by_and_hardly_what_is_even(gridsize: int) -> None:
    torch.manual_seed(0)
    model = replace(SMALL, gridsize=gridsize)
    network = build_network(model)
    initialise_transparent(network, model, 0.5)
    assert isinstance(network.autoencoder, Cnn)
    first = network.autoencoder.encoder.first_layer
    with torch.no_grad():
        even = first(torch.ones(1, gridsize**2, 16, 16))[..., 1:-1, 1:-1].square().mean()
        noise = first(torch.randn(8, gridsize**2, 64, 64)).square().mean()
    # He's rule gives 2 for both; 4 times as much of what sums to zero, and 0.09 times as much of what is even.
    assert 0 < even < noise / 20
    assert 5 < noise < 10


@pytest.mark.parametrize("amplitude", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_start_is_refused(amplitude: float) -> None:
    with pytest.raises(ConfigError, match="cannot start"):
        initialise_transparent(build_network(SMALL), SMALL, amplitude)


@pytest.mark.parametrize("value", [1e-9, 0.01, 0.3, 1.0, 8.0, 5000.0])
def test_inverse_silu(value: float) -> None:
    x = torch.tensor(inverse_silu(value), dtype=torch.float64)
    assert torch.nn.functional.silu(x).item() == pytest.approx(value, rel=1e-12)


def test_a_state_comes_back_bit_for_bit_and_is_read_only() -> None:
    one, other = build_network(SMALL), build_network(SMALL)
    state = state_of(one)
    load_state(other, state)
    assert all(np.array_equal(array, state_of(other)[name]) for name, array in state.items())
    with pytest.raises(ValueError, match="read-only"):
        next(iter(state.values()))[...] = 0


HEAD = "model.autoencoder.decoder_amp.amp.conv2.bias"


def _without(state: dict[str, Any]) -> None:
    for name in list(state)[:7]:
        del state[name]


def _extra(state: dict[str, Any]) -> None:
    state["model.stranger"] = np.ones(1, np.float32)


def _longer(state: dict[str, Any]) -> None:
    state[HEAD] = np.ones(2, np.float32)


def _complex(state: dict[str, Any]) -> None:
    state[HEAD] = np.ones(1, np.complex64)


def _infinite(state: dict[str, Any]) -> None:
    state[HEAD] = np.full(1, np.inf, np.float32)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without, "7 tensors are missing: .*conv1.weight.* and 2 more"),
        (_extra, "one tensor is not of this network: model.stranger"),
        (_longer, r"one tensor has the wrong shape: .*conv2.bias \(2,\) instead of \(1,\)"),
        (_complex, "one tensor holds the wrong kind of number: .*complex64"),
        (_infinite, "one tensor holds values that are not finite: .*conv2.bias"),
    ],
)
def test_a_wrong_state_is_refused_and_changes_nothing(spoil: Any, message: str) -> None:
    network = build_network(SMALL)
    before = state_of(network)
    state = {name: array + array.dtype.type(1) for name, array in before.items()}
    spoil(state)
    with pytest.raises(BundleError, match=message):
        load_state(network, state)
    assert all(np.array_equal(array, state_of(network)[name]) for name, array in before.items())


def test_what_cannot_be_built_says_so() -> None:
    with pytest.raises(ConfigError, match="architecture 'nix' cannot be built"):
        build_network(replace(SMALL, architecture="nix"))
    with pytest.raises(ConfigError, match="takes its input as it is"):
        build_network(replace(SMALL, input_transform="log1p"))
    with pytest.raises(ConfigError, match="leaves no features"):
        build_network(ModelConfig(gridsize=6, n_filters_scale=1))


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        ARCHITECTURES.register("cnn", Architecture("", "", ARCHITECTURES.get("cnn").build))
