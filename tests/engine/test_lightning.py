"""Lightning checkpoints open as bundles: weights and settings are read, nothing else, and nothing is run."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.upstream_tables import DATA_CONFIG, MODEL_CONFIG
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.errors import BundleError
from ptycho_engine.inspection import inspect_file
from ptycho_engine.models.pinn import build_model, build_network, state_of
from tests.helpers.lightning_file import lightning_checkpoint

MODEL = ModelConfig(gridsize=2, n_filters_scale=1, cbam_encoder=False)


def make_bundle(model: ModelConfig = MODEL) -> Bundle:
    torch.manual_seed(0)
    state = state_of(build_network(model))
    return Bundle("a", None, "2026-07", model, state, 988.2, "", n_photons=2e8, training={"learning_rate": 3e-4})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "last.ckpt"


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        ModelConfig(
            gridsize=1, architecture="fno", output="amp_phase", input_transform="log1p", fno_width=4, fno_modes=3
        ),
    ],
)
def test_a_checkpoint_is_the_network_that_was_trained(path: Path, tmp_path: Path, model: ModelConfig) -> None:
    bundle = make_bundle(model)
    torch.save(lightning_checkpoint(bundle), path)
    back = read_bundle(path)
    assert (back.name, back.era, back.model, back.n_photons, back.notes) == ("last", "2026-07", model, 2e8, ())
    assert back.training["learning_rate"] == 3e-4
    assert back.intensity_scale == pytest.approx(np.sqrt(2e8) / 32)
    assert back.intensity_scale_origin.startswith("computed from n_photons = 2e+08")
    expected = {"written_by": "PyTorch Lightning 2.5.1", "epoch": 4, "step": 80}
    assert expected.items() <= back.provenance.items()
    images = torch.rand(1, model.channels, 64, 64)
    assert torch.equal(build_model(back)(images), build_model(bundle)(images))
    # It can be kept as a bundle.
    save_bundle(back, tmp_path / "b.zip")
    again = read_bundle(tmp_path / "b.zip")
    assert again.model == model
    assert all(np.array_equal(again.state[name], array) for name, array in bundle.state.items())


def test_a_checkpoint_of_november_2025_is_of_that_release(path: Path) -> None:
    bundle = make_bundle()
    content = lightning_checkpoint(bundle)
    for name in [name for name in content["state_dict"] if "forward_model" in name]:
        del content["state_dict"][name]
    settings = content["hyper_parameters"]
    later = ("architecture", "generator", "fno_", "cnn_", "learned_", "spectral_", "rect_", "physics_forward")
    model = {key: value for key, value in MODEL_CONFIG.items() if not key.startswith(later)}
    data = {key: value for key, value in DATA_CONFIG.items() if key not in ("scale_contract_version",)}
    content["hyper_parameters"] = {
        "model_config": model | {"n_filters_scale": 1, "probe_big": False},
        "data_config": data | {"probe_scale": 1.0, "nphotons": 1e5},
        "training_config": settings["training_config"],
        "inference_config": settings["inference_config"],
    }
    torch.save(content, path)
    back = read_bundle(path)
    assert (back.era, back.model.probe_scale, back.model.probe_big, back.n_photons) == ("2025-11", 1.0, False, 1e5)
    assert back.model.n_filters_scale == 1


def test_the_moments_of_the_optimiser_are_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ptycho_engine.bundles import torch_file

    bundle = make_bundle()
    torch.save(lightning_checkpoint(bundle), path)
    numbers = torch_file._numbers
    n_bytes: list[int] = []

    def counted(raw: bytes, *arguments: Any) -> Any:
        n_bytes.append(len(raw))
        return numbers(raw, *arguments)

    monkeypatch.setattr(torch_file, "_numbers", counted)
    read_bundle(path)
    assert sum(n_bytes) == sum(array.nbytes for array in bundle.state.values())


def test_inspect_describes_it(path: Path) -> None:
    torch.save(lightning_checkpoint(make_bundle()), path)
    found = inspect_file(path, layers=True)
    assert found.kind == "bundle"
    assert found.summary["model"] == MODEL.as_dict()
    assert len(found.summary["layers"]) == len(make_bundle().state)


class Hostile:
    """Would write a file when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.mark, "was run"))


