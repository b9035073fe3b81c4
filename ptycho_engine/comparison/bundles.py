"""Two bundles or checkpoints: which parameters, which tensors, by how much."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.artefacts.inventory import file_digest
from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles.checkpoint import read_checkpoint
from ptycho_engine.comparison.differences import Comparison, Found
from ptycho_engine.documents import Bundle

_SCALES = ("era", "intensity_scale", "intensity_scale_origin", "input_scale", "n_photons", "n_parameters")


def compare_bundle_files(a: Path, b: Path) -> Comparison:
    """Compare two bundles.

    Raises
    ------
    BundleError
        If one of them cannot be read.
    """
    return compare_bundles(read_bundle(a), read_bundle(b))


def compare_bundles(one: Bundle, other: Bundle) -> Comparison:
    """Compare two open bundles: scales, network, parameters, training, tensors; worst first.

    Raises
    ------
    InputError
        If the file of one of them cannot be read for its digest.
    """
    found = Found()
    add_bundles(found, one, other)
    digests = {member.name: member.sha256 for member in one.members}
    figures: dict[str, Any] = {}
    if one.path is not None and other.path is not None:
        figures["sha256"] = [file_digest(one.path), file_digest(other.path)]
    figures |= tensor_figures(one.state, other.state)
    figures["members_of_other_content"] = [
        each.name for each in other.members if digests.get(each.name, each.sha256) != each.sha256
    ]
    a, b = (each.path if each.path is not None else Path(each.name) for each in (one, other))
    return found.finish("bundle", a, b, figures)


def add_bundles(found: Found, one: Bundle, other: Bundle) -> None:
    """Collect what differs between two open bundles."""
    found.tables("scales", *({key: getattr(each, key) for key in _SCALES} for each in (one, other)))
    found.tables("model", one.model.as_dict(), other.model.as_dict())
    found.tables("parameters", one.params, other.params)
    found.tables("training", one.training, other.training)
    found.arrays("tensors", one.state, other.state)
    histories = ({} if each.history is None else asdict(each.history) for each in (one, other))
    found.arrays("loss history", *histories)


def compare_checkpoints(a: Path, b: Path) -> Comparison:
    """Compare two checkpoints of this program.

    Raises
    ------
    BundleError
        If one of them cannot be read.
    """
    one, other = read_checkpoint(a), read_checkpoint(b)
    found = Found()
    found.tables("values", one.values, other.values)
    found.arrays("tensors", one.state, other.state)
    found.arrays("optimiser", one.optimiser, other.optimiser)
    figures = {"sha256": [file_digest(a), file_digest(b)]} | tensor_figures(one.state, other.state)
    return found.finish("checkpoint", a, b, figures)


def tensor_figures(a: Mapping[str, NDArray[Any]], b: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the norms over all tensors that both have in one shape.

    ``relative_norm`` is norm(a - b) / max(norm(a), norm(b)) of all their values taken as one vector.
    """
    squares = np.zeros(3)
    for name in a.keys() & b.keys():
        one, other = a[name], b[name]
        if one.shape == other.shape and one.dtype.kind in "fc" and other.dtype.kind in "fc":
            wide = np.complex128 if "c" in (one.dtype.kind, other.dtype.kind) else np.float64
            values = [each.astype(wide) for each in (one, other)]
            squares += [np.sum(np.abs(each) ** 2) for each in (values[0] - values[1], *values)]
    top = max(squares[1], squares[2])
    return {
        "norms": [math.sqrt(each) if np.isfinite(each) else None for each in squares[1:]],
        "norm_of_the_difference": math.sqrt(squares[0]) if np.isfinite(squares[0]) else None,
        "relative_norm": math.sqrt(squares[0] / top) if top > 0 and np.isfinite(squares).all() else None,
    }
