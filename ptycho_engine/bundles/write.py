"""Save a model bundle in PtychoPINN's layout of the network's own release, atomically and read back."""

import hashlib
import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ptycho_engine.bundles.archive import open_archive
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.bundles.layout import (
    ERA,
    MANIFEST,
    MANIFEST_VERSION,
    METADATA,
    MODEL,
    OWN,
    PARAMS,
    SENTINEL_MODEL,
    WEIGHTS,
    own_member,
)
from ptycho_engine.bundles.torch_writer import torch_file_bytes
from ptycho_engine.bundles.upstream_records import metadata_of, params_of
from ptycho_engine.documents import TENSORFLOW_ERA, Bundle
from ptycho_engine.errors import BundleError

_DATE = (1980, 1, 1, 0, 0, 0)
_PROTOCOL = 4


def save_bundle(bundle: Bundle, path: str | Path) -> None:
    """Write ``bundle``; at every moment the old file or the whole new one is there.

    The same bundle gives the same bytes.

    Raises
    ------
    OutputError
        If it could not be written, or did not read back as written; the old file is as it was.
    BundleError
        If a tensor is not finite, which is of no use to anybody.
    """
    _require_sound(bundle)
    members = _members(bundle)
    digests = [(name, hashlib.sha256(data).hexdigest()) for name, data in members]

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members:
                info = zipfile.ZipInfo(name, _DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                info.create_system = 3
                archive.writestr(info, data)

    def verify(temporary: Path) -> None:
        with open_archive(temporary) as archive:
            found = [(member.name, member.sha256) for member in archive.digest()]
        if found != digests:
            raise BundleError("its members are not those that were written")

    atomic_write(path, write, verify)


def _require_sound(bundle: Bundle) -> None:
    if bundle.era == TENSORFLOW_ERA:
        raise BundleError("a TensorFlow network cannot be saved in another layout", "Keep the file it is in.")
    for name, array in bundle.state.items():
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise BundleError(f"{name} holds values that are not finite", "Train again with a lower learning rate.")


def _members(bundle: Bundle) -> list[tuple[str, bytes]]:
    params = params_of(bundle)
    flat = _dump(params)
    manifest = _dump({"models": [MODEL, SENTINEL_MODEL], "version": MANIFEST_VERSION})
    # Before July 2026 there was no complete record, and by its lack the older networks are known.
    complete = [(METADATA, torch_file_bytes(metadata_of(bundle, params), prefix="archive"))]
    return [
        (MANIFEST, manifest),
        (f"{MODEL}/{WEIGHTS}", torch_file_bytes(OrderedDict(bundle.state))),
        (f"{MODEL}/{PARAMS}", flat),
        (f"{SENTINEL_MODEL}/{WEIGHTS}", torch_file_bytes({"_sentinel": SENTINEL_MODEL})),
        (f"{SENTINEL_MODEL}/{PARAMS}", flat),
        *(complete if bundle.model.release == ERA else []),
        (OWN, own_member(bundle)),
    ]


def _dump(value: dict[str, Any]) -> bytes:
    # Plain data only: without a class in it, this is what dill would write.
    stream = io.BytesIO()
    _PlainPickler(stream, protocol=_PROTOCOL).dump(value)
    return stream.getvalue()


class _PlainPickler(pickle.Pickler):
    """Refuses to write what its own reader would refuse to read."""

    def reducer_override(self, value: Any) -> Any:
        raise TypeError(f"cannot store a {type(value).__name__} in the parameters of a bundle")
