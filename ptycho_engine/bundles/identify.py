"""Tell from tensors and records which network a bundle holds, and of which release.

Where they disagree the shapes of the tensors are believed: they are what the network must have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isqrt
from typing import Any

from numpy.typing import NDArray

from ptycho_engine.bundles.layout import ERA
from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import BundleError, ConfigError

_SIDES = {3: 64, 4: 128, 5: 256}
_PREFIX = "model.autoencoder."
_HEADS = ("decoder_amp.amp", "decoder_phase.phase")
_ASK = "Ask for the bundle again."


@dataclass(frozen=True, slots=True)
class Records:
    """What a bundle says about its network beside the tensors, in its own words."""

    params: Mapping[str, Any]
    """The flat table of ``params.dill``."""
    metadata: Mapping[str, Mapping[str, Any]]
    """The tables of ``torch_scaling_metadata.pt``, empty if there is none."""

    def model(self, key: str, params_key: str, default: Any) -> Any:
        """Return a setting of the network: from the complete record, else from the flat table."""
        return self._find("model_config", key, params_key, default)

    def data(self, key: str, params_key: str, default: Any) -> Any:
        """Return a setting of the data: from the complete record, else from the flat table."""
        return self._find("data_config", key, params_key, default)

    def _find(self, table: str, key: str, params_key: str, default: Any) -> Any:
        value = self.metadata.get(table, {}).get(key)
        if value is None:
            value = self.params.get(params_key)
        return default if value is None else value


def identify(
    state: Mapping[str, NDArray[Any]], records: Records, own: Mapping[str, Any] | None, notes: list[str]
) -> tuple[str, ModelConfig]:
    """Return the release family and the configuration of a network.

    Parameters
    ----------
    state
        Its tensors.
    records
        What the bundle says of it.
    own
        The configuration in a bundle of this program, if it is one.
    notes
        Receives what was decided against the records, one sentence each.

    Raises
    ------
    BundleError
        If the tensors are of no network that is known, or a setting is out of all bounds.
    """
    try:
        if own is not None:
            return ERA, ModelConfig.from_dict(own)
        return _era(state, records), ModelConfig(**_settings(state, records, notes))
    except (ConfigError, TypeError, ValueError, OverflowError) as error:
        raise BundleError(f"the bundle asks for a network that cannot be: {error}", _ASK) from error


def _era(state: Mapping[str, NDArray[Any]], records: Records) -> str:
    if any(".merge_blocks." in name for name in state):
        return "2026-06"
    if records.metadata or "model.forward_model.rect_scaler.s1" in state:
        return ERA
    return "2026-02" if "model.forward_model.alpha" in state else "2025-11"


def _settings(state: Mapping[str, NDArray[Any]], records: Records, notes: list[str]) -> dict[str, Any]:
    said = {
        "n": _whole(records.data("N", "N", 64), "N"),
        "gridsize": _gridsize(records),
        "n_filters_scale": _whole(records.model("n_filters_scale", "n_filters_scale", 2), "n_filters_scale"),
    }
    object_big = bool(records.model("object_big", "object.big", said["gridsize"] > 1))
    shapes = _from_shapes(state)
    channels = shapes.pop("channels", None)
    if channels == 1 and said["gridsize"] > 1:
        object_big = False
    elif channels is not None and channels > 1:
        object_big = True
        if isqrt(channels) ** 2 != channels:
            raise BundleError(f"the first layer takes groups of {channels} patterns, which is no square", _ASK)
        shapes["gridsize"] = isqrt(channels)
    for key, value in shapes.items():
        if key in said and said[key] != value:
            notes.append(f"The records say {key} = {said[key]}, the tensors {value}; the tensors are believed.")
    attention = f"{_PREFIX}encoder.blocks.0.attention.ChannelGate.mlp.1.weight" in state
    return (
        said
        | shapes
        | {
            "architecture": _architecture(state, records),
            "amp_activation": _activation(records, notes),
            "object_big": object_big,
            "probe_big": bool(records.model("probe_big", "probe.big", True)),
            "probe_scale": float(records.data("probe_scale", "probe_scale", 4.0)),
            "max_neighbor_distance": float(records.data("max_neighbor_distance", "", 3.0)),
            "merge_weights": "probe" if records.model("training_patch_weighting", "", "") == "probe" else "central",
            "cbam_encoder": attention if shapes else bool(records.model("cbam_encoder", "", True)),
            "batch_norm": f"{_PREFIX}encoder.blocks.0.bn1.running_mean" in state,
            "probe_mask": bool(records.model("probe_mask", "probe.mask", False)),
        }
    )


def _from_shapes(state: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Return N, filters and channels of the convolutional networks; nothing for the others."""
    depth = 0
    while f"{_PREFIX}encoder.blocks.{depth}.conv2.weight" in state:
        depth += 1
    if depth == 0:
        return {}
    bottleneck = state[f"{_PREFIX}encoder.blocks.{depth - 1}.conv2.weight"]
    first = state.get(f"{_PREFIX}encoder.blocks.0.conv1.weight")
    if depth not in _SIDES or first is None or first.ndim != 4 or bottleneck.ndim != 4 or bottleneck.shape[0] % 128:
        raise BundleError("the tensors are of no network that is known", _ASK)
    return {"n": _SIDES[depth], "n_filters_scale": bottleneck.shape[0] // 128, "channels": first.shape[1]}


def _gridsize(records: Records) -> int:
    grid = records.metadata.get("data_config", {}).get("grid_size")
    if isinstance(grid, (tuple, list)) and grid:
        return _whole(grid[0], "grid_size")
    return _whole(records.params.get("gridsize", 1), "gridsize")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or value != int(value):
        raise BundleError(f"the setting {name} is {str(value)[:40]!r}, not a whole number", _ASK)
    return int(value)


def _activation(records: Records, notes: list[str]) -> str:
    said = str(records.model("amp_activation", "amp_activation", "swish"))
    if said in ("swish", "silu", "sigmoid"):
        return said
    # PtychoPINN takes every name but sigmoid for this.
    notes.append(f"The amplitude activation {said[:40]!r} means SiLU.")
    return "silu"


def _architecture(state: Mapping[str, NDArray[Any]], records: Records) -> str:
    """Return the name of the architecture; what differs from ``cnn`` has a name that no network is registered for."""
    said = str(records.model("architecture", "architecture", "cnn"))
    if said != "cnn":
        return said
    if any(".lifter." in name for name in state):
        return "fno"
    if f"{_PREFIX}decoder_shared.blocks.0.conv1.weight" in state:
        return "cnn_shared_decoder"
    if f"{_PREFIX}bottleneck_cbam.ChannelGate.mlp.1.weight" in state:
        return "cnn_cbam_bottleneck"
    if records.model("cnn_output_mode", "", "amp_phase") == "real_imag":
        return "cnn_real_imag"
    return "cnn" if _heads_are_current(state) else "cnn_older_heads"


def _heads_are_current(state: Mapping[str, NDArray[Any]]) -> bool:
    outputs = set()
    for head in _HEADS:
        last = state.get(f"{_PREFIX}{head}.conv1.weight")
        border = state.get(f"{_PREFIX}{head}.conv_up_block.conv1.weight")
        if last is None or border is None or border.ndim != 4 or border.shape[1] != last.shape[0]:
            return False
        outputs.add(last.shape[0])
    return len(outputs) == 1
