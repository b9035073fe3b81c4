"""Generators: the tensors of PtychoPINN's, spectral layers as numpy computes them, starts, training, bundles."""

import json
import sys
import warnings
import zipfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.layout import OWN
from ptycho_engine.config import InferConfig, ModelConfig, TrainConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.errors import BundleError, ConfigError
from ptycho_engine.events import EngineEvent, InferenceCompleted, LossMeasured, StepDone, TrainingCompleted
from ptycho_engine.inference import infer
from ptycho_engine.inspection import inspect_file
from ptycho_engine.models.input_transform import transform_input
from ptycho_engine.models.pinn import build_model, build_network, initialise_transparent, load_state, state_of
from ptycho_engine.models.spectral import FactorisedSpectralConv, SpectralConv
from ptycho_engine.recipes import plan_training
from ptycho_engine.training import train
from tests.helpers.cancelled import until
from tests.helpers.tiny_scan import tiny_scan

NAMES = ("fno", "fno_vanilla", "ffno")
SMALL = ModelConfig(gridsize=1, output="real_imag", fno_width=4, fno_modes=3, fno_blocks=2, fno_cnn_blocks=1)
VARIANTS: dict[str, ModelConfig] = {
    "N64_gs1_fno": ModelConfig(gridsize=1, architecture="fno", output="real_imag"),
    "N64_gs1_fno_vanilla": ModelConfig(gridsize=1, architecture="fno_vanilla", output="real_imag"),
    "N64_gs1_ffno": ModelConfig(gridsize=1, architecture="ffno", output="real_imag"),
    "N64_gs2_fno": ModelConfig(architecture="fno", output="real_imag"),
    "N64_gs2_fno_ampphase": ModelConfig(architecture="fno", output="amp_phase"),
}


def make_bundle(model: ModelConfig) -> Bundle:
    torch.manual_seed(0)
    return Bundle("mine", None, "2026-07", model, state_of(build_network(model)), 988.2, "computed from n_photons")


def random_complex(*shape: int) -> np.ndarray[Any, np.dtype[np.complex64]]:
    generator = np.random.default_rng(0)
    return (generator.normal(size=shape) + 1j * generator.normal(size=shape)).astype(np.complex64)


@pytest.mark.shared_data
@pytest.mark.parametrize("variant", VARIANTS)
def test_tensors_are_upstreams_in_name_order_shape_and_type(golden_dir: Path, variant: str) -> None:
    table = json.loads((golden_dir / "state_dict_tables_head.json").read_text())[variant]
    state = state_of(build_network(VARIANTS[variant]))
    assert [(name, list(one.shape), str(one.dtype)) for name, one in state.items()] == [
        (name, shape, dtype) for name, (shape, dtype) in table.items()
    ]


@pytest.mark.shared_data
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_bundle_of_upstreams_tensors_is_identified_and_built(golden_dir: Path, tmp_path: Path, variant: str) -> None:
    table = json.loads((golden_dir / "state_dict_tables_head.json").read_text())[variant]
    state = {name: np.full(shape, 0.01, dtype) for name, (shape, dtype) in table.items()}
    path = tmp_path / "a.zip"
    save_bundle(replace(make_bundle(VARIANTS[variant]), state=state), path)
    back = read_bundle(without_own_member(path))
    assert back.model == VARIANTS[variant]
    assert back.notes == ()
    assert torch.isfinite(build_model(back)(torch.rand(1, back.model.channels, 64, 64)).abs()).all()


