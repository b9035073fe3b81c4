"""Compiled networks: the same numbers, one compilation, nothing changed beside; and on without one where it fails."""

import gc
import os
import weakref
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine import compiled_network
from ptycho_engine.compiled_network import CompiledNetwork, missing_compiler
from ptycho_engine.config import InferConfig, ModelConfig
from ptycho_engine.device import arithmetic
from ptycho_engine.documents import Bundle
from ptycho_engine.events import EngineEvent, InferenceCompleted, MessageLogged, StepDone, TrainingCompleted
from ptycho_engine.inference import infer
from ptycho_engine.models.network import PatchModule, PatchNetwork
from ptycho_engine.models.pinn import build_network
from ptycho_engine.trainer import Trainer
from tests.faults.test_memory import ERRORS
from tests.faults.tiny_training import losses, of, shown, training, weights
from tests.helpers.tiny_scan import tiny_scan

CPU = torch.device("cpu")
MODEL = ModelConfig(n=64, gridsize=1, n_filters_scale=1)
needs_compiler = pytest.mark.skipif(bool(missing_compiler()), reason=f"cannot compile here: {missing_compiler()}")


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Follow what the compiler is given, without making machine code of it: the shape of the first pattern of each."""
    seen: list[list[int]] = []

    def follow(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        seen.append([one.shape[0] for one in inputs if one.ndim == 4 and tuple(one.shape[-2:]) == (64, 64)])
        return graph.forward

    monkeypatch.setattr(compiled_network, "_BACKEND", follow)
    monkeypatch.setattr(compiled_network, "missing_compiler", lambda: "")
    # Whatever other tests have compiled counts as well.
    compiled_network.forget_compiled()
    return seen


def said(events: list[EngineEvent], words: str) -> list[str]:
    return [one.text for one in of(events, MessageLogged) if words in one.text]


@pytest.mark.parametrize("recipe", ["compatible", "reliable"])
def test_a_training_compiles_once_and_gives_the_same_losses(recipe: str, graphs: list[list[int]]) -> None:
    # Two batches of four and one of two: the last is drawn without what was compiled.
    settings: dict[str, Any] = {"recipe": recipe, "n_groups": 10, "epochs": 3}
    plain = list(training(**settings))
    assert not graphs
    compiled = list(training(**settings, compiled=True))
    assert graphs == [[4]]
    np.testing.assert_allclose(losses(compiled), losses(plain), rtol=1e-5)
    assert len(said(compiled, "was compiled for batches of 4 in ")) == len(said(compiled, "is to be compiled")) == 1
    assert weights(compiled).keys() == weights(plain).keys()
    assert of(compiled, TrainingCompleted)[0].bundle.training["compiled"] is True
    assert not shown(compiled)


def test_a_halved_training_is_compiled_for_halves(graphs: list[list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer.step
    failed: list[bool] = []

    def short(trainer: Trainer, *batch: Any) -> object:
        if not failed and trainer.n_parts == 1:
            failed.append(True)
            raise ERRORS["device"]()
        return step(trainer, *batch)

    monkeypatch.setattr(Trainer, "step", short)
    halved = list(training(compiled=True, recipe="compatible"))
    assert graphs == [[4], [2]]
    assert [event.step for event in of(halved, StepDone)] == [1, 2, 3, 4]
    assert said(halved, "was compiled")[-1].startswith("The network was compiled for batches of 2 in ")


def test_where_there_is_no_compiler_a_training_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setenv("CXX", "no-such-compiler")
    plain, compiled = (list(training(epochs=1, compiled=one)) for one in (False, True))
    (warning,) = shown(compiled)
    assert warning == (
        "No C++ compiler was found (no-such-compiler): the network computes uncompiled, with the same results"
    )
    assert weights(compiled) == weights(plain)


def _bundle() -> Bundle:
    return of(list(training(epochs=1)), TrainingCompleted)[0].bundle


def _inferred(bundle: Bundle, **settings: Any) -> tuple[list[EngineEvent], np.ndarray[Any, Any]]:
    config = replace(InferConfig(accelerator="cpu", batch_size=5, fit_ramp=False), **settings)
    events = list(infer(tiny_scan(), bundle, config))
    return events, of(events, InferenceCompleted)[0].canvas.object_


def test_an_inference_compiles_once_or_goes_on_without(
    graphs: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = _bundle()
    _, plain = _inferred(bundle)
    events, compiled = _inferred(bundle, compiled=True)
    # Two batches of five; the last two patterns are drawn without what was compiled.
    assert graphs == [[5]]
    np.testing.assert_allclose(compiled, plain, atol=1e-6 * float(np.abs(plain).max()))
    assert said(events, "was compiled for batches of 5 in ")

    def fails(*_: object) -> None:
        raise RuntimeError("\nbackend='own' raised:\ncc1plus: out of luck\nmore")

    monkeypatch.setattr(compiled_network, "_BACKEND", fails)
    events, uncompiled = _inferred(bundle, compiled=True)
    (warning,) = shown(events)
    assert warning.startswith("The network could not be compiled (")
    assert "\n" not in warning
    np.testing.assert_array_equal(uncompiled, plain)


def test_compiling_changes_nothing_of_the_network(graphs: list[list[int]]) -> None:
    network = build_network(replace(MODEL, batch_norm=True)).train()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    compiled, images = CompiledNetwork(network), torch.rand(3, 1, 64, 64)
    random = torch.get_rng_state()
    told = compiled.compile_for(images, lambda: arithmetic(CPU, "32"), gradients=True)
    assert told.level == "info"
    assert graphs
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())
    assert all(one.grad is None for one in network.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_whole_batches_are_drawn_by_what_was_compiled_and_smaller_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counting(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., Any]:
        def draw(*inputs: torch.Tensor) -> Any:
            drawn.append(1)
            return graph.forward(*inputs)

        return draw

    monkeypatch.setattr(compiled_network, "_BACKEND", counting)
    monkeypatch.setattr(compiled_network, "missing_compiler", lambda: "")
    network, images = PatchNetwork(MODEL, _OneLayer()), torch.rand(3, 1, 64, 64)
    compiled = CompiledNetwork(network)
    with torch.inference_mode():
        assert compiled.compile_for(images, lambda: arithmetic(CPU, "32"), gradients=False).level == "info"
        drawn.clear()
        for count, expected in ((3, 1), (3, 2), (2, 2)):
            torch.testing.assert_close(compiled(images[:count]), network(images[:count]), rtol=1e-5, atol=1e-6)
            assert len(drawn) == expected


def test_nothing_of_a_compiled_training_stays(graphs: list[list[int]]) -> None:
    held: list[weakref.ref[PatchNetwork]] = []
    build = Trainer.compile_steps

    def noted(trainer: Trainer, images: torch.Tensor) -> MessageLogged:
        held.append(weakref.ref(trainer.network))
        return build(trainer, images)

    # The compiler's own way to change a setting for a while: pytest's leaves it without one.
    limit = import_module("torch._dynamo").config.patch(recompile_limit=1)
    with pytest.MonkeyPatch.context() as patch, limit:
        patch.setattr(Trainer, "compile_steps", noted)
        # Room for one network of a kind: were it not given back, the second would silently not be compiled.
        for size in (4, 3):
            assert of(list(training(epochs=1, n_groups=size, batch_size=size, compiled=True)), StepDone)
    assert graphs == [[4], [3]]
    gc.collect()
    assert [one() for one in held] == [None, None]


class _OneLayer(PatchModule):
    """A network so small that it is compiled in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        drawn = torch.relu(self.layer(images))
        return drawn[:, :1], torch.tanh(drawn[:, 1:])


@needs_compiler
@pytest.mark.timeout(900)  # The C++ compiler has to wait for its turn like anyone else.
def test_machine_code_gives_the_same_patches_and_gradients() -> None:
    network = PatchNetwork(MODEL, _OneLayer())
    images = torch.rand(3, 1, 64, 64)
    compiled = CompiledNetwork(network)
    told = compiled.compile_for(images, lambda: arithmetic(CPU, "32"), gradients=True)
    assert told.level == "info", told.text
    found = []
    for draw in (network, compiled):
        network.zero_grad()
        patches = draw(images)
        torch.view_as_real(patches).square().sum().backward()  # type: ignore[no-untyped-call]
        found.append([patches.detach(), *(one.grad for one in network.autoencoder.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
