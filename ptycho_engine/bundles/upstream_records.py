"""Fill the tables that PtychoPINN of July 2026 expects in a bundle, from a bundle of this program."""

from collections.abc import Mapping
from typing import Any

from ptycho_engine.bundles.generator_records import GENERATORS, generator_records
from ptycho_engine.bundles.layout import ERA
from ptycho_engine.bundles.upstream_tables import (
    DATA_CONFIG,
    INFERENCE_CONFIG,
    MODEL_CONFIG,
    PARAMS,
    PARAMS_2025_11,
    SCALE_CONTRACTS,
    SCHEMA_VERSION,
    TRAINING_CONFIG,
)
from ptycho_engine.documents import Bundle

_FROM_TRAINING = {
    "batch_size": "batch_size",
    "epochs": "nepochs",
    "n_groups": "n_groups",
    "neighbor_count": "neighbor_count",
    "loss": "torch_loss_mode",
    "gradient_clip": "gradient_clip_val",
}
"""Training setting -> key of ``params.dill``."""
_FROM_PROVENANCE = {
    "output_folder": "output_prefix",
    "train_data": "train_data_file_path",
    "test_data": "test_data_file_path",
}
_FLOATS = ("nphotons", "intensity_scale", "probe_scale", "gradient_clip_val", "learning_rate")


def params_of(bundle: Bundle) -> dict[str, Any]:
    """Return the flat table of ``params.dill``, in upstream's order and kinds.

    What a bundle brought with it is kept, unless the bundle itself now says otherwise.
    """
    model = bundle.model
    defaults = PARAMS if model.release == ERA else PARAMS_2025_11
    known: dict[str, Any] = {
        "N": model.n,
        "gridsize": model.gridsize,
        "n_filters_scale": model.n_filters_scale,
        "model_type": "supervised" if model.supervised else "pinn",
        "architecture": model.architecture,
        "fno_input_transform": model.input_transform,
        # Upstream renames the one to the other; both mean SiLU.
        "amp_activation": "swish" if model.amp_activation == "silu" else model.amp_activation,
        "probe_scale": model.probe_scale,
        "object.big": model.object_big,
        "probe.big": model.probe_big,
        "probe.mask": model.probe_mask,
        "intensity_scale": bundle.intensity_scale,
    }
    if bundle.n_photons is not None:
        known["nphotons"] = bundle.n_photons
    known |= generator_records(model)
    known |= _renamed(bundle.training, _FROM_TRAINING) | _renamed(bundle.provenance, _FROM_PROVENANCE)
    table = defaults | {key: value for key, value in bundle.params.items() if value is not None or key in defaults}
    told = {key: value for key, value in known.items() if key in table}
    return {key: _kind(key, value) for key, value in (table | told).items()}


