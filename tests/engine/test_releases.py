"""Bundles of every release: identified, built strictly, rebuilt tensor by tensor, saved again without a loss."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.upstream_tables import (
    DATA_CONFIG,
    INFERENCE_CONFIG,
    MODEL_CONFIG,
    PARAMS,
    PARAMS_2025_11,
    TRAINING_CONFIG,
)
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.errors import BundleError
from ptycho_engine.models.pinn import build_model, build_network, load_state, state_of
from tests.helpers.state_tables import HEAD_TABLES, NOVEMBER, NOVEMBER_TABLES
from tests.helpers.upstream_archive import MANIFEST, random_state, write_upstream

LEGACY = {"use_legacy_decoder_channel_override": True}
WORDS: dict[str, dict[str, Any]] = {
    "N64_gs2_probe_big_false": {"probe_big": False},
    "N64_gs2_cbam_encoder_false": {"cbam_encoder": False},
    "N64_gs2_eca_encoder": {"cbam_encoder": False, "eca_encoder": True},
    "N64_gs2_cbam_bottleneck": {"cbam_bottleneck": True},
    "N64_gs2_cbam_decoder": {"cbam_decoder": True},
    "N64_gs2_eca_decoder": {"eca_decoder": True},
    "N64_gs2_spatial_decoder": {"spatial_decoder": True},
    "N64_gs2_batch_norm": {"batch_norm": True},
    "N64_gs2_real_imag": {"cnn_output_mode": "real_imag"},
    "N64_gs2_real_imag_rect": {"cnn_output_mode": "real_imag", "physics_forward_mode": "rectangular_scaled"},
    "N64_gs2_shared_decoder": {"use_shared_decoder": True},
    "N64_gs2_legacy_channels": LEGACY,
    "N64_gs2_supervised": {"mode": "Supervised"},
    "N64_gs2_intensity_trainable": {"intensity_scale_trainable": True},
    "N64_gs2_num_datasets3": {"num_datasets": 3},
}
"""What the complete record of a variant says beside the defaults, in upstream's words."""
GENERATOR = re.compile("fno|uno")
"""Tables of networks that are no ``cnn``."""
ROWS = [("head", name) for name in HEAD_TABLES] + [("nov2025", name) for name in NOVEMBER_TABLES]
MODELS: dict[tuple[str, str], ModelConfig] = {("head", name): model for name, model in HEAD_TABLES.items()} | {
    ("nov2025", name): model for name, model in NOVEMBER_TABLES.items()
}


@cache
def tables(path: Path) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return content


