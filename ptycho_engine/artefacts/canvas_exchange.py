"""The stitched object for other programs: CXI, the HDF5 product of ptychodus, and float TIFF."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.documents import Canvas, Dataset
from ptycho_engine.errors import OutputError

if TYPE_CHECKING:
    import h5py

CXI_VERSION = 160
EXCHANGE_SUFFIXES = (".cxi", ".h5", ".tif", ".tiff")

_UNKNOWN = (
    "detector_object_distance_m",
    "probe_energy_eV",
    "photon_energy_eV",
    "exposure_time_s",
    "mass_attenuation_m2_per_kg",
    "mass_attenuation_m2_kg",
    "tomography_angle_deg",
    "tilt_angle_deg",
    "focus_object_distance_m",
)
"""What a product names and no scan here tells."""


@dataclass(frozen=True, slots=True)
class CanvasFacts:
    """What is known beside the canvas itself."""

    dataset: Dataset | None = None
    """The scan that it was made from, as far as it is open: a product holds its probe."""
    dataset_name: str = ""
    bundle_name: str = ""
    pixel_size_m: float | None = None
    """Side of a pixel [m]."""


def write_canvas_exchange(canvas: Canvas, facts: CanvasFacts, path: Path) -> tuple[Path, ...]:
    """Write the canvas in the format that the ending of ``path`` tells: ``.cxi``, ``.h5`` or ``.tif``.

    Returns
    -------
    tuple of Path
        The files: two of TIFF, ``NAME_amplitude.tif`` and ``NAME_phase.tif``, else one.

    Raises
    ------
    OutputError
        If a file could not be written, or something that the format needs is not known.
    """
    make_folder(path.parent)
    match path.suffix.lower():
        case ".cxi":
            _write_hdf5(path, lambda file: _fill_cxi(file, canvas, facts))
        case ".h5":
            _write_hdf5(path, _product(canvas, facts, path))
        case _:
            return _write_tiffs(canvas, path)
    return (path,)


def _write_hdf5(path: Path, fill: Callable[["h5py.File"], None]) -> None:
    import h5py

    def write(stream: BinaryIO) -> None:
        with h5py.File(stream, "w") as file:
            fill(file)

    atomic_write(path, write)


def _fill_cxi(file: "h5py.File", canvas: Canvas, facts: CanvasFacts) -> None:
    """Write an image in real space, as the CXI format describes it; complex numbers are pairs ``r``, ``i``.

    Beside what CXI names, ``image_1`` holds the weight of each pixel, where pixel (0, 0) lies on the object, the
    positions (y, x) [px], and the scale of the amplitude.
    """
    file["cxi_version"] = CXI_VERSION
    file["number_of_entries"] = 1
    entry = file.create_group("entry_1")
    entry["title"] = facts.dataset_name
    image = entry.create_group("image_1")
    image.create_dataset("data", data=canvas.object_, compression="gzip", shuffle=True)
    image["data_space"], image["data_type"] = "real", f"complex transmission, {canvas.scale} amplitude"
    image["is_fft_shifted"] = 0
    image.create_dataset("weight", data=canvas.weight, compression="gzip", shuffle=True)
    image["origin_px"] = np.array(canvas.origin_px, np.int64)
    image["scan_positions_px"] = canvas.scan_positions
    image["network_per_physical"] = canvas.network_per_physical
    if facts.pixel_size_m is not None:
        height, width = canvas.object_.shape
        # CXI: the size of the whole image [m], x before y.
        image["image_size"] = np.array([width, height, 0.0]) * facts.pixel_size_m
        image["pixel_size_m"] = facts.pixel_size_m
    process = image.create_group("process_1")
    process["command"] = f"stitched with {facts.bundle_name or 'a network'}"
    entry["data_1"] = _soft_link("/entry_1/image_1")


def _soft_link(target: str) -> Any:
    import h5py

    return h5py.SoftLink(target)


def _product(canvas: Canvas, facts: CanvasFacts, path: Path) -> Callable[["h5py.File"], None]:
    size, dataset = facts.pixel_size_m, facts.dataset
    if size is None:
        raise OutputError(
            "a product is in metres, and the side of a pixel is not known",
            "Enter it (Canvas, Tools, Pixel size), or choose another format.",
            file=path,
        )
    if dataset is None:
        raise OutputError(
            "a product holds the probe, and the scan of this canvas is not open", "Open the scan.", file=path
        )
    return lambda file: _fill_product(file, canvas, dataset, size)


def _fill_product(file: "h5py.File", canvas: Canvas, dataset: Dataset, size: float) -> None:
    """Write what ptychodus reads as a product; both spellings of versions 1.2 and 1.7. What is not known is 0.

    The centre of the object is that of its middle, between the pixels where their number is even:
    ``x_m = (x_px - (width - 1) / 2) * pixel width``, with ``x_px`` counted from the first pixel of the canvas.
    """
    scale = canvas.network_per_physical if canvas.scale == "network" else 1.0
    for name in _UNKNOWN:
        file.attrs[name] = 0.0
    file.attrs["name"], file.attrs["far_field"] = dataset.name, True
    file.attrs["comments"] = "Stitched by Ptychoscope; distance, energy and exposure are not known."
    file.attrs["probe_photon_count"] = dataset.n_photons or 0.0
    height, width = canvas.object_.shape
    local = canvas.scan_positions - np.asarray(canvas.origin_px, np.float64)
    file["probe_position_indexes"] = np.arange(len(local))
    for axis, name, length in ((0, "y", height), (1, "x", width)):
        file[f"probe_position_{name}_m"] = (local[:, axis] - (length - 1) / 2) * size
    probe = file.create_dataset("probe", data=dataset.probe[np.newaxis])
    weights = np.ones((len(local), 1))
    probe.attrs["opr_weights"] = weights
    file["opr_weights"] = weights
    object_ = file.create_dataset("object", data=(canvas.object_ / scale)[np.newaxis])
    for item in (probe, object_):
        item.attrs["pixel_width_m"] = item.attrs["pixel_height_m"] = size
    object_.attrs["center_x_m"] = object_.attrs["center_y_m"] = 0.0
    file["object_layer_spacing_m"] = np.zeros(0)
    file["loss_epochs"], file["loss_values"] = np.zeros(0, np.int64), np.zeros(0)


def _write_tiffs(canvas: Canvas, path: Path) -> tuple[Path, ...]:
    import tifffile

    values = {"amplitude": np.abs(canvas.object_), "phase": np.angle(canvas.object_)}
    words = {"amplitude": f"{canvas.scale} amplitude", "phase": "phase [rad]"}
    written = []
    for what, picture in values.items():
        target = path.with_name(f"{path.stem}_{what}{path.suffix}")
        shown = np.where(canvas.covered, picture, np.nan).astype(np.float32)

        def write(stream: BinaryIO, shown: Any = shown, what: str = what) -> None:
            tifffile.imwrite(stream, shown, description=words[what])

        atomic_write(target, write)
        written.append(target)
    return tuple(written)