def metadata_of(bundle: Bundle, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of ``torch_scaling_metadata.pt`` that belong to ``params``."""
    model = bundle.model
    brought = bundle.provenance.get("upstream_records", {})
    shared = {key: params[key] for key in TRAINING_CONFIG if key in params and key != "learning_rate"}
    data = {
        "nphotons": params["nphotons"],
        "N": model.n,
        "C": model.channels,
        "K": params["neighbor_count"],
        "grid_size": (model.gridsize, model.gridsize),
        "max_neighbor_distance": model.max_neighbor_distance,
        "probe_scale": model.probe_scale,
    }
    if model.forward_model in SCALE_CONTRACTS:
        data |= zip(("scale_contract_version", "measurement_domain"), SCALE_CONTRACTS[model.forward_model], strict=True)
    training = shared | {
        "epochs": params["nepochs"],
        "output_dir": params["output_prefix"],
        "train_data_file": params["train_data_file_path"],
    }
    if bundle.training.get("learning_rate") is not None:
        training["learning_rate"] = float(bundle.training["learning_rate"])
    return {
        "schema_version": SCHEMA_VERSION,
        "data_config": _table(DATA_CONFIG, brought, "data_config", data),
        "model_config": _table(MODEL_CONFIG, brought, "model_config", _network(bundle, params)),
        "training_config": _table(TRAINING_CONFIG, brought, "training_config", training),
        "inference_config": _table(INFERENCE_CONFIG, brought, "inference_config", {}),
        "ci_statistics": _statistics(bundle, brought),
    }


def _network(bundle: Bundle, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the complete record says of the network and of what it predicts."""
    model = bundle.model
    network: dict[str, Any] = {
        "mode": "Supervised" if model.supervised else "Unsupervised",
        "architecture": model.architecture,
        "fno_input_transform": model.input_transform,
        "C_model": model.channels if model.object_big else 1,
        "C_forward": model.channels,
        "n_filters_scale": model.n_filters_scale,
        "amp_activation": model.amp_activation,
        "cnn_output_mode": model.output,
        "batch_norm": model.batch_norm,
        "probe_mask": model.probe_mask,
        "use_shared_decoder": model.shared_decoder,
        "num_datasets": model.n_datasets,
        "cbam_encoder": model.cbam_encoder,
        "eca_encoder": model.eca_encoder,
        "cbam_bottleneck": model.cbam_bottleneck,
        "cbam_decoder": model.decoder_attention == "cbam",
        "eca_decoder": model.decoder_attention == "eca",
        "spatial_decoder": model.decoder_attention == "spatial",
        "decoder_spatial_kernel": model.spatial_kernel,
        "object_big": model.object_big,
        "training_patch_weighting": "probe" if model.merge_weights == "probe" else "central_mask",
        "probe_big": model.probe_big,
        "loss_function": "MAE" if params["torch_loss_mode"] == "mae" else "Poisson",
        "physics_forward_mode": "amplitude" if model.forward_model == "amplitude" else "rectangular_scaled",
    }
    network |= _older_heads(bundle)
    if model.architecture in GENERATORS:
        network |= generator_records(model) | {"cnn_output_mode": MODEL_CONFIG["cnn_output_mode"]}
    if model.forward_model == "counts":
        network |= {"rect_s1s2_trainable": True, "rect_s1s2_init": "data", "amplitude_physics_gain": 1.0}
    return network


def _statistics(bundle: Bundle, brought: Mapping[str, Any]) -> Any:
    """Return the frozen statistics as upstream keeps them: lists with one number for each dataset of the training."""
    stored = brought.get("ci_statistics")
    if stored or bundle.count_statistics is None:
        return stored
    statistics = bundle.count_statistics
    return {
        "rms_input_scale": [statistics.rms_input_scale],
        "mean_measured_intensity": [statistics.mean_measured_intensity],
    }


def _table(
    defaults: Mapping[str, Any], brought: Mapping[str, Any], name: str, known: Mapping[str, Any]
) -> dict[str, Any]:
    table = dict(defaults) | dict(brought.get(name) or {}) | dict(known)
    return {key: _kind(key, value) for key, value in table.items()}


def _older_heads(bundle: Bundle) -> dict[str, Any]:
    """Return the settings with which July 2026 builds the heads of before: by a share of the features."""
    model = bundle.model
    if model.border_channels is None:
        return {"use_legacy_decoder_channel_override": False}
    # Half a channel more than wanted, because upstream cuts the product down to a whole number.
    features = 32 * model.n_filters_scale
    share = model.border_channels / features
    exact = int(features * share) == model.border_channels
    return {
        "use_legacy_decoder_channel_override": True,
        "decoder_last_c_outer_fraction": share if exact else (model.border_channels + 0.5) / features,
        "decoder_last_amp_channels": model.channels if model.amplitude_outputs is None else model.amplitude_outputs,
    }


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: values[key] for key, name in names.items() if values.get(key) is not None}


def _kind(key: str, value: Any) -> Any:
    if key in _FLOATS and isinstance(value, (int, float)):
        return float(value)
    if hasattr(value, "item"):
        return value.item()
    # A path that was stored as text stays text.
    return str(value) if isinstance(value, str) else value
