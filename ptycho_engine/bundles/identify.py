"""Tell from tensors and records which network a bundle holds, and of which release.

Where they disagree the shapes of the tensors are believed: they are what the network must have. What neither says is
assumed, and said to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isqrt
from typing import Any

from numpy.typing import NDArray

from ptycho_engine.bundles.generator_records import generator_of, generator_settings, generator_shapes
from ptycho_engine.bundles.layout import ERA, REFACTORED
from ptycho_engine.bundles.tensor_shapes import settings_from_shapes, unused_tensors
from ptycho_engine.bundles.upstream_tables import SCALE_CONTRACTS
from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import BundleError, ConfigError

_ASK = "Ask for the bundle again."
_NOVEMBER, _FEBRUARY, _JUNE = "2025-11", "2026-02", "2026-06"


@dataclass(frozen=True, slots=True)
class Records:
    """What a bundle says about its network beside the tensors, in its own words."""

    params: Mapping[str, Any]
    """The flat table of ``params.dill``."""
    metadata: Mapping[str, Mapping[str, Any]]
    """The tables of ``torch_scaling_metadata.pt``, empty if there is none."""
    refactored: bool = False
    """Whether the archive is laid out as by the refactored program."""

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


@dataclass(frozen=True, slots=True)
class Identity:
    """Which network a bundle holds."""

    era: str
    model: ModelConfig
    assumed: tuple[str, ...] = ()
    """The settings of the model that neither tensors nor records say."""


def identify(
    state: Mapping[str, NDArray[Any]], records: Records, own: Mapping[str, Any] | None, notes: list[str]
) -> Identity:
    """Return the release family and the configuration of a network.

    Parameters
    ----------
    state
        Its tensors.
    records
        What the bundle says of it.
    own
        The content of the member that this program adds, if it wrote the bundle.
    notes
        Receives what was decided against the records, or without any, one sentence each.

    Raises
    ------
    BundleError
        If the tensors are of no network that is known, or a setting is out of all bounds.
    """
    try:
        if own is not None:
            model = ModelConfig.from_dict(own["model"])
            identity = Identity(model.release, model, _stored_assumptions(own))
        else:
            release = _release(state, records)
            settings, assumed = _settings(state, records, release, notes)
            era = REFACTORED if release == ERA and records.refactored else release
            identity = Identity(era, ModelConfig(**settings), assumed)
    except (ConfigError, TypeError, ValueError, OverflowError) as error:
        raise BundleError(f"the bundle asks for a network that cannot be: {error}", _ASK) from error
    for name in identity.assumed:
        value = getattr(identity.model, name)
        notes.append(f"No record says {name.replace('_', ' ')}; {value} is assumed.")
    notes += unused_tensors(state, identity.model)
    return identity


def _stored_assumptions(own: Mapping[str, Any]) -> tuple[str, ...]:
    stored = own.get("assumed", ())
    known = ("output", "amp_activation", "probe_big")
    return tuple(name for name in known if isinstance(stored, list) and name in stored)


def _release(state: Mapping[str, NDArray[Any]], records: Records) -> str:
    if any(".merge_blocks." in name for name in state):
        return _JUNE
    # Only July 2026 asked which architecture; the settings in older checkpoints do not say.
    said = "architecture" in records.metadata.get("model_config", {}) or "architecture" in records.params
    if said or "model.forward_model.rect_scaler.s1" in state:
        return ERA
    return _FEBRUARY if "model.forward_model.alpha" in state else _NOVEMBER


def _settings(
    state: Mapping[str, NDArray[Any]], records: Records, release: str, notes: list[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings of a network, and the names of those that had to be assumed."""
    said = {
        "n": _whole(records.data("N", "N", 64), "N"),
        "gridsize": _gridsize(records),
        "n_filters_scale": _whole(records.model("n_filters_scale", "n_filters_scale", 2), "n_filters_scale"),
    }
    object_big = bool(records.model("object_big", "object.big", said["gridsize"] > 1))
    shapes = generator_shapes(state) or settings_from_shapes(state)
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
    older = release in (_NOVEMBER, _FEBRUARY)
    unknown, assumed = _what_shapes_do_not_tell(records, release, notes)
    if generator_of(state) is not None:
        # What is not recorded are settings of the convolutional networks.
        assumed = ()
    settings = {
        "architecture": str(records.model("architecture", "architecture", "cnn")),
        "release": release,
        "object_big": object_big,
        "probe_scale": float(records.data("probe_scale", "probe_scale", 1.0 if older else 4.0)),
        "max_neighbor_distance": float(records.data("max_neighbor_distance", "", 3.0)),
        "merge_weights": "2025-11" if older else _merge_weights(records),
        "cbam_encoder": bool(records.model("cbam_encoder", "", not older)),
        "forward_model": _forward_model(records, release),
        "probe_mask": bool(records.model("probe_mask", "probe.mask", False)),
        "supervised": not any(name.startswith("model.forward_model.") for name in state) and release != _NOVEMBER,
    }
    return said | settings | unknown | shapes | generator_settings(state, records, notes), assumed


def _what_shapes_do_not_tell(
    records: Records, release: str, notes: list[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings that leave no trace in the tensors, and the names of those that no record says."""
    assumed = []
    # Only the complete record says it; the name that the flat table has for it is of other architectures.
    output = records.model("cnn_output_mode", "", None)
    if output is None:
        output = "real_imag" if release == _JUNE else "amp_phase"
        if release == ERA:
            assumed.append("output")
    activation = records.model("amp_activation", "amp_activation", None)
    if activation is None and output != "real_imag":
        assumed.append("amp_activation")
    draws_border = records.model("probe_big", "probe.big", None)
    if draws_border is None:
        draws_border = release != _NOVEMBER
        assumed.append("probe_big")
    settings = {
        "output": "real_imag" if output == "real_imag" else "amp_phase",
        "amp_activation": _activation("swish" if activation is None else str(activation), notes),
        "probe_big": bool(draws_border),
    }
    return settings, tuple(assumed)


def _merge_weights(records: Records) -> str:
    return "probe" if records.model("training_patch_weighting", "", "") == "probe" else "central"


def _gridsize(records: Records) -> int:
    grid = records.metadata.get("data_config", {}).get("grid_size")
    if isinstance(grid, (tuple, list)) and grid:
        return _whole(grid[0], "grid_size")
    return _whole(records.params.get("gridsize", 1), "gridsize")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or value != int(value):
        raise BundleError(f"the setting {name} is {str(value)[:40]!r}, not a whole number", _ASK)
    return int(value)


def _activation(said: str, notes: list[str]) -> str:
    if said in ("swish", "silu", "sigmoid"):
        return said
    # PtychoPINN takes every name but sigmoid for this.
    notes.append(f"The amplitude activation {said[:40]!r} means SiLU.")
    return "silu"


def _forward_model(records: Records, release: str) -> str:
    """Return what is predicted; the records of the scale count only where intensities are, and then as a pair."""
    if release == _JUNE:
        return "rectangular"
    if records.model("physics_forward_mode", "", "amplitude") != "rectangular_scaled":
        return "amplitude"
    pair = (records.data("scale_contract_version", "", ""), records.data("measurement_domain", "", ""))
    for model, known in SCALE_CONTRACTS.items():
        if pair == known:
            return model
    raise BundleError(
        f"its records contradict each other: scale contract {str(pair[0])[:40]!r} with {str(pair[1])[:40]!r}",
        "They belong together as "
        + " or ".join(f"{contract} with {domain}" for contract, domain in SCALE_CONTRACTS.values())
        + ". Ask for the bundle again.",
    )
