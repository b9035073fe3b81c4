"""A bundle as the TensorFlow backend of PtychoPINN writes it, made without TensorFlow."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

PARAMS: dict[str, Any] = {
    "N": 128,
    "gridsize": 2,
    "n_filters_scale": 1,
    "nphotons": 1e9,
    "object.big": True,
    "probe": np.ones((4, 4), np.complex64),
    "offset": np.int64(4),
    "label": "x",
    "data_source": Path("/data/x.npz"),
}
KERNEL = np.arange(36.0, dtype=np.float32).reshape(3, 3, 1, 4)


def hdf5(fill: Callable[[h5py.File], object]) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    return stream.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _weights(file: h5py.File) -> None:
    file["layers/conv2d/vars/0"] = KERNEL
    file["layers/conv2d/vars/1"] = np.zeros(4, np.float32)
    file.create_group("layers/re_lu/vars")


def keras(**changes: bytes) -> bytes:
    layers = [{"class_name": "InputLayer", "config": {"batch_shape": [None, 128, 128, 4]}}]
    return zipped(
        {
            "metadata.json": json.dumps({"keras_version": "3.4.1"}).encode(),
            "config.json": json.dumps({"class_name": "Functional", "config": {"layers": layers}}).encode(),
            "model.weights.h5": hdf5(_weights),
        }
        | changes
    )


class Hostile:
    """Would write a file when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.mark, "was run"))


def write_tensorflow_bundle(path: Path, changes: dict[str, bytes] | None = None) -> Path:
    mark = path.parent / "mark"
    members = {"manifest.dill": pickle.dumps({"models": ["autoencoder", "diffraction_to_obj"], "version": "1.0"}, 4)}
    for model in ("autoencoder", "diffraction_to_obj"):
        members |= {
            f"{model}/model.keras": keras(),
            f"{model}/model.h5": hdf5(lambda file: file.attrs.__setitem__("intensity_scale", np.float32(812.5))),
            f"{model}/custom_objects.dill": pickle.dumps(Hostile(mark), 4),
            f"{model}/params.dill": pickle.dumps(PARAMS, 4),
        }
    members |= changes or {}
    path.write_bytes(zipped({name: data for name, data in members.items() if data != b"absent"}))
    return path
