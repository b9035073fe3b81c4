"""Open a model bundle: whichever PtychoPINN or Ptychoscope wrote it, hostile or not, without running any of it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.bundles.archive import Archive, open_archive, shown
from ptycho_engine.bundles.identify import Records, identify
from ptycho_engine.bundles.layout import (
    MANIFEST,
    METADATA,
    MODEL,
    OWN,
    PARAMS,
    WEIGHTS,
    history_from,
    read_own_member,
)
from ptycho_engine.bundles.lightning import is_torch_file, read_lightning
from ptycho_engine.bundles.tensorflow import is_tensorflow, read_tensorflow
from ptycho_engine.bundles.torch_file import read_torch_file
from ptycho_engine.bundles.unpickle import read_plain
from ptycho_engine.bundles.upstream_records import metadata_of, params_of
from ptycho_engine.bundles.wrong_files import require_bundle_file, require_bundle_members
from ptycho_engine.documents import Bundle, CountStatistics
from ptycho_engine.errors import BundleError

FILE_NAME = "wts.h5.zip"
_DEFAULT_PHOTONS = 1e9
_RULE = "as sqrt(n_photons)/(N/2), not learned"
_ASK = "The bundle is damaged; ask for it again."
_SMALL = 4 * 2**20


def read_bundle(path: str | Path) -> Bundle:
    """Read a model bundle.

    Parameters
    ----------
    path
        The bundle, or the folder that holds it under its usual name.

    Raises
    ------
    BundleError
        If it is not a bundle, is damaged, or was refused; the message names the file and the member.
    """
    path = Path(path)
    if path.is_dir() and (path / FILE_NAME).is_file():
        path = path / FILE_NAME
    try:
        require_bundle_file(path)
        with open_archive(path) as archive:
            if is_tensorflow(archive):
                return read_tensorflow(archive, path, _name(path))
            if is_torch_file(archive):
                return _read_checkpoint(archive, path)
            require_bundle_members(archive)
            return _read(archive, path)
    except BundleError as error:
        if error.file is not None:
            raise
        raise BundleError(error.message, error.hint, file=path) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BundleError(
            f"the file cannot be read ({reason})", "Check the path and its permissions.", file=path
        ) from error
    except MemoryError as error:
        raise BundleError("the bundle does not fit into the memory", "Close other programs.", file=path) from error


def _read(archive: Archive, path: Path) -> Bundle:
    notes: list[str] = []
    manifest, models = _manifest(archive, notes)
    state = _state(archive, models, notes)
    params = _params(archive, models, notes)
    metadata = _metadata(archive, notes)
    own = read_own_member(archive.read_hashed(OWN)) if OWN in archive.names else None
    refactored = "backend" in manifest or "artifact_schema_version" in manifest or "model_spec" in metadata
    return _described(archive, path, state, Records(params, metadata, refactored), own, {}, notes)


def _read_checkpoint(archive: Archive, path: Path) -> Bundle:
    notes: list[str] = []
    found = read_lightning(archive, notes)
    state = _tensors(found.state, "the checkpoint", notes)
    return _described(archive, path, state, Records({}, found.records), None, found.origin, notes)


def _described(
    archive: Archive,
    path: Path,
    state: dict[str, NDArray[Any]],
    records: Records,
    own: Mapping[str, Any] | None,
    origin: Mapping[str, Any],
    notes: list[str],
) -> Bundle:
    params, metadata = records.params, records.metadata
    identity = identify(state, records, own, notes)
    model = identity.model
    n_photons = _number(own, "n_photons") if own is not None else _photons(records)
    scale, scale_origin = _intensity_scale(params, own, n_photons, model.n)
    bundle = Bundle(
        name=_name(path),
        path=path,
        era=identity.era,
        model=model,
        state=state,
        intensity_scale=scale,
        intensity_scale_origin=scale_origin,
        input_scale=None if own is None else _number(own, "input_scale"),
        n_photons=n_photons,
        count_statistics=_count_statistics(metadata.get("ci_statistics", {}), notes),
        params=params,
        training=_training(metadata, own),
        provenance=_provenance(params, own) | dict(origin),
        history=None if own is None else history_from(own),
        members=archive.digest(),
        notes=tuple(notes),
        assumed=identity.assumed,
    )
    return _with_records(bundle, metadata)


def _name(path: Path) -> str:
    if path.name == FILE_NAME and path.parent.name:
        return path.parent.name
    return path.name.removesuffix(".zip").removesuffix(".h5").removesuffix(".ckpt")


def _with_records(bundle: Bundle, metadata: Mapping[str, Any]) -> Bundle:
    """Keep the records whole where they say more than the bundle: saved again, it says what it said before."""
    own_words = metadata_of(bundle, params_of(bundle)) if metadata else {}
    if all(own_words.get(key) == value for key, value in metadata.items()):
        return bundle
    kept = {key: dict(value) for key, value in metadata.items()}
    return replace(bundle, provenance={**bundle.provenance, "upstream_records": kept})


def _manifest(archive: Archive, notes: list[str]) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """Return the manifest, and the names of the models in it, that with the weights first."""
    manifest = read_plain(archive.read_hashed(MANIFEST, _SMALL), member=MANIFEST, notes=notes)
    models = manifest.get("models") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or not isinstance(models, list) or not 1 <= len(models) <= 16:
        raise BundleError(f"{MANIFEST} does not list the models of the bundle", _ASK)
    for name in models:
        plain = isinstance(name, str) and 1 <= len(name) <= 64 and name.isascii() and name not in (".", "..")
        if not plain or not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise BundleError(f"{MANIFEST} lists a model of the name {shown(str(name))}", _ASK)
    return manifest, tuple(sorted(models, key=lambda name: (name != MODEL, models.index(name))))


def _state(archive: Archive, models: tuple[str, ...], notes: list[str]) -> dict[str, NDArray[Any]]:
    """Return the tensors of the first model that holds any; the others are stand-ins or hold parts of it again."""
    state: dict[str, NDArray[Any]] = {}
    for model in models:
        member = f"{model}/{WEIGHTS}"
        if member not in archive.names:
            raise BundleError(f"the bundle has no member {shown(member)}", _ASK)
        content = read_torch_file(archive.read_hashed(member), member=member, notes=notes, checked=True)
        if not isinstance(content, dict) or not any(isinstance(value, np.ndarray) for value in content.values()):
            continue
        if not state:
            state = _tensors(content, member, notes)
        elif not all(_is_again(state, name, value) for name, value in content.items()):
            notes.append(f"{shown(member)} holds tensors of its own; those of {MODEL} are used, as PtychoPINN does.")
    if not state:
        raise BundleError("the bundle holds no weights", "It was not saved completely; ask for it again.")
    return state


def _is_again(state: Mapping[str, NDArray[Any]], name: Any, value: Any) -> bool:
    if not isinstance(value, np.ndarray):
        return True
    held = state.get(str(name), state.get(f"model.autoencoder.{name}"))
    return held is not None and np.array_equal(held, value)


def _tensors(content: Mapping[Any, Any], member: str, notes: list[str]) -> dict[str, NDArray[Any]]:
    state: dict[str, NDArray[Any]] = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise BundleError(f"{member} holds {shown(str(name))}, which is not a tensor", _ASK)
        if value.dtype in (np.float16, np.float64):
            notes.append(f"{name} was stored as {value.dtype} and is used as float32.")
            with np.errstate(over="ignore"):  # What becomes infinite is noted below.
                value = value.astype(np.float32)
            value.setflags(write=False)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            notes.append(f"{name} holds values that are not finite.")
        state[name] = value
    return state


def _params(archive: Archive, models: tuple[str, ...], notes: list[str]) -> dict[str, Any]:
    tables: list[dict[str, Any]] = []
    known: dict[bytes, object] = {}
    for model in models:
        member = f"{model}/{PARAMS}"
        if member not in archive.names:
            raise BundleError(f"the bundle has no member {shown(member)}", _ASK)
        data = archive.read_hashed(member, _SMALL)
        if data not in known:
            # Usually the same for all models.
            known[data] = read_plain(data, member=member, notes=notes)
        table = known[data]
        if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
            raise BundleError(f"{member} is not a table of parameters", _ASK)
        tables.append(table)
    if any(set(table) != set(tables[0]) for table in tables):
        notes.append("The models of the bundle have different parameters; those of the first are used.")
    return tables[0]


def _metadata(archive: Archive, notes: list[str]) -> dict[str, dict[str, Any]]:
    if METADATA not in archive.names:
        return {}
    content = read_torch_file(archive.read_hashed(METADATA, _SMALL), member=METADATA, notes=notes, checked=True)
    if not isinstance(content, dict):
        raise BundleError(f"{METADATA} is not a table", _ASK)
    return {key: value for key, value in content.items() if isinstance(value, dict)}


def _intensity_scale(
    params: Mapping[str, Any], own: Mapping[str, Any] | None, n_photons: float | None, n: int
) -> tuple[float, str]:
    """Return S and where it comes from, in words."""
    if own is not None:
        stored = _number(own, "intensity_scale")
        if stored is not None and stored > 0:
            return stored, str(own.get("intensity_scale_origin", ""))[:1000]
    computed = math.sqrt(n_photons or _DEFAULT_PHOTONS) / (n / 2)
    stored = _number(params, "intensity_scale")
    if stored is None or stored <= 0:
        given = "n_photons" if n_photons else "the usual n_photons, as the bundle does not say"
        return (
            computed,
            f"computed from {given} = {n_photons or _DEFAULT_PHOTONS:g} as sqrt(n_photons)/(N/2), not learned",
        )
    if params.get("intensity_scale.trainable") is True:
        return stored, "recorded by a training that could change it"
    if n_photons and math.isclose(stored, computed, rel_tol=1e-3):
        return stored, f"computed from n_photons = {n_photons:g} {_RULE}"
    return stored, f"recorded in {PARAMS}; it does not follow from n_photons"


def _number(table: Mapping[str, Any], key: str) -> float | None:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _photons(records: Records) -> float | None:
    stored = _number(records.params, "nphotons")
    return stored if stored is not None else _number(records.metadata.get("data_config", {}), "nphotons")


def _count_statistics(table: Mapping[str, Any], notes: list[str]) -> CountStatistics | None:
    """Return the frozen statistics of a training with counts; of several datasets those of the first."""
    found = []
    for name in ("rms_input_scale", "mean_measured_intensity"):
        values = np.ravel(table.get(name, ()))
        if not values.size:
            return None
        if values.dtype.kind not in "iuf" or not (np.isfinite(values).all() and (values > 0).all()):
            raise BundleError(f"{METADATA} says {name} is {shown(str(table[name]))}", _ASK)
        found.append(float(values[0]))
        if values.size > 1:
            notes.append(f"{name} is recorded for {values.size} datasets; that of the first is used.")
    return CountStatistics(*found)


def _training(metadata: Mapping[str, Mapping[str, Any]], own: Mapping[str, Any] | None) -> dict[str, Any]:
    if own is not None:
        stored = own.get("training")
        return stored if isinstance(stored, dict) else {}
    return dict(metadata.get("training_config", {}))


def _provenance(params: Mapping[str, Any], own: Mapping[str, Any] | None) -> dict[str, Any]:
    if own is not None:
        stored = own.get("provenance")
        provenance: dict[str, Any] = {"written_by": f"Ptychoscope {own.get('version')}"}
        return provenance | (stored if isinstance(stored, dict) else {})
    named = {
        "written_by": f"PtychoPINN {params.get('_version', '')}".strip(),
        "train_data": params.get("train_data_file_path"),
        "test_data": params.get("test_data_file_path"),
        "output_folder": params.get("output_prefix"),
    }
    return {key: str(value) for key, value in named.items() if value}
