"""Write a bundle as PtychoPINN does, with torch and pickle: what this program's own writer does is not trusted here."""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

MANIFEST = {"models": ["diffraction_to_obj", "autoencoder"], "version": "2.0-pytorch"}


def random_state(table: Mapping[str, Any], seed: int = 0) -> dict[str, NDArray[Any]]:
    """Return tensors of the names, shapes and kinds in a reference table, of random values."""
    rng = np.random.default_rng(seed)
    state: dict[str, NDArray[Any]] = {}
    for name, (shape, dtype) in table.items():
        if dtype == "int64":
            state[name] = np.array(rng.integers(1, 1000, shape))
        elif name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 2.0, shape).astype(np.float32)
        else:
            fan_in = max(1, int(np.prod(shape[1:])))
            state[name] = (rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(fan_in))).astype(np.float32)
    return state


def write_upstream(
    path: Path,
    state: Mapping[str, NDArray[Any]],
    params: Mapping[str, Any],
    metadata: Mapping[str, Any] | None,
    *,
    manifest: Mapping[str, Any] = MANIFEST,
    second: Mapping[str, NDArray[Any]] | None = None,
) -> Path:
    """Write the archive; ``second`` are the tensors of the model that usually is a stand-in."""
    flat = pickle.dumps(dict(params), 4)
    stand_in = {"_sentinel": "autoencoder"} if second is None else _tensors(second)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.dill", pickle.dumps(dict(manifest), 4))
        archive.writestr("diffraction_to_obj/model.pth", _saved(_tensors(state)))
        archive.writestr("diffraction_to_obj/params.dill", flat)
        archive.writestr("autoencoder/model.pth", _saved(stand_in))
        archive.writestr("autoencoder/params.dill", flat)
        if metadata is not None:
            archive.writestr("torch_scaling_metadata.pt", _saved(metadata))
    return path


def _tensors(state: Mapping[str, NDArray[Any]]) -> Mapping[str, torch.Tensor]:
    return OrderedDict((name, torch.tensor(value)) for name, value in state.items())


def _saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()
