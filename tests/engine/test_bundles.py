"""Bundles: the reference ones open, what is saved comes back, what is broken is told."""

import io
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.torch_writer import torch_file_bytes
from ptycho_engine.bundles.upstream_tables import PARAMS
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle, LossHistory
from ptycho_engine.errors import BundleError
from ptycho_engine.models.pinn import build_model, build_network, initialise_transparent, state_of

MODEL = ModelConfig(gridsize=2, n_filters_scale=1)


def make_bundle(model: ModelConfig = MODEL) -> Bundle:
    torch.manual_seed(0)
    network = build_network(model)
    initialise_transparent(network, model, 2.0)
    history = LossHistory(
        np.arange(3), np.array([3.0, 2.5, 0.1]), np.arange(2), np.array([2.75, 0.1]), np.array([np.nan, 0.3])
    )
    return Bundle(
        name="mine",
        path=None,
        era="2026-07",
        model=model,
        state=state_of(network),
        intensity_scale=988.2,
        intensity_scale_origin="computed from n_photons",
        input_scale=0.0123456789012345678,
        n_photons=1e9,
        training={"epochs": 3, "batch_size": 8, "learning_rate": 3e-4, "loss": "mae", "recipe": "reliable"},
        provenance={"seed": 7, "dataset": "run1084", "dataset_fingerprint": "ab12", "train_data": "/data/x.npz"},
        history=history,
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "wts.h5.zip"
    path.parent.mkdir()
    save_bundle(make_bundle(), path)
    return path


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Change the members of a bundle, in place."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("architecture", ["cnn", "full_patch_cnn"])
def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path, architecture: str) -> None:
    transform = "log1p" if architecture == "full_patch_cnn" else "none"
    bundle = make_bundle(replace(MODEL, architecture=architecture, input_transform=transform, amp_activation="silu"))
    path = tmp_path / "a.zip"
    save_bundle(bundle, path)
    back = read_bundle(path)
    assert list(back.state) == list(bundle.state)
    assert all(np.array_equal(back.state[name], array) for name, array in bundle.state.items())
    for name in ("era", "model", "intensity_scale", "intensity_scale_origin", "input_scale", "n_photons", "training"):
        assert getattr(back, name) == getattr(bundle, name), name
    assert bundle.provenance.items() <= back.provenance.items()
    assert back.history is not None
    assert bundle.history is not None
    for name in ("steps", "step_losses", "epochs", "train_losses", "validation_losses"):
        assert np.array_equal(getattr(back.history, name), getattr(bundle.history, name), equal_nan=True), name
    assert back.notes == ()
    images = torch.rand(1, 4, 64, 64)
    assert torch.equal(build_model(back)(images), build_model(bundle)(images))


