"""The canvas for other programs, read back with the libraries that those use."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from ptycho_engine.arrays import frozen_array
from ptycho_engine.artefacts.canvas_exchange import CanvasFacts, write_canvas_exchange
from ptycho_engine.documents import Canvas
from ptycho_engine.errors import OutputError
from tests.app.samples import make_dataset

SIZE_M = 8e-9


@pytest.fixture
def canvas() -> Canvas:
    rng = np.random.default_rng(3)
    object_ = rng.normal(size=(20, 30)) + 1j * rng.normal(size=(20, 30))
    weight = np.ones((20, 30))
    weight[0] = 0
    positions = [[12.0, 41.0], [15.5, 44.0]]
    return Canvas(
        frozen_array(object_, np.complex64),
        frozen_array(weight, np.float32),
        (5, 30),
        frozen_array(positions, np.float64),
        64,
        16,
        network_per_physical=4.0,
    )


def test_cxi_holds_the_complex_image_and_its_size(tmp_path: Path, canvas: Canvas) -> None:
    (path,) = write_canvas_exchange(canvas, CanvasFacts(None, "scan", "net", SIZE_M), tmp_path / "a.cxi")
    with h5py.File(path) as file:
        image = file["entry_1/data_1"]
        np.testing.assert_array_equal(image["data"][()], canvas.object_)
        assert image["data"].dtype.kind == "c"
        np.testing.assert_allclose(image["image_size"][()], [30 * SIZE_M, 20 * SIZE_M, 0])
        assert image["data_space"][()] == b"real"
        assert file["cxi_version"][()] >= 130


def test_a_product_is_in_metres_from_the_middle_on_the_scale_of_transmission(tmp_path: Path, canvas: Canvas) -> None:
    dataset = make_dataset()
    facts = CanvasFacts(dataset, "scan", "net", SIZE_M)
    (path,) = write_canvas_exchange(canvas, facts, tmp_path / "product.h5")
    with h5py.File(path) as file:
        # The reader of version 1.7: x_px = (x_m - center_x_m) / pixel_width_m + (width - 1) / 2, from the first pixel.
        item = file["object"]
        for axis, name, key in ((0, "y", "height"), (1, "x", "width")):
            metres, side = file[f"probe_position_{name}_m"][()], item.attrs[f"pixel_{key}_m"]
            pixels = (metres - item.attrs[f"center_{name}_m"]) / side + (item.shape[1 + axis] - 1) / 2
            np.testing.assert_allclose(pixels, canvas.scan_positions[:, axis] - canvas.origin_px[axis])
        np.testing.assert_allclose(item[()], canvas.object_[np.newaxis] / 4, rtol=1e-6)
        assert file["probe"].shape == (1, *dataset.probe.shape)
        assert file["opr_weights"].shape == (2, 1)
        assert {"photon_energy_eV", "probe_energy_eV", "name", "comments"} <= set(file.attrs)


@pytest.mark.parametrize("facts", [CanvasFacts(make_dataset()), CanvasFacts(None, pixel_size_m=SIZE_M)])
def test_a_product_says_what_it_lacks(tmp_path: Path, canvas: Canvas, facts: CanvasFacts) -> None:
    with pytest.raises(OutputError, match=r"not known|not open"):
        write_canvas_exchange(canvas, facts, tmp_path / "product.h5")
    assert not list(tmp_path.iterdir())


def test_tiffs_hold_floats_and_nothing_where_nothing_fell(tmp_path: Path, canvas: Canvas) -> None:
    paths = write_canvas_exchange(replace(canvas), CanvasFacts(), tmp_path / "a.tif")
    assert [path.name for path in paths] == ["a_amplitude.tif", "a_phase.tif"]
    amplitude, phase = (tifffile.imread(path) for path in paths)
    assert amplitude.dtype == phase.dtype == np.float32
    np.testing.assert_allclose(amplitude[1:] * np.exp(1j * phase[1:]), canvas.object_[1:], rtol=1e-5)
    assert np.isnan(amplitude[0]).all()
