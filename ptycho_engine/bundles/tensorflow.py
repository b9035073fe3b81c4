"""Look into bundles of PtychoPINN's TensorFlow backend: layers, parameters, scale. Their networks cannot be run here.

Nothing of TensorFlow is needed and nothing that the file carries is run: ``custom_objects.dill`` is never opened.
"""

import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import frozen_array
from ptycho_engine.bundles.archive import Archive, nested_archive, shown
from ptycho_engine.bundles.layout import MANIFEST, MODEL, PARAMS
from ptycho_engine.bundles.plain_objects import PLAIN_OBJECTS, Known
from ptycho_engine.bundles.plain_values import DEFAULT_LIMITS
from ptycho_engine.bundles.unpickle import read_plain
from ptycho_engine.config import SUPPORTED_SIDES, ModelConfig
from ptycho_engine.documents import TENSORFLOW_ERA, Bundle
from ptycho_engine.errors import BundleError

if TYPE_CHECKING:
    import h5py

_KERAS = "model.keras"
_SCALE = "model.h5"
_WEIGHTS = "model.weights.h5"
_CONFIG = "config.json"
_ASK = "The bundle is damaged; ask for it again."
_SMALL = 16 * 2**20
_LIMITS = replace(DEFAULT_LIMITS, member_bytes=64 * 2**20)
"""The parameters may hold the probe."""
_FOREIGN = ("tensorflow", "keras", "numpy")
"""Packages whose objects stand in such parameters; they become text that names them."""


def is_tensorflow(archive: Archive) -> bool:
    """Whether an archive is a bundle of the TensorFlow backend."""
    if any(PurePosixPath(name).name == _KERAS for name in archive.names):
        return True
    if MANIFEST not in archive.names or any(name.endswith(".pth") for name in archive.names):
        return False
    manifest = read_plain(archive.read(MANIFEST, _SMALL), member=MANIFEST)
    return isinstance(manifest, dict) and manifest.get("version") == "1.0"


def read_tensorflow(archive: Archive, path: Path, name: str) -> Bundle:
    """Return a bundle to look at: its tensors are those of the layers, its network is never built.

    Raises
    ------
    BundleError
        If it is damaged, lacks ``model.keras``, or its parameters would load what no model needs.
    """
    notes: list[str] = []
    folder = _folder(archive)
    keras = nested_archive(archive.read(f"{folder}/{_KERAS}"), f"{folder}/{_KERAS}")
    state = _layers(keras)
    params = _params(archive, f"{folder}/{PARAMS}", notes)
    photons = _number(params.get("nphotons"))
    model = _model(params, keras, notes)
    scale, origin = _scale(archive, f"{folder}/{_SCALE}", params, photons, model.n)
    return Bundle(
        name=name,
        path=path,
        era=TENSORFLOW_ERA,
        model=model,
        state=state,
        intensity_scale=scale,
        intensity_scale_origin=origin,
        n_photons=photons,
        params=params,
        provenance={"written_by": f"PtychoPINN with TensorFlow, Keras {_keras_version(keras)}".rstrip()},
        members=archive.digest(),
        notes=tuple(notes),
    )


def _folder(archive: Archive) -> str:
    """Return the model to look at: the whole network where the bundle has it."""
    folders = [name.rpartition("/")[0] for name in archive.names if name.endswith(f"/{_KERAS}")]
    if not folders:
        raise BundleError(
            f"this TensorFlow bundle of PtychoPINN holds no {_KERAS}, so its layers cannot be listed",
            "Save it again with PtychoPINN.",
        )
    return MODEL if MODEL in folders else folders[0]


def _layers(keras: Archive) -> dict[str, NDArray[Any]]:
    data = keras.read(_WEIGHTS)
    room = 2 * len(data) + 2**20
    state: dict[str, NDArray[Any]] = {}

    def take(name: str, item: object) -> None:
        nonlocal room
        if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiubc":
            return
        # Numbers that lie in other files, or that are filled in without being stored, are not read.
        if item.external or item.is_virtual or item.nbytes > room:
            raise BundleError(f"{_WEIGHTS} holds {shown(name)}, whose numbers are not in it", _ASK)
        room -= item.nbytes
        state[name] = frozen_array(item[()])

    import h5py

    _with_hdf5(data, _WEIGHTS, lambda file: file.visititems(take))
    if not state:
        raise BundleError(f"{_WEIGHTS} holds no weights", _ASK)
    return state


