"""Bundles of the TensorFlow backend are looked into without TensorFlow, and never run."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ptycho_engine import InferConfig, TrainConfig, infer, train
from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.errors import BundleError
from ptycho_engine.inspection import inspect_file
from tests.helpers.tensorflow_file import KERNEL, PARAMS, Hostile, hdf5, keras, write_tensorflow_bundle, zipped
from tests.helpers.tiny_scan import tiny_scan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wts.h5.zip"


def test_layers_parameters_and_scale_are_shown(path: Path) -> None:
    bundle = read_bundle(write_tensorflow_bundle(path))
    assert (bundle.era, bundle.model.architecture, bundle.model.n, bundle.model.gridsize) == (
        "TensorFlow",
        "tensorflow",
        128,
        2,
    )
    assert list(bundle.state) == ["layers/conv2d/vars/0", "layers/conv2d/vars/1"]
    assert np.array_equal(bundle.state["layers/conv2d/vars/0"], KERNEL)
    assert (bundle.intensity_scale, bundle.intensity_scale_origin) == (812.5, "recorded in model.h5")
    assert list(bundle.params) == list(PARAMS)
    assert bundle.params["probe"] == "<complex64 array of shape (4, 4)>"
    assert (bundle.params["offset"], bundle.params["data_source"]) == (4, "/data/x.npz")
    assert bundle.provenance["written_by"] == "PtychoPINN with TensorFlow, Keras 3.4.1"
    assert bundle.notes == ()
    assert not (path.parent / "mark").exists()


def test_inspect_lists_layers_and_parameters(path: Path) -> None:
    found = inspect_file(write_tensorflow_bundle(path), layers=True)
    assert (found.kind, found.summary["era"], found.summary["n_parameters"]) == ("bundle", "TensorFlow", 40)
    assert [(row["name"], row["shape"]) for row in found.summary["layers"]] == [
        ("layers/conv2d/vars/0", [3, 3, 1, 4]),
        ("layers/conv2d/vars/1", [4]),
    ]
    assert list(found.summary["parameters"]) == list(PARAMS)


def test_looking_needs_neither_torch_nor_tensorflow(path: Path) -> None:
    write_tensorflow_bundle(path)
    code = (
        "import sys; from ptycho_engine.inspection import inspect_file;"
        f"inspect_file({str(path)!r}, layers=True);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_training_and_inference_say_what_to_do_instead(path: Path) -> None:
    bundle = read_bundle(write_tensorflow_bundle(path))
    dataset = tiny_scan()
    for run in (
        lambda: list(infer(dataset, bundle, InferConfig(accelerator="cpu"))),
        lambda: list(train(dataset, TrainConfig(accelerator="cpu"), start_from=bundle)),
        lambda: save_bundle(bundle, path.parent / "b.zip"),
    ):
        with pytest.raises(BundleError) as caught:
            run()
        assert "TensorFlow" in caught.value.message
        assert caught.value.hint


class Tensor:
    """Pickles as a tensor of TensorFlow does."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (np.array, ([1.0],))


def test_objects_of_tensorflow_become_their_names(path: Path) -> None:
    data = pickle.dumps({"N": 64, "probe": Tensor()}, 2)
    assert b"cnumpy\narray\n" in data
    data = data.replace(b"cnumpy\narray\n", b"ctensorflow.python.framework.ops\nconvert_to_tensor\n")
    bundle = read_bundle(write_tensorflow_bundle(path, {"diffraction_to_obj/params.dill": data}))
    assert bundle.params == {"N": 64, "probe": "<tensorflow.python.framework.ops.convert_to_tensor>"}


def test_hostile_parameters_run_nothing(path: Path) -> None:
    mark = path.parent / "mark"
    write_tensorflow_bundle(path, {"diffraction_to_obj/params.dill": pickle.dumps({"N": 64, "x": Hostile(mark)}, 4)})
    with pytest.raises(BundleError, match=r"params\.dill would load .*nothing of it was run"):
        read_bundle(path)
    assert not mark.exists()


def test_records_fill_in_what_is_not_there(path: Path) -> None:
    absent = {f"diffraction_to_obj/{name}": b"absent" for name in ("params.dill", "model.h5")}
    bundle = read_bundle(
        write_tensorflow_bundle(path, absent | {"diffraction_to_obj/model.keras": keras(**{"config.json": b"{}"})})
    )
    assert bundle.params == {}
    assert bundle.intensity_scale == pytest.approx(np.sqrt(1e9) / 32)
    assert bundle.notes[0] == "The bundle holds no parameters."
    assert "64 px is shown" in bundle.notes[1]


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
    file.create_virtual_dataset("layers/conv2d/vars/0", layout)


def _external(file: h5py.File) -> None:
    file.create_dataset("layers/conv2d/vars/0", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def _inflated(file: h5py.File) -> None:
    file.create_dataset("layers/conv2d/vars/0", (2**20, 2**10), "f4", chunks=(2**10, 2**10), fillvalue=1.0)


def _empty(file: h5py.File) -> None:
    file["layers/conv2d/vars/0"] = h5py.ExternalLink("/etc/other.h5", "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"diffraction_to_obj/model.keras": b"PK nothing"}, "model.keras is not a readable zip archive"),
        ({"diffraction_to_obj/model.keras": zipped({"config.json": b"{}"})}, "has no member model.weights.h5"),
        ({"diffraction_to_obj/model.keras": keras(**{"model.weights.h5": b"no"})}, "model.weights.h5 is not readable"),
        ({"diffraction_to_obj/model.keras": keras(**{"config.json": b"["})}, "unreadable config.json"),
        ({"diffraction_to_obj/model.keras": keras(**{"model.weights.h5": hdf5(_virtual)})}, "numbers are not in it"),
        ({"diffraction_to_obj/model.keras": keras(**{"model.weights.h5": hdf5(_external)})}, "numbers are not in it"),
        ({"diffraction_to_obj/model.keras": keras(**{"model.weights.h5": hdf5(_inflated)})}, "numbers are not in it"),
        ({"diffraction_to_obj/model.keras": keras(**{"model.weights.h5": hdf5(_empty)})}, "holds no weights"),
        ({"diffraction_to_obj/params.dill": pickle.dumps([1], 4)}, "not a table of parameters"),
        (
            {f"{model}/model.keras": b"absent" for model in ("autoencoder", "diffraction_to_obj")},
            "TensorFlow bundle of PtychoPINN holds no model.keras",
        ),
    ],
)
def test_damaged_bundles_are_told(path: Path, changes: dict[str, bytes], message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(write_tensorflow_bundle(path, changes))
    assert caught.value.file == str(path)
    assert caught.value.hint