@pytest.mark.parametrize("where", ["hyper_parameters", "optimizer_states", "callbacks"])
def test_a_hostile_checkpoint_runs_nothing(path: Path, tmp_path: Path, where: str) -> None:
    mark = tmp_path / "mark"
    torch.save(lightning_checkpoint(make_bundle()) | {where: Hostile(mark)}, path)
    with pytest.raises(BundleError, match=r"the checkpoint would load .*; nothing of it was run") as caught:
        read_bundle(path)
    assert caught.value.file == str(path)
    assert not mark.exists()
    # The trap is live.
    torch.load(path, weights_only=False)
    assert mark.exists()


def _plain_state(content: dict[str, Any]) -> Any:
    return content["state_dict"]


def _no_settings(content: dict[str, Any]) -> Any:
    return {key: value for key, value in content.items() if key != "hyper_parameters"}


def _other_settings(content: dict[str, Any]) -> Any:
    return content | {"hyper_parameters": {"lr": 1e-3}}


def _tensor(content: dict[str, Any]) -> Any:
    return next(iter(content["state_dict"].values()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_plain_state, "this torch file is not a Lightning checkpoint"),
        (_tensor, "this torch file is not a Lightning checkpoint"),
        (_no_settings, "this Lightning checkpoint is not of PtychoPINN"),
        (_other_settings, "this Lightning checkpoint is not of PtychoPINN"),
    ],
)
def test_other_torch_files_are_told(path: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    torch.save(change(lightning_checkpoint(make_bundle())), path)
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(path)
    assert caught.value.hint.startswith("Open the wts.h5.zip")


def test_damaged_weights_are_told(path: Path) -> None:
    torch.save(lightning_checkpoint(make_bundle()), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    first = next(name for name in members if name.endswith("/data/0"))
    members[first] = members[first][:-4]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(BundleError, match=r"the checkpoint cannot be read: .* numbers in .* bytes"):
        read_bundle(path)


def test_a_network_of_other_tensors_is_refused_when_it_is_built(path: Path) -> None:
    content = lightning_checkpoint(make_bundle())
    content["state_dict"].popitem(last=False)
    torch.save(content, path)
    with pytest.raises(BundleError):
        build_model(read_bundle(path))


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["gs1", "gs2", "ci_rect_realimag_gs2_untrained", "era_nov2025_gs2_untrained"])
def test_the_tensors_of_a_reference_network_make_the_same_network(golden_dir: Path, path: Path, name: str) -> None:
    bundle = read_bundle(golden_dir / name)
    with zipfile.ZipFile(golden_dir / name / "wts.h5.zip") as archive:
        tensors, tables = (
            torch.load(io.BytesIO(archive.read(member)), weights_only=True) if member in archive.namelist() else {}
            for member in ("diffraction_to_obj/model.pth", "torch_scaling_metadata.pt")
        )
    settings = {key: table for key, table in tables.items() if key.endswith("_config")}
    if not settings:
        # There is no checkpoint of that release: its four tables, as far as its bundle says what is in them.
        network = {"object_big": True, "probe_big": bundle.model.probe_big, "amp_activation": "silu"}
        data = {"N": 64, "grid_size": (2, 2), "nphotons": bundle.n_photons, "probe_scale": 1.0}
        settings = {"model_config": network, "data_config": data, "training_config": {}, "inference_config": {}}
    content = {"epoch": 1, "global_step": 3, "state_dict": tensors, "hyper_parameters": settings}
    torch.save(content, path)
    back = read_bundle(path)
    assert (back.era, back.n_photons) == (bundle.era, bundle.n_photons)
    images = torch.rand(2, bundle.model.channels, 64, 64)
    assert torch.equal(build_model(back)(images), build_model(bundle)(images))
