"""The state of a training in one file: tensors in the safetensors format, everything else as JSON in its header.

Neither can hold code, so that to resume a foreign training is as safe as to open a bundle.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.errors import BundleError, OutputError

_KEY = "ptychoscope_checkpoint"
_FORMAT = 1
_MAX_BYTES = 64 * 2**30
_ASK = "Resume from an older checkpoint, or train anew."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a training needs to go on as if it had never stopped."""

    state: Mapping[str, NDArray[Any]]
    """The tensors of the network by their names in a bundle, in the network's order."""
    optimiser: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """The arrays of the optimiser and of whatever else changes from step to step."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Plain data: settings, progress, schedule, fingerprints. Infinities and NaN are kept."""


def save_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint; at every moment the old file or the whole new one is there.

    Raises
    ------
    OutputError
        If it could not be written, or did not read back as written.
    """
    from safetensors.numpy import save

    # The format keeps its own order, so the order of the tensors is written down.
    header = {
        "format": _FORMAT,
        "state": list(checkpoint.state),
        "optimiser": list(checkpoint.optimiser),
        "values": dict(checkpoint.values),
    }
    tensors = {f"state/{name}": _dense(array) for name, array in checkpoint.state.items()}
    tensors |= {f"optimiser/{name}": _dense(array) for name, array in checkpoint.optimiser.items()}
    data = save(tensors, {_KEY: json.dumps(header)})

    def write(stream: BinaryIO) -> None:
        stream.write(data)

    def verify(temporary: Path) -> None:
        if temporary.read_bytes() != data:
            raise OutputError("it is not what was written", "Check the disk.")

    atomic_write(path, write, verify)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    BundleError
        If it is not a checkpoint of this program, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BundleError(f"the checkpoint is larger than {_MAX_BYTES} bytes", _ASK, file=path)
        with path.open("rb") as file:
            start = file.read(9)
        if start[:2] == b"PK":
            raise BundleError(
                "this is a torch or Lightning checkpoint, or a bundle, not a checkpoint of Ptychoscope", _ASK, file=path
            )
        with safe_open(path, framework="numpy") as stored:
            header = _header((stored.metadata() or {}).get(_KEY), path)
            found = set(stored.keys())
            wanted = {f"{part}/{name}" for part in ("state", "optimiser") for name in header[part]}
            if found != wanted:
                raise BundleError("the checkpoint does not hold the tensors that it lists", _ASK, file=path)
            state = {name: _frozen(stored.get_tensor(f"state/{name}")) for name in header["state"]}
            optimiser = {name: _frozen(stored.get_tensor(f"optimiser/{name}")) for name in header["optimiser"]}
    except FileNotFoundError as error:
        raise BundleError("there is no such checkpoint", "Check the path.", file=path) from error
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise BundleError(f"the checkpoint is damaged ({_first_line(error)})", _ASK, file=path) from error
    return Checkpoint(state, optimiser, header["values"])


def prune_checkpoints(paths: Iterable[Path], *, best: Path | None = None, newest: int = 2) -> tuple[Path, ...]:
    """Remove old checkpoints and return what was removed.

    Parameters
    ----------
    paths
        All checkpoints of one training, oldest first.
    best
        One that is kept whatever its age.
    newest
        How many of the newest are kept.
    """
    ordered = list(paths)
    removed = tuple(path for path in ordered[: max(0, len(ordered) - newest)] if path != best)
    for path in removed:
        # One that cannot be removed takes space, and is no reason to stop; it is tried again with the next.
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return removed


def _header(text: str | None, path: Path) -> dict[str, Any]:
    if text is None:
        raise BundleError("this safetensors file is not a checkpoint of Ptychoscope", _ASK, file=path)
    try:
        header = json.loads(text)
    except RecursionError as error:
        raise ValueError("its header nests too deep") from error
    if not isinstance(header, dict):
        raise TypeError("its header is no table")
    if header.get("format") != _FORMAT:
        raise BundleError("the checkpoint was written by a newer Ptychoscope", "Use that version.", file=path)
    for part in ("state", "optimiser"):
        if not all(isinstance(name, str) for name in header[part]):
            raise TypeError("its header names no tensors")
    if not isinstance(header["values"], dict):
        raise TypeError("its header holds no values")
    return header


def _dense(array: NDArray[Any]) -> NDArray[Any]:
    # ``ascontiguousarray`` would give a number one dimension.
    return array if array.flags.c_contiguous else np.array(array, order="C")


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