def metadata(model: ModelConfig, words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete record of a network as upstream writes it."""
    channels = model.channels if model.object_big else 1
    network = {"C_model": channels, "n_filters_scale": model.n_filters_scale, "object_big": model.object_big}
    size = {"N": model.n, "C": model.channels, "grid_size": (model.gridsize, model.gridsize)}
    return {
        "schema_version": "ci-entrypoints-v1",
        "data_config": DATA_CONFIG | size,
        "model_config": MODEL_CONFIG | network | dict(words),
        "training_config": dict(TRAINING_CONFIG),
        "inference_config": dict(INFERENCE_CONFIG),
        "ci_statistics": None,
    }


def synthetic(path: Path, row: tuple[str, str], state: Mapping[str, NDArray[Any]]) -> Path:
    """Write the bundle of a reference table as the release of the table would."""
    model = MODELS[row]
    flat = {
        "N": model.n,
        "gridsize": model.gridsize,
        "n_filters_scale": model.n_filters_scale,
        "object.big": model.object_big,
        "probe.big": model.probe_big,
    }
    if row[0] == "head":
        return write_upstream(path, state, PARAMS | flat, metadata(model, WORDS.get(row[1], {})))
    return write_upstream(path, state, PARAMS_2025_11 | flat, None)


@pytest.mark.shared_data
@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_tensors_have_upstreams_names_shapes_kinds_and_order(golden_dir: Path, row: tuple[str, str]) -> None:
    expected = tables(golden_dir / f"state_dict_tables_{row[0]}.json")[row[1]]
    with torch.device("meta"):
        state = build_network(MODELS[row]).state_dict()
    found = {name: [list(tensor.shape), str(tensor.dtype).removeprefix("torch.")] for name, tensor in state.items()}
    assert list(found.items()) == list(expected.items())


@pytest.mark.shared_data
def test_every_table_of_the_convolutional_networks_has_a_row(golden_dir: Path) -> None:
    rows = {
        *(("head", name) for name in tables(golden_dir / "state_dict_tables_head.json") if not GENERATOR.search(name)),
        *(("nov2025", name) for name in tables(golden_dir / "state_dict_tables_nov2025.json")),
    }
    assert rows <= set(ROWS)


@pytest.mark.shared_data
@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_a_network_is_rebuilt_from_its_bundle(golden_dir: Path, tmp_path: Path, row: tuple[str, str]) -> None:
    state = random_state(tables(golden_dir / f"state_dict_tables_{row[0]}.json")[row[1]])
    bundle = read_bundle(synthetic(tmp_path / "wts.h5.zip", row, state))
    assert bundle.model == MODELS[row]
    assert bundle.era == MODELS[row].release
    assert bundle.assumed == ()
    rebuilt = state_of(build_model(bundle))
    assert list(rebuilt) == list(state)
    assert all(
        np.array_equal(rebuilt[name], array) and rebuilt[name].dtype == array.dtype for name, array in state.items()
    )


FAMILIES: dict[str, ModelConfig] = {
    "2025-11": replace(NOVEMBER, n_filters_scale=1, border_channels=4),
    "2026-02": replace(NOVEMBER, n_filters_scale=1, border_channels=4, release="2026-02", cbam_encoder=True),
    "2026-06": ModelConfig(
        release="2026-06",
        n_filters_scale=1,
        output="real_imag",
        forward_model="rectangular",
        amplitude_outputs=1,
        border_channels=4,
    ),
    "2026-07": ModelConfig(n_filters_scale=1),
}


def family_bundle(model: ModelConfig) -> Bundle:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = state_of(build_network(model))
    return Bundle("mine", None, model.release, model, state, 988.2, "computed")


@pytest.mark.parametrize("release", FAMILIES)
def test_every_release_comes_back_with_the_same_output(tmp_path: Path, release: str) -> None:
    bundle = family_bundle(FAMILIES[release])
    save_bundle(bundle, tmp_path / "wts.h5.zip")
    back = read_bundle(tmp_path / "wts.h5.zip")
    assert (back.era, back.model) == (release, bundle.model)
    images = torch.rand(2, 4, 64, 64)
    with torch.inference_mode():
        one, other = build_model(bundle)(images), build_model(back)(images)
    assert one.shape == (2, 4, 64, 64)
    assert one.abs().max() > 0
    assert torch.equal(one, other)


@pytest.mark.parametrize("release", FAMILIES)
def test_every_release_is_known_by_its_tensors_alone(tmp_path: Path, release: str) -> None:
    bundle = family_bundle(FAMILIES[release])
    flat = PARAMS if release == "2026-07" else PARAMS_2025_11
    path = write_upstream(tmp_path / "wts.h5.zip", bundle.state, flat | {"probe.big": bundle.model.probe_big}, None)
    back = read_bundle(path)
    assert replace(back.model, probe_scale=bundle.model.probe_scale) == bundle.model
    assert back.assumed == (("output",) if release == "2026-07" else ())
    build_model(back)


def test_the_shapes_of_february_and_spring_follow_their_rules() -> None:
    """The tables of the specification: the heads of before July, U-Net skips joined level by level."""
    with torch.device("meta"):
        february = build_network(replace(FAMILIES["2026-02"], n_filters_scale=2, border_channels=8)).state_dict()
        spring = build_network(replace(FAMILIES["2026-06"], n=128, n_filters_scale=2, border_channels=8)).state_dict()
    inner = "model.autoencoder."
    assert len(february) == 44 + 15 + 2
    assert february[f"{inner}decoder_amp.amp.conv1.weight"].shape == (1, 56, 3, 3)
    assert february[f"{inner}decoder_phase.phase.conv1.weight"].shape == (4, 56, 3, 3)
    assert [name for name in february if "forward_model" in name] == [
        "model.forward_model.alpha",
        "model.forward_model.beta",
    ]
    # Encoder 32, 64, 128, 256; decoder 256, 256, 128, 64: each level sees the encoder's features of its depth.
    for decoder in ("decoder_amp", "decoder_phase"):
        joined = [spring[f"{inner}{decoder}.merge_blocks.{level}.0.weight"].shape[:2] for level in range(3)]
        assert joined == [(256, 256 + 128), (128, 128 + 64), (64, 64 + 32)]
        assert spring[f"{inner}{decoder}.merge_blocks.2.2.weight"].shape == (64, 64, 3, 3)
    assert [name for name in spring if "forward_model" in name] == [
        "model.forward_model.rect_scaler.s1",
        "model.forward_model.rect_scaler.s2",
    ]


def test_the_refactored_archive_opens_as_july(tmp_path: Path) -> None:
    bundle = family_bundle(FAMILIES["2026-07"])
    record = metadata(bundle.model, {}) | {"model_spec": {"architecture": "cnn"}}
    manifest = MANIFEST | {"backend": "pytorch", "artifact_schema_version": "torch-artifact-portable-v2"}
    inner = {
        name.removeprefix("model.autoencoder."): value for name, value in bundle.state.items() if "autoencoder" in name
    }
    path = write_upstream(tmp_path / "a.zip", bundle.state, PARAMS, record, manifest=manifest, second=inner)
    back = read_bundle(path)
    assert (back.era, back.model, back.notes) == ("2026-07 refactored", bundle.model, ())
    save_bundle(back, tmp_path / "b.zip")
    again = read_bundle(tmp_path / "b.zip")
    assert again.era == "2026-07"
    images = torch.rand(1, 4, 64, 64)
    assert torch.equal(build_model(back)(images), build_model(bundle)(images))
    assert torch.equal(build_model(again)(images), build_model(bundle)(images))
    inner[next(iter(inner))] = inner[next(iter(inner))] + 1
    path = write_upstream(tmp_path / "a.zip", bundle.state, PARAMS, record, manifest=manifest, second=inner)
    assert "holds tensors of its own" in read_bundle(path).notes[0]


def test_what_a_network_does_not_use_is_said(tmp_path: Path) -> None:
    model = replace(FAMILIES["2026-07"], decoder_attention="eca", cbam_encoder=False, eca_encoder=True, probe_big=False)
    bundle = family_bundle(model)
    save_bundle(bundle, tmp_path / "a.zip")
    assert read_bundle(tmp_path / "a.zip").notes == (
        "3 tensors of attention in the encoder are kept in the bundle and never applied.",
        "4 tensors of attention in the decoders are kept in the bundle and never applied.",
        "12 tensors of the border of the patch, which is not drawn are kept in the bundle and never applied.",
    )


def test_a_tensor_too_many_or_too_few_is_refused_with_its_name(tmp_path: Path) -> None:
    bundle = family_bundle(FAMILIES["2025-11"])
    state = dict(bundle.state) | {"model.autoencoder.decoder_amp.extra.weight": np.ones(3, np.float32)}
    with pytest.raises(BundleError, match=r"one tensor is not of this network: .*decoder_amp\.extra\.weight"):
        build_model(read_bundle(write_upstream(tmp_path / "a.zip", state, PARAMS_2025_11, None)))
    state = dict(bundle.state)
    del state["model.autoencoder.decoder_phase.phase.conv2.bias"]
    with pytest.raises(BundleError, match=r"one tensor is missing: .*phase\.conv2\.bias"):
        build_model(read_bundle(write_upstream(tmp_path / "a.zip", state, PARAMS_2025_11, None)))


def heads_of(model: ModelConfig, state: Mapping[str, NDArray[Any]], images: torch.Tensor) -> torch.Tensor:
    network = build_network(model).eval()
    load_state(network, {name: state[name] for name in network.state_dict()})
    with torch.inference_mode():
        amplitude: torch.Tensor = network.autoencoder(images)[0]
    return amplitude


def test_before_july_the_border_is_added_everywhere() -> None:
    model = replace(FAMILIES["2026-07"], gridsize=1, border_channels=4)
    older = replace(model, release="2026-02", merge_weights="2025-11")
    state = family_bundle(model).state
    images = torch.rand(1, 1, 64, 64)
    whole, centre = heads_of(older, state, images), heads_of(replace(older, probe_big=False), state, images)
    july = heads_of(model, state, images)
    inside = (..., slice(16, 48), slice(16, 48))
    border = whole - centre
    assert border[inside].abs().max() > 0
    outside = torch.ones_like(july, dtype=torch.bool)
    outside[inside] = False
    torch.testing.assert_close(border[outside], july[outside])
    torch.testing.assert_close(centre[inside], july[inside])


def test_in_spring_both_paths_are_summed_before_the_activation() -> None:
    """The last layers written out, from the tensors: tanh of centre plus border, plus 0.2 for the real part."""
    model = replace(FAMILIES["2026-06"], gridsize=1, amplitude_outputs=None)
    network = build_network(model).eval()
    seen: list[torch.Tensor] = []
    head = network.autoencoder.get_submodule("decoder_amp.amp")
    head.register_forward_hook(lambda _module, inputs, output: seen.extend((inputs[0], output)))
    with torch.inference_mode():
        network(torch.rand(1, 1, 64, 64))
    features, drawn = seen
    tensors = head.state_dict()

    def conv(values: torch.Tensor, name: str) -> torch.Tensor:
        return torch.conv2d(values, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=1)

    raised = conv(conv(features[:, -4:], "conv_up_block.conv1").relu(), "conv_up_block.conv2").relu()
    raw = conv(raised.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3), "conv2")
    raw[:, :, 16:48, 16:48] += conv(features[:, :-4], "conv1")
    torch.testing.assert_close(drawn, raw.tanh() + 0.2)


def test_in_spring_the_decoders_see_the_encoder() -> None:
    """A change of the encoder's first features reaches the last level of the decoders, beside the bottleneck."""
    model = replace(FAMILIES["2026-06"], gridsize=1, amplitude_outputs=None)
    network = build_network(model).eval()
    decoder = network.autoencoder.get_submodule("decoder_phase")
    bottleneck, skips = torch.rand(1, 128, 8, 8), [torch.rand(1, 32, 64, 64), torch.rand(1, 64, 32, 32)]
    with torch.inference_mode():
        plain = decoder(bottleneck, skips)
        for level in range(2):
            changed = [skip + (place == level) for place, skip in enumerate(skips)]
            assert (decoder(bottleneck, changed) - plain).abs().max() > 1e-4