def _with_hdf5(data: bytes, member: str, use: "Callable[[h5py.File], object]") -> Any:
    import h5py

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return use(file)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise BundleError(f"{member} is not readable ({str(error)[:200]})", _ASK) from error


class _Foreign:
    """An object of another program, of which only the name is kept."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self, _state: object) -> None:
        """Take nothing of its content."""

    def __str__(self) -> str:
        return f"<{self.name}>"


class _KnownOrForeign(dict[tuple[str, str], Known]):
    """The closed table, and names of the packages that genuine parameters mention; these make nothing."""

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        found = super().get(key, default)
        if found is not None or key[0].partition(".")[0] not in _FOREIGN:
            return found
        name = shown(".".join(key))
        return Known(name, lambda *_arguments: _Foreign(name))


def _params(archive: Archive, member: str, notes: list[str]) -> dict[str, Any]:
    if member not in archive.names:
        notes.append("The bundle holds no parameters.")
        return {}
    data = archive.read(member, _LIMITS.member_bytes)
    table = read_plain(data, member=member, limits=_LIMITS, known=_KnownOrForeign(PLAIN_OBJECTS), notes=notes)
    if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
        raise BundleError(f"{member} is not a table of parameters", _ASK)
    return {key: _plain(value) for key, value in table.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} array of shape {value.shape}>"
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, (_Foreign, bytes, set, frozenset)) else value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        return None
    return float(value)


def _model(params: Mapping[str, Any], keras: Archive, notes: list[str]) -> ModelConfig:
    """Return what is known of the network in the terms of this program; it is shown, never built."""
    side, channels = _input_shape(keras)
    n = side or params.get("N")
    if n not in SUPPORTED_SIDES:
        notes.append(f"The side of its patches is not one that this program knows; {SUPPORTED_SIDES[0]} px is shown.")
        n = SUPPORTED_SIDES[0]
    gridsize = math.isqrt(channels) if channels else params.get("gridsize")
    filters = params.get("n_filters_scale")
    return ModelConfig(
        n=n,
        gridsize=gridsize if isinstance(gridsize, int) and 1 <= gridsize <= 8 else 1,
        architecture="tensorflow",
        n_filters_scale=filters if isinstance(filters, int) and 1 <= filters <= 8 else 2,
        object_big=params.get("object.big") is not False,
        probe_big=params.get("probe.big") is not False,
        probe_mask=params.get("probe.mask") is True,
        probe_scale=_number(params.get("probe_scale")) or 4.0,
    )


def _input_shape(keras: Archive) -> tuple[int | None, int | None]:
    """Return side and channels of the first square input in the graph of layers."""
    graph = _json(keras, _CONFIG)
    config = graph.get("config")
    layers = config.get("layers") if isinstance(config, dict) else None
    for layer in layers if isinstance(layers, list) else ():
        inner = layer.get("config") if isinstance(layer, dict) else None
        shape = inner.get("batch_shape") if isinstance(inner, dict) else None
        if isinstance(shape, list) and len(shape) == 4 and all(type(one) is int for one in shape[1:]):
            _, height, width, channels = shape
            if height == width:
                return height, channels
    return None, None


def _keras_version(keras: Archive) -> str:
    return str(_json(keras, "metadata.json").get("keras_version", ""))[:20]


def _json(keras: Archive, member: str) -> dict[str, Any]:
    if member not in keras.names:
        return {}
    try:
        content = json.loads(keras.read(member, _SMALL))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{_KERAS} has an unreadable {member} ({error})", _ASK) from error
    return content if isinstance(content, dict) else {}


def _scale(
    archive: Archive, member: str, params: Mapping[str, Any], photons: float | None, n: int
) -> tuple[float, str]:
    if member in archive.names:
        stored = _with_hdf5(archive.read(member), member, lambda file: file.attrs.get("intensity_scale"))
        value = _number(stored.item()) if isinstance(stored, (np.generic, np.ndarray)) and stored.size == 1 else None
        if value is not None:
            return value, f"recorded in {_SCALE}"
    value = _number(params.get("intensity_scale"))
    if value is not None:
        return value, f"recorded in {PARAMS}"
    return math.sqrt(photons or 1e9) / (n / 2), "computed as sqrt(n_photons)/(N/2), as the bundle does not say"
