"""Bundles of ``cnn`` that are saved here are what PtychoPINN of July 2026 loads strictly, member by member."""

import io
import pickle
import pickletools
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.upstream_records import metadata_of, params_of
from ptycho_engine.config import ModelConfig, TrainConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.models.pinn import build_model, build_network, state_of
from ptycho_engine.recipes import plan_training

PLAIN_OPCODES = {
    *("PROTO", "FRAME", "EMPTY_DICT", "MEMOIZE", "MARK", "SHORT_BINUNICODE", "EMPTY_LIST", "APPENDS", "SETITEMS"),
    *("STOP", "BININT1", "BININT2", "BINFLOAT", "NONE", "NEWTRUE", "NEWFALSE", "BINGET"),
}
SMALL = ModelConfig(n_filters_scale=1)
VARIANTS: dict[str, ModelConfig] = {
    "usual": SMALL,
    "one pattern at a time": replace(SMALL, object_big=False),
    "real and imaginary part": replace(SMALL, output="real_imag"),
    "sigmoid": replace(SMALL, amp_activation="sigmoid"),
    "shared decoder": replace(SMALL, shared_decoder=True),
    "normalised": replace(SMALL, batch_norm=True),
    "no border": replace(SMALL, probe_big=False),
    "no attention": replace(SMALL, cbam_encoder=False),
    "attention everywhere": replace(SMALL, cbam_bottleneck=True, decoder_attention="cbam"),
    "unused attention": replace(SMALL, cbam_encoder=False, eca_encoder=True, decoder_attention="spatial"),
    "older heads": replace(SMALL, amplitude_outputs=1, border_channels=4),
    "supervised": replace(SMALL, supervised=True),
    "three datasets": replace(SMALL, n_datasets=3),
}


def saved(folder: Path, model: ModelConfig, **training: Any) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = state_of(build_network(model))
    settings = {"epochs": 3, "batch_size": 8, "learning_rate": 3e-4, "loss": "poisson"} | training
    bundle = Bundle("mine", None, "2026-07", model, state, 988.2, "computed", 0.01, 1e9, training=settings)
    save_bundle(bundle, folder / "wts.h5.zip")
    return folder / "wts.h5.zip"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert all(member.compress_type == zipfile.ZIP_DEFLATED for member in archive.infolist())
        return {name: archive.read(name) for name in archive.namelist()}


def loaded(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True)