def test_the_same_bundle_gives_the_same_bytes_again_and_again(saved: Path, tmp_path: Path) -> None:
    save_bundle(make_bundle(), tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == saved.read_bytes()
    save_bundle(read_bundle(saved), tmp_path / "c.zip")
    assert (tmp_path / "c.zip").read_bytes() == saved.read_bytes()


def test_the_layout_is_upstreams(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert archive.namelist() == [
            "manifest.dill",
            "diffraction_to_obj/model.pth",
            "diffraction_to_obj/params.dill",
            "autoencoder/model.pth",
            "autoencoder/params.dill",
            "torch_scaling_metadata.pt",
            "ptychoscope.json",
        ]
        manifest = archive.read("manifest.dill")
        assert manifest == pickle.dumps(
            {"models": ["diffraction_to_obj", "autoencoder"], "version": "2.0-pytorch"}, protocol=4
        )
        sentinel = torch.load(io.BytesIO(archive.read("autoencoder/model.pth")), weights_only=True)
        assert sentinel == {"_sentinel": "autoencoder"}
        tensors = torch.load(io.BytesIO(archive.read("diffraction_to_obj/model.pth")), weights_only=True)
        tables = torch.load(io.BytesIO(archive.read("torch_scaling_metadata.pt")), weights_only=True)
    build_network(MODEL).load_state_dict(tensors, strict=True)
    assert [len(tables[f"{name}_config"]) for name in ("data", "model", "training", "inference")] == [21, 57, 44, 9]
    assert tables["data_config"]["grid_size"] == (2, 2)
    assert tables["training_config"]["learning_rate"] == 3e-4
    params = read_bundle(saved).params
    assert list(params) == list(PARAMS)
    assert {key: type(value) for key, value in params.items() if value is not None and PARAMS[key] is not None} == {
        key: type(value) for key, value in PARAMS.items() if value is not None and params[key] is not None
    }
    assert (params["nepochs"], params["batch_size"], params["torch_loss_mode"]) == (3, 8, "mae")


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["gs1", "gs2", "ci_rect_realimag_gs2_untrained", "era_nov2025_gs2_untrained"])
def test_a_reference_bundle_saved_again_says_the_same(golden_dir: Path, tmp_path: Path, name: str) -> None:
    original = golden_dir / name / "wts.h5.zip"
    save_bundle(read_bundle(original), tmp_path / "a.zip")
    save_bundle(read_bundle(tmp_path / "a.zip"), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(original) as one, zipfile.ZipFile(tmp_path / "a.zip") as other:
        for member in ("manifest.dill", "diffraction_to_obj/params.dill", "autoencoder/params.dill"):
            assert one.read(member) == other.read(member)
        assert one.namelist() == [name for name in other.namelist() if name != "ptychoscope.json"]
        for member in [name for name in one.namelist() if "model.pth" in name or name == "torch_scaling_metadata.pt"]:
            before, after = (torch.load(io.BytesIO(z.read(member)), weights_only=True) for z in (one, other))
            assert list(before) == list(after)
            same = (
                torch.equal(before[key], after[key]) if torch.is_tensor(before[key]) else before[key] == after[key]
                for key in before
            )
            assert all(same)


@pytest.mark.shared_data
def test_reference_bundles_are_described(golden_dir: Path) -> None:
    first = read_bundle(golden_dir / "gs1" / "wts.h5.zip")
    assert (first.era, first.model, first.n_parameters) == (
        "2026-07",
        ModelConfig(gridsize=1, object_big=False),
        2339896,
    )
    assert first.intensity_scale == pytest.approx(988.2117, abs=1e-3)
    assert first.intensity_scale_origin.startswith("computed from n_photons = 1e+09")
    assert first.input_scale is None
    assert first.name == "gs1"
    assert first.training["learning_rate"] == 3e-4
    assert len(first.members) == 6
    assert read_bundle(golden_dir / "gs2").model == ModelConfig()
    november = read_bundle(golden_dir / "era_nov2025_gs2_untrained" / "wts.h5.zip")
    assert (november.era, november.model.probe_scale, november.n_photons) == ("2025-11", 1.0, 1e5)
    assert "does not follow from n_photons" in november.intensity_scale_origin
    assert november.model == ModelConfig(
        release="2025-11",
        n_filters_scale=1,
        amplitude_outputs=1,
        border_channels=4,
        cbam_encoder=False,
        probe_big=False,
        probe_scale=1.0,
        merge_weights="2025-11",
    )


def test_reading_needs_no_torch(saved: Path) -> None:
    code = (
        "import sys; from ptycho_engine.bundles import read_bundle, save_bundle;"
        f"b = read_bundle({str(saved)!r}); save_bundle(b, {str(saved)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _dataset(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, diff3d=np.zeros(3))


def _checkpoint(path: Path) -> None:
    path.write_bytes(torch_file_bytes({"epoch": 1}))


def _folder(path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        for name in list(members):
            members[f"my run/{name}"] = members.pop(name)

    rewrite(path, change)


def _keras(path: Path) -> None:
    rewrite(path, lambda members: members.update({"autoencoder/model.keras": b"x"}))


def _no_weights(path: Path) -> None:
    rewrite(path, lambda members: members.__delitem__("diffraction_to_obj/model.pth"))


def _only_sentinels(path: Path) -> None:
    rewrite(path, lambda members: members.update({"diffraction_to_obj/model.pth": members["autoencoder/model.pth"]}))


def _no_params(path: Path) -> None:
    rewrite(path, lambda members: members.__delitem__("autoencoder/params.dill"))


def _bad_manifest(path: Path) -> None:
    rewrite(path, lambda members: members.update({"manifest.dill": pickle.dumps({"models": ["../../etc"]}, 4)}))


def _bad_json(path: Path) -> None:
    rewrite(path, lambda members: members.update({"ptychoscope.json": b"[" * 100_000}))


def _newer(path: Path) -> None:
    rewrite(path, lambda m: m.update({"ptychoscope.json": b'{"format": 99, "version": "9.1", "model": {}}'}))


def _huge(path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        del members["ptychoscope.json"]
        del members["torch_scaling_metadata.pt"]
        bad = pickle.dumps(PARAMS | {"gridsize": 10**9}, 4)
        members.update({"diffraction_to_obj/params.dill": bad, "autoencoder/params.dill": bad})
        members["diffraction_to_obj/model.pth"] = torch_file_bytes({"a": np.ones(3, np.float32)})

    rewrite(path, change)


def _text(path: Path) -> None:
    path.write_bytes(b"hello, this is text and no archive")


def _hdf5(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_cut, "not a readable zip archive"),
        (_flip, "damaged member|not a readable zip"),
        (_empty, "the file is empty"),
        (_dataset, "this is a dataset, not a model bundle. Open it as a dataset"),
        (_checkpoint, "torch file is not a Lightning checkpoint"),
        (_folder, "lies in the folder my run inside of the archive"),
        (_keras, "model.keras is not a readable zip archive"),
        (_no_weights, "has no member diffraction_to_obj/model.pth"),
        (_only_sentinels, "holds no weights"),
        (_no_params, "has no member autoencoder/params.dill"),
        (_bad_manifest, r"lists a model of the name \.\./\.\./etc"),
        (_bad_json, "ptychoscope.json is not readable"),
        (_newer, r"newer Ptychoscope \(9.1\)"),
        (_huge, "asks for a network that cannot be: gridsize"),
        (_text, "not a zip archive"),
        (_hdf5, "an HDF5 file, not a model bundle"),
    ],
)
def test_broken_and_wrong_files_are_told(saved: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(saved)
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(saved)
    assert caught.value.file == str(saved)
    assert caught.value.hint


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such file"):
        read_bundle(tmp_path / "nix.zip")
    with pytest.raises(BundleError, match="a folder without a bundle"):
        read_bundle(tmp_path)


def test_a_network_that_is_not_finite_is_not_saved(saved: Path) -> None:
    bundle = make_bundle()
    name = next(iter(bundle.state))
    before = saved.read_bytes()
    with pytest.raises(BundleError, match="not finite"):
        save_bundle(replace(bundle, state=dict(bundle.state) | {name: np.full(3, np.nan, np.float32)}), saved)
    assert saved.read_bytes() == before


def test_shapes_are_believed_over_records(saved: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        del members["ptychoscope.json"]
        del members["torch_scaling_metadata.pt"]
        wrong = pickle.dumps(PARAMS | {"N": 128, "gridsize": 3, "n_filters_scale": 2}, 4)
        members.update({"diffraction_to_obj/params.dill": wrong, "autoencoder/params.dill": wrong})

    bundle = read_bundle(rewrite(saved, change))
    assert bundle.model == MODEL
    assert [note.split(" =")[0] for note in bundle.notes[:3]] == [
        "The records say n",
        "The records say n_filters_scale",
        "The records say gridsize",
    ]
    assert bundle.notes[3:] == ("No record says output; amp_phase is assumed.",)
    build_model(bundle)


def test_older_number_formats_are_converted_with_a_note(saved: Path) -> None:
    bundle = make_bundle()
    name = next(iter(bundle.state))
    content = dict(bundle.state) | {name: bundle.state[name].astype(np.float16)}
    rewrite(saved, lambda members: members.update({"diffraction_to_obj/model.pth": torch_file_bytes(content)}))
    back = read_bundle(saved)
    assert back.state[name].dtype == np.float32
    assert back.notes == (f"{name} was stored as float16 and is used as float32.",)
