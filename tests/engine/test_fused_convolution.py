"""Convolution and ReLU in one pass: the same bits as one after the other, only where nothing is trained."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional

from ptycho_engine.config import ModelConfig
from ptycho_engine.models import fused_convolution
from ptycho_engine.models.fused_convolution import convolve_relu, fused_kinds
from ptycho_engine.models.pinn import build_network

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@pytest.fixture
def layer() -> nn.Conv2d:
    return nn.Conv2d(3, 8, 3, padding=1)


@pytest.fixture
def no_second_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a pass of its own")

    monkeypatch.setattr(functional, "relu", refuse)


@pytest.mark.parametrize("channels_last", [False, True])
def test_one_pass_gives_the_bits_of_two(layer: nn.Conv2d, channels_last: bool, request: pytest.FixtureRequest) -> None:
    if torch.float32 not in fused_kinds():
        pytest.skip("this installation of torch fuses nothing")
    layout = torch.channels_last if channels_last else torch.contiguous_format
    features = torch.randn(2, 3, 12, 12).contiguous(memory_format=layout)
    with torch.inference_mode():
        two = layer(features).clamp(min=0)
        request.getfixturevalue("no_second_pass")
        assert torch.equal(convolve_relu(layer, features), two)


def test_in_bf16_too(layer: nn.Conv2d, request: pytest.FixtureRequest) -> None:
    if torch.bfloat16 not in fused_kinds():
        pytest.skip("this CPU has no bf16")
    features = torch.randn(2, 3, 12, 12)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        two = layer(features).clamp(min=0)
        request.getfixturevalue("no_second_pass")
        one = convolve_relu(layer, features)
    assert one.dtype == torch.bfloat16
    assert torch.equal(one, two)


def test_what_is_trained_keeps_its_gradients(layer: nn.Conv2d) -> None:
    features = torch.randn(2, 3, 12, 12)
    convolve_relu(layer, features).sum().backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().max() > 0


@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
def test_what_cannot_be_fused_is_done_in_two(
    layer: nn.Conv2d, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == torch.float32:
        monkeypatch.setattr(fused_convolution, "fused_kinds", frozenset)
    features, layer = torch.randn(2, 3, 12, 12, dtype=kind), layer.to(kind)
    with torch.inference_mode():
        assert torch.equal(convolve_relu(layer, features), layer(features).clamp(min=0))


def test_no_features_are_no_features(layer: nn.Conv2d) -> None:
    with torch.inference_mode():
        assert convolve_relu(layer, torch.zeros(0, 3, 12, 12)).shape == (0, 8, 12, 12)


@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(gridsize=1, n_filters_scale=1),
        ModelConfig(gridsize=1, n_filters_scale=1, batch_norm=True),
        ModelConfig(gridsize=1, n_filters_scale=1, architecture="full_patch_cnn"),
        ModelConfig(gridsize=1, n_filters_scale=1, release="2026-06"),
    ],
    ids=["cnn", "normalised", "full patch", "2026-06"],
)
def test_a_network_draws_the_same_patches(model: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network(model).eval()
    images = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        fused = network(images)
        monkeypatch.setattr(fused_convolution, "fused_kinds", frozenset)
        assert torch.equal(fused, network(images))