def described_upstream(path: Path) -> ModelConfig:
    """Return the network that the complete record asks for, by upstream's names, read without our reader."""
    record = loaded(members(path)["torch_scaling_metadata.pt"])
    data, model = record["data_config"], record["model_config"]
    features = 32 * model["n_filters_scale"]
    legacy = model["use_legacy_decoder_channel_override"]
    kinds = [kind for kind in ("cbam", "eca", "spatial") if model[f"{kind}_decoder"]]
    assert model["architecture"] == "cnn"
    assert data["grid_size"][0] ** 2 == data["C"] == model["C_forward"]
    assert model["C_model"] == (data["C"] if model["object_big"] else 1)
    return ModelConfig(
        n=data["N"],
        gridsize=data["grid_size"][0],
        n_filters_scale=model["n_filters_scale"],
        amp_activation=model["amp_activation"],
        object_big=model["object_big"],
        probe_big=model["probe_big"],
        probe_scale=data["probe_scale"],
        cbam_encoder=model["cbam_encoder"],
        eca_encoder=model["eca_encoder"],
        cbam_bottleneck=model["cbam_bottleneck"],
        decoder_attention=kinds[0] if kinds else "none",
        spatial_kernel=model["decoder_spatial_kernel"],
        shared_decoder=model["use_shared_decoder"],
        batch_norm=model["batch_norm"],
        output=model["cnn_output_mode"],
        supervised=model["mode"] == "Supervised",
        n_datasets=model["num_datasets"],
        border_channels=max(1, int(features * model["decoder_last_c_outer_fraction"])) if legacy else None,
        amplitude_outputs=model["decoder_last_amp_channels"] if legacy else None,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_upstreams_rules_rebuild_the_same_network(tmp_path: Path, variant: str) -> None:
    path = saved(tmp_path, VARIANTS[variant])
    network = build_network(described_upstream(path)).eval()
    network.load_state_dict(loaded(members(path)["diffraction_to_obj/model.pth"]), strict=True)
    images = torch.rand(1, 4, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(images), build_model(read_bundle(path))(images))


@pytest.mark.parametrize("scale", [1, 2, 3, 5, 7])
def test_any_number_of_border_features_survives_upstreams_rounding(scale: int) -> None:
    for wanted in range(1, 32 * scale):
        model = ModelConfig(n_filters_scale=scale, border_channels=wanted)
        bundle = Bundle("mine", None, "2026-07", model, {}, 988.2, "computed")
        record = metadata_of(bundle, params_of(bundle))["model_config"]
        assert max(1, int(32 * scale * record["decoder_last_c_outer_fraction"])) == wanted


@pytest.mark.shared_data
@pytest.mark.parametrize("recipe", ["compatible", "upstream"])
@pytest.mark.parametrize("gridsize", [1, 2])
def test_names_order_and_kinds_are_those_of_a_reference_bundle(
    golden_dir: Path, tmp_path: Path, recipe: str, gridsize: int
) -> None:
    # As many filters as the reference has.
    config = TrainConfig(gridsize=gridsize, recipe=recipe, n_filters_scale=2)
    plan = plan_training(config, 64, np.ones((1, 64, 64), np.complex64))
    own = members(saved(tmp_path, plan.model, learning_rate=plan.learning_rate))
    reference = members(golden_dir / f"gs{gridsize}" / "wts.h5.zip")
    assert list(own) == [*reference, "ptychoscope.json"]
    assert own["manifest.dill"] == reference["manifest.dill"]
    assert own["diffraction_to_obj/params.dill"] == own["autoencoder/params.dill"]
    assert loaded(own["autoencoder/model.pth"]) == loaded(reference["autoencoder/model.pth"])
    one, other = (pickle.loads(each["autoencoder/params.dill"]) for each in (own, reference))
    assert list(one) == list(other)
    assert len(one) == 63
    assert not {key for key in one if one[key] is not None is not other[key] and type(one[key]) is not type(other[key])}
    one, other = (loaded(each["torch_scaling_metadata.pt"]) for each in (own, reference))
    assert list(one) == list(other)
    for name, count in (("data", 21), ("model", 57), ("training", 44), ("inference", 9)):
        ours, theirs = one[f"{name}_config"], other[f"{name}_config"]
        assert list(ours) == list(theirs)
        assert len(ours) == count
        assert [type(value) for value in ours.values()] == [type(value) for value in theirs.values()]
    ours, theirs = (loaded(each["diffraction_to_obj/model.pth"]) for each in (own, reference))
    assert [(name, value.shape, value.dtype) for name, value in ours.items()] == [
        (name, value.shape, value.dtype) for name, value in theirs.items()
    ]


def test_nothing_in_the_pickles_is_an_object(tmp_path: Path) -> None:
    own = members(saved(tmp_path, SMALL))
    for name in ("manifest.dill", "diffraction_to_obj/params.dill"):
        assert own[name][:2] == b"\x80\x04"
        assert {opcode.name for opcode, _, _ in pickletools.genops(own[name])} <= PLAIN_OPCODES
    for name, prefix in (("diffraction_to_obj/model.pth", "model"), ("torch_scaling_metadata.pt", "archive")):
        with zipfile.ZipFile(io.BytesIO(own[name])) as inner:
            content = inner.read(f"{prefix}/data.pkl")
            assert inner.read(f"{prefix}/byteorder") == b"little"
            assert inner.read(f"{prefix}/version") == b"3\n"
        assert content[:2] == b"\x80\x02"
        used = {argument for opcode, argument, _ in pickletools.genops(content) if opcode.name == "GLOBAL"}
        known = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage"}
        assert used <= (known if prefix == "model" else set())