def without_own_member(path: Path) -> Path:
    """Leave what PtychoPINN would have written."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != OWN}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(("modes", "height", "width"), [(5, 16, 16), (9, 16, 16), (3, 12, 20)])
def test_the_spectral_layer_keeps_low_columns_and_positive_rows(modes: int, height: int, width: int) -> None:
    layer = SpectralConv(2, modes)
    weights = random_complex(2, 2, modes, modes)
    layer.weights.data = torch.from_numpy(weights)
    images = np.random.default_rng(1).normal(size=(3, 2, height, width)).astype(np.float32)
    spectrum = np.fft.rfft2(images)
    mixed = np.zeros_like(spectrum)
    for out in range(2):
        for into in range(2):
            mixed[:, out, :modes, :modes] += spectrum[:, into, :modes, :modes] * weights[into, out]
    expected = np.fft.irfft2(mixed, s=(height, width))
    assert np.allclose(layer(torch.from_numpy(images)).detach(), expected, atol=1e-5 * np.abs(expected).max())


def test_the_factorised_layer_adds_what_each_axis_gives() -> None:
    layer = FactorisedSpectralConv(2, 4)
    along_x, along_y = random_complex(2, 2, 4), random_complex(2, 2, 4).conj()
    layer.weights_x.data, layer.weights_y.data = torch.from_numpy(along_x), torch.from_numpy(along_y)
    images = np.random.default_rng(1).normal(size=(3, 2, 10, 14)).astype(np.float32)
    expected = np.zeros_like(images)
    for axis, weights in ((3, along_x), (2, along_y)):
        spectrum = np.moveaxis(np.fft.rfft(images, axis=axis), axis, -1)[..., :4]
        mixed = np.stack([sum(spectrum[:, into] * weights[into, out] for into in range(2)) for out in range(2)], axis=1)
        expected += np.moveaxis(np.fft.irfft(mixed, n=images.shape[axis]), -1, axis)
    assert np.allclose(layer(torch.from_numpy(images)).detach(), expected, atol=1e-5 * np.abs(expected).max())


def test_the_input_is_transformed_as_named() -> None:
    images = torch.rand(2, 3, 8, 8) * 5
    values = images.numpy().astype(np.float64)
    mean, spread = values.mean(axis=(2, 3), keepdims=True), values.std(axis=(2, 3), keepdims=True)
    expected = {
        "none": values,
        "sqrt": np.sqrt(values),
        "log1p": np.log1p(values),
        "instancenorm": (values - mean) / spread,
    }
    for name, array in expected.items():
        assert np.allclose(transform_input(images, name), array, atol=1e-4), name
    # The network sees it.
    outputs = []
    for name in expected:
        torch.manual_seed(0)
        model = replace(SMALL, architecture="fno", input_transform=name)
        outputs.append(build_network(model)(images[:, :1].repeat(1, 1, 8, 8)).detach())
    assert all(not torch.allclose(outputs[0], other) for other in outputs[1:])


@pytest.mark.parametrize("output", ["real_imag", "amp_phase", "amp_phase_logits"])
def test_heads_draw_what_the_output_names(output: str) -> None:
    torch.manual_seed(0)
    network = build_network(replace(SMALL, gridsize=2, architecture="fno", output=output))
    autoencoder: Any = network.autoencoder
    images = torch.rand(2, 4, 64, 64)
    features = autoencoder.features(images).detach().numpy()

    def pointwise(layer: torch.nn.Conv2d) -> Any:
        assert layer.bias is not None
        weight, bias = layer.weight.detach().numpy()[:, :, 0, 0], layer.bias.detach().numpy()
        return np.einsum("oi,bihw->bohw", weight, features) + bias[:, None, None]

    if output == "real_imag":
        both = pointwise(autoencoder.output_proj)
        expected = both[:, :4] + 1j * both[:, 4:]
    else:
        amplitude = 1 / (1 + np.exp(-pointwise(autoencoder.output_amp)))
        expected = amplitude * np.exp(1j * np.pi * np.tanh(pointwise(autoencoder.output_phase)))
    assert np.allclose(network(images).detach(), expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("output", "highest"), [("real_imag", 9.0), ("amp_phase", 0.95)])
@pytest.mark.parametrize("amplitude", [0.3, 4.4])
def test_the_transparent_start_is_flat_and_can_learn(name: str, output: str, highest: float, amplitude: float) -> None:
    torch.manual_seed(0)
    model = replace(SMALL, architecture=name, output=output)
    network = build_network(model)
    initialise_transparent(network, model, amplitude)
    images = torch.rand(2, 1, 64, 64)
    patches = network(images)
    assert torch.allclose(patches.abs(), torch.tensor(min(amplitude, highest)), atol=0.15)
    assert patches.angle().abs().max() < 0.4
    target = torch.polar(torch.full_like(images, 0.5), images)
    network.zero_grad()
    (network(images) - target).abs().square().mean().backward()
    assert all(one.grad is not None and one.grad.abs().max() > 0 for one in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(replace(SMALL, architecture=name, gridsize=2, input_transform="sqrt"))
    path = tmp_path / "a.zip"
    save_bundle(bundle, path)
    back = read_bundle(path)
    assert list(back.state) == list(bundle.state)
    assert all(np.array_equal(back.state[key], array) for key, array in bundle.state.items())
    assert (back.model, back.n_parameters) == (bundle.model, bundle.n_parameters)
    images = torch.rand(1, 4, 64, 64)
    assert torch.equal(build_model(back)(images), build_model(bundle)(images))
    # Without our own member the records and the shapes say the same.
    again = read_bundle(without_own_member(path))
    assert (again.model, again.notes) == (replace(bundle.model, n_filters_scale=again.model.n_filters_scale), ())


def test_shapes_are_believed_over_records_and_both_outputs_are_told_apart(tmp_path: Path) -> None:
    bundle = make_bundle(replace(SMALL, architecture="fno", output="amp_phase_logits"))
    lie = replace(SMALL, architecture="fno_vanilla", fno_width=8, fno_blocks=7)
    path = tmp_path / "a.zip"
    save_bundle(replace(bundle, model=lie), path)
    back = read_bundle(without_own_member(path))
    assert back.model == replace(bundle.model, output="amp_phase")
    assert [note.split(";")[0] for note in back.notes] == [
        "The records call the network fno_vanilla, the tensors are of fno",
        "The records say that it draws real_imag, the tensors amp_phase",
    ]
    save_bundle(bundle, path)
    assert read_bundle(without_own_member(path)).model == bundle.model


def test_copies_that_contradict_each_other_are_refused() -> None:
    bundle = make_bundle(replace(SMALL, architecture="ffno"))
    name = "model.autoencoder.ffno_stack.blocks.1.shared_spectral.weights_x"
    state = dict(bundle.state) | {name: bundle.state[name] + 1}
    with pytest.raises(BundleError, match=f"one tensor has values that contradict each other: {name}"):
        load_state(build_network(bundle.model), state)
    broken = {key: array + np.complex64(np.inf) if key == name else array for key, array in bundle.state.items()}
    with pytest.raises(BundleError, match="not finite"):
        load_state(build_network(bundle.model), broken)
    with pytest.raises(BundleError, match="wrong kind of number"):
        load_state(build_network(bundle.model), dict(bundle.state) | {name: bundle.state[name].real.copy()})


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(ConfigError, match="no 40 frequencies"):
        build_network(replace(SMALL, architecture="fno", fno_modes=40))
    with pytest.raises(ConfigError, match="'full_patch_cnn' does not draw real_imag"):
        build_network(replace(SMALL, architecture="full_patch_cnn"))
    probe = np.ones((1, 64, 64), np.complex64)
    with pytest.raises(ConfigError, match="no ladder of filters"):
        plan_training(TrainConfig(architecture="fno", n_filters_scale=2), 64, probe)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_keeps_its_input_for_a_generator(name: str) -> None:
    probe = np.ones((1, 64, 64), np.complex64)
    reliable = plan_training(TrainConfig(architecture=name), 64, probe).model
    assert (reliable.output, reliable.input_transform, reliable.object_big) == ("real_imag", "log1p", False)
    compatible = plan_training(TrainConfig(architecture=name, recipe="compatible"), 64, probe).model
    assert (compatible.output, compatible.input_transform, compatible.object_big) == ("real_imag", "none", True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[EngineEvent]]:
    """A short training of the factorised generator, complex numbers and shared tensors and all, in two parts."""
    out = tmp_path_factory.mktemp("run")
    events = until(_train(out), lambda event: isinstance(event, StepDone) and event.step == 2)
    return out, events + list(_train(out, resume=True))


def _train(out: Path | None, **keywords: Any) -> Generator[EngineEvent, None, None]:
    config = TrainConfig(
        architecture="ffno", gridsize=1, n_groups=4, batch_size=2, epochs=2, accelerator="cpu", preview_count=2
    )
    return train(tiny_scan(), config, test_dataset=tiny_scan(4, 1), out=out, **keywords)


def test_a_resumed_training_equals_an_unbroken_one(run: tuple[Path, list[EngineEvent]]) -> None:
    unbroken = list(_train(None))
    losses = [[one.loss for one in events if isinstance(one, LossMeasured)] for events in (run[1], unbroken)]
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]
    bundles = [one.bundle for events in (run[1], unbroken) for one in events if isinstance(one, TrainingCompleted)]
    assert all(np.array_equal(bundles[0].state[name], array) for name, array in bundles[1].state.items())


def test_what_was_trained_infers_as_it_was_saved(run: tuple[Path, list[EngineEvent]]) -> None:
    trained = next(one.bundle for one in run[1] if isinstance(one, TrainingCompleted))
    assert trained.model.architecture == "ffno"
    canvases = []
    for bundle in (trained, read_bundle(run[0])):
        events = list(infer(tiny_scan(), bundle, InferConfig(accelerator="cpu")))
        canvases += [one.canvas.object_ for one in events if isinstance(one, InferenceCompleted)]
    assert np.array_equal(canvases[0], canvases[1])
    assert np.isfinite(canvases[0]).all()
    rows = inspect_file(run[0] / "wts.h5.zip", layers=True).summary["layers"]
    assert {row["dtype"] for row in rows} == {"float32", "complex64"}


def test_half_precision_leaves_the_transforms_alone() -> None:
    torch.manual_seed(0)
    network = build_network(replace(SMALL, architecture="fno"))
    images = torch.rand(1, 1, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(images)
    assert rough.dtype == torch.complex64
    assert torch.allclose(rough, network(images), atol=0.05)


UNO = ModelConfig(n=128, gridsize=1, architecture="neuralop_uno", output="real_imag")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neuralop.models", None)
    with pytest.raises(ConfigError, match="needs the package neuraloperator") as caught:
        build_network(UNO)
    assert "pip install neuraloperator" in caught.value.hint


@pytest.mark.shared_data
def test_the_operator_of_the_package_is_upstreams(golden_dir: Path, tmp_path: Path, capsys: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("neuralop.models", reason="needs the package neuraloperator")
    table = json.loads((golden_dir / "state_dict_tables_head.json").read_text())["N128_gs1_neuralop_uno"]
    network = build_network(UNO)
    assert capsys.readouterr().out == ""
    state = state_of(network)
    assert [(name, list(one.shape), str(one.dtype)) for name, one in state.items()] == [
        (name, shape, dtype) for name, (shape, dtype) in table.items()
    ]
    initialise_transparent(network, UNO, 2.0)
    patches = network(torch.rand(1, 1, 128, 128))
    assert torch.allclose(patches.abs(), torch.tensor(2.0), atol=0.2)
    path = tmp_path / "a.zip"
    save_bundle(replace(make_bundle(UNO), state=state), path)
    back = read_bundle(without_own_member(path))
    assert back.model == UNO
    assert [note for note in back.notes if "levels of the operator" in note]
    load_state(build_network(back.model), back.state)
    for wrong in (replace(UNO, n=64), replace(UNO, gridsize=2)):
        with pytest.raises(ConfigError, match="takes single patterns of 128 px"):
            build_network(wrong)
