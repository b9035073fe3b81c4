"""Fill the tables that PtychoPINN of July 2026 expects in a bundle, from a bundle of this program."""

from collections.abc import Mapping
from typing import Any

from ptycho_engine.bundles.upstream_tables import (
    DATA_CONFIG,
    INFERENCE_CONFIG,
    MODEL_CONFIG,
    PARAMS,
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
    known: dict[str, Any] = {
        "N": model.n,
        "gridsize": model.gridsize,
        "n_filters_scale": model.n_filters_scale,
        "architecture": _upstream_architecture(bundle),
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
    known |= _renamed(bundle.training, _FROM_TRAINING) | _renamed(bundle.provenance, _FROM_PROVENANCE)
    table = PARAMS | {key: value for key, value in bundle.params.items() if value is not None or key in PARAMS}
    return {key: _kind(key, value) for key, value in (table | known).items()}


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
    network = {
        "architecture": _upstream_architecture(bundle),
        "fno_input_transform": model.input_transform,
        "C_model": model.channels if model.object_big else 1,
        "C_forward": model.channels,
        "n_filters_scale": model.n_filters_scale,
        "amp_activation": model.amp_activation,
        "cnn_output_mode": model.output,
        "batch_norm": model.batch_norm,
        "probe_mask": model.probe_mask,
        "cbam_encoder": model.cbam_encoder,
        "object_big": model.object_big,
        "training_patch_weighting": "probe" if model.merge_weights == "probe" else "central_mask",
        "probe_big": model.probe_big,
        "loss_function": "MAE" if params["torch_loss_mode"] == "mae" else "Poisson",
    }
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
        "model_config": _table(MODEL_CONFIG, brought, "model_config", network),
        "training_config": _table(TRAINING_CONFIG, brought, "training_config", training),
        "inference_config": _table(INFERENCE_CONFIG, brought, "inference_config", {}),
        "ci_statistics": brought.get("ci_statistics"),
    }


def _table(
    defaults: Mapping[str, Any], brought: Mapping[str, Any], name: str, known: Mapping[str, Any]
) -> dict[str, Any]:
    table = dict(defaults) | dict(brought.get(name) or {}) | dict(known)
    return {key: _kind(key, value) for key, value in table.items()}


def _upstream_architecture(bundle: Bundle) -> str:
    # Variants of ``cnn`` have a name of their own here, but not upstream: its other switches tell them apart.
    name = bundle.model.architecture
    return "cnn" if name.startswith("cnn_") and bundle.params.get("architecture") == "cnn" else name


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: values[key] for key, name in names.items() if values.get(key) is not None}


def _kind(key: str, value: Any) -> Any:
    if key in _FLOATS and isinstance(value, (int, float)):
        return float(value)
    if hasattr(value, "item"):
        return value.item()
    # A path that was stored as text stays text.
    return str(value) if isinstance(value, str) else value
