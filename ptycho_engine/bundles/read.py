"""Open a model bundle: whichever PtychoPINN or Ptychoscope wrote it, hostile or not, without running any of it."""

import math
from collections.abc import Mapping
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
from ptycho_engine.bundles.torch_file import read_torch_file
from ptycho_engine.bundles.unpickle import read_plain
from ptycho_engine.bundles.wrong_files import require_bundle_file, require_bundle_members
from ptycho_engine.documents import Bundle
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
    models = _manifest(archive, notes)
    state = _state(archive, models, notes)
    params = _params(archive, models, notes)
    metadata = _metadata(archive, notes)
    own = read_own_member(archive.read(OWN)) if OWN in archive.names else None
    era, model = identify(state, Records(params, metadata), None if own is None else own["model"], notes)
    n_photons = _number(own, "n_photons") if own is not None else _number(params, "nphotons")
    scale, origin = _intensity_scale(params, own, n_photons, model.n)
    return Bundle(
        name=path.parent.name if path.name == FILE_NAME and path.parent.name else path.name.removesuffix(".zip"),
        path=path,
        era=era,
        model=model,
        state=state,
        intensity_scale=scale,
        intensity_scale_origin=origin,
        input_scale=None if own is None else _number(own, "input_scale"),
        n_photons=n_photons,
        params=params,
        training=_training(metadata, own),
        provenance=_provenance(params, metadata, own, model.architecture),
        history=None if own is None else history_from(own),
        members=archive.digest(),
        notes=tuple(notes),
    )


def _manifest(archive: Archive, notes: list[str]) -> tuple[str, ...]:
    manifest = read_plain(archive.read(MANIFEST, _SMALL), member=MANIFEST, notes=notes)
    models = manifest.get("models") if isinstance(manifest, dict) else None
    if not isinstance(models, list) or not 1 <= len(models) <= 16:
        raise BundleError(f"{MANIFEST} does not list the models of the bundle", _ASK)
    for name in models:
        plain = isinstance(name, str) and 1 <= len(name) <= 64 and name.isascii() and name not in (".", "..")
        if not plain or not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise BundleError(f"{MANIFEST} lists a model of the name {shown(str(name))}", _ASK)
    return tuple(sorted(models, key=lambda name: (name != MODEL, models.index(name))))


def _state(archive: Archive, models: tuple[str, ...], notes: list[str]) -> dict[str, NDArray[Any]]:
    """Return the tensors of the first model that holds any; the others are stand-ins without weights."""
    for model in models:
        member = f"{model}/{WEIGHTS}"
        if member not in archive.names:
            raise BundleError(f"the bundle has no member {shown(member)}", _ASK)
        content = read_torch_file(archive.read(member), member=member, notes=notes)
        if isinstance(content, dict) and any(isinstance(value, np.ndarray) for value in content.values()):
            return _tensors(content, member, notes)
    raise BundleError("the bundle holds no weights", "It was not saved completely; ask for it again.")


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
    for model in models:
        member = f"{model}/{PARAMS}"
        if member not in archive.names:
            raise BundleError(f"the bundle has no member {shown(member)}", _ASK)
        table = read_plain(archive.read(member, _SMALL), member=member, notes=notes)
        if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
            raise BundleError(f"{member} is not a table of parameters", _ASK)
        tables.append(table)
    if any(set(table) != set(tables[0]) for table in tables):
        notes.append("The models of the bundle have different parameters; those of the first are used.")
    return tables[0]


def _metadata(archive: Archive, notes: list[str]) -> dict[str, dict[str, Any]]:
    if METADATA not in archive.names:
        return {}
    content = read_torch_file(archive.read(METADATA, _SMALL), member=METADATA, notes=notes)
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


def _training(metadata: Mapping[str, Mapping[str, Any]], own: Mapping[str, Any] | None) -> dict[str, Any]:
    if own is not None:
        stored = own.get("training")
        return stored if isinstance(stored, dict) else {}
    return dict(metadata.get("training_config", {}))


def _provenance(
    params: Mapping[str, Any],
    metadata: Mapping[str, Mapping[str, Any]],
    own: Mapping[str, Any] | None,
    architecture: str,
) -> dict[str, Any]:
    if own is not None:
        stored = own.get("provenance")
        provenance: dict[str, Any] = {"written_by": f"Ptychoscope {own.get('version')}"}
        provenance |= stored if isinstance(stored, dict) else {}
    else:
        named = {
            "written_by": f"PtychoPINN {params.get('_version', '')}".strip(),
            "train_data": params.get("train_data_file_path"),
            "test_data": params.get("test_data_file_path"),
            "output_folder": params.get("output_prefix"),
        }
        provenance = {key: str(value) for key, value in named.items() if value}
    if metadata and (own is None or architecture.startswith("cnn_")):
        # Kept whole, so that a bundle that is saved again says what it said before.
        provenance["upstream_records"] = {key: dict(value) for key, value in metadata.items()}
    return provenance
