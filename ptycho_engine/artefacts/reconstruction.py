"""``reconstruction.npz``: the stitched object with everything needed to place and to scale it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, frozen_array, require_shape
from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.documents import Canvas
from ptycho_engine.errors import InputError
from ptycho_engine.formats.zip_members import read_archive, read_array

FORMAT = "ptychoscope-reconstruction-1"
_SCALES = ("network", "physical", "photon")
_NEEDED = ("canvas", "weight", "origin_px", "scan_positions", "patch_side", "crop", "scale", "network_per_physical")


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What a ``reconstruction.npz`` holds."""

    canvas: Canvas
    network_canvas: Canvas | None
    """The canvas as the network drew it, where ``canvas`` was refined against the data."""
    intensity_scale: float
    """Multiply network amplitude by this for photons."""
    dataset: str
    """Name of the scan."""
    bundle: str
    """Name of the bundle."""
    refined_probe: ComplexArray | None = None
    """(N, N) the light on the object, the sum of the probe's modes, where it was refined with the canvas."""
    pixel_size_m: float | None = None
    """Side of a pixel [m], where it is known."""


def write_reconstruction(reconstruction: Reconstruction, path: Path) -> None:
    """Write a reconstruction atomically.

    Keys: ``canvas`` (H, W) complex64; ``weight`` (H, W) float32; ``origin_px`` (y, x) object pixel of ``canvas[0, 0]``;
    ``scan_positions`` (n, 2) float64 (y, x) [px]; ``patch_side``, ``crop`` [px]; ``scale`` in words;
    ``network_per_physical`` (divide network amplitude by it for the object's transmission); ``intensity_scale``
    (multiply network amplitude by it for photons); ``mode`` the compatibility mode; ``dropped``; ``dataset``,
    ``bundle`` names; ``format``; after a refinement also ``network_canvas`` on the scale of its own
    ``network_per_physical_of_network``, and ``refined_probe`` if the probe was refined too; ``pixel_size_m`` where the
    side of a pixel is known.

    Parameters
    ----------
    reconstruction
        What to write.
    path
        The file.
    """
    canvas = reconstruction.canvas
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "canvas": canvas.object_,
        "weight": canvas.weight,
        "origin_px": np.array(canvas.origin_px, np.int64),
        "scan_positions": canvas.scan_positions,
        "patch_side": canvas.patch_side,
        "crop": canvas.crop,
        "scale": canvas.scale,
        "network_per_physical": canvas.network_per_physical,
        "intensity_scale": reconstruction.intensity_scale,
        "mode": canvas.mode,
        "dropped": canvas.dropped,
        "dataset": reconstruction.dataset,
        "bundle": reconstruction.bundle,
    }
    if reconstruction.network_canvas is not None:
        arrays["network_canvas"] = reconstruction.network_canvas.object_
        arrays["network_per_physical_of_network"] = reconstruction.network_canvas.network_per_physical
    if reconstruction.refined_probe is not None:
        arrays["refined_probe"] = reconstruction.refined_probe
    if reconstruction.pixel_size_m is not None:
        arrays["pixel_size_m"] = reconstruction.pixel_size_m
    make_folder(path.parent)

    def write(file: BinaryIO) -> None:
        np.savez(file, **arrays)

    atomic_write(path, write, None)


def read_reconstruction(path: Path) -> Reconstruction:
    """Read a ``reconstruction.npz``.

    Raises
    ------
    InputError
        If the file is not one, or contradicts itself.
    """
    try:
        arrays = _read_arrays(path)
        return _assemble(arrays)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"is not a reconstruction ({error})", "Give a reconstruction.npz as infer writes it.", file=path
        ) from error


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    archive = read_archive(path)
    if archive.others:
        raise ValueError(f"array {archive.others[0][0].name!r} is of another kind")
    missing = [key for key in _NEEDED if archive.array(key) is None]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    return {array.key: read_array(archive, array) for array in archive.arrays}


def _assemble(arrays: dict[str, NDArray[Any]]) -> Reconstruction:
    scale = str(arrays["scale"])
    if scale not in _SCALES:
        raise ValueError(f"scale is {scale!r}")
    object_ = frozen_array(arrays["canvas"], np.complex64)
    require_shape("canvas", object_, (None, None))
    require_shape("weight", arrays["weight"], object_.shape)
    require_shape("scan_positions", arrays["scan_positions"], (None, 2))
    origin = arrays["origin_px"]
    require_shape("origin_px", origin, (2,))
    canvas = Canvas(
        object_=object_,
        weight=frozen_array(arrays["weight"], np.float32),
        origin_px=(int(origin[0]), int(origin[1])),
        scan_positions=frozen_array(arrays["scan_positions"], np.float64),
        patch_side=int(arrays["patch_side"]),
        crop=int(arrays["crop"]),
        scale=scale,  # type: ignore[arg-type]  # one of _SCALES, checked above
        network_per_physical=float(arrays["network_per_physical"]),
        mode=str(arrays["mode"]) if "mode" in arrays else "none",
        dropped=int(arrays["dropped"]) if "dropped" in arrays else 0,
    )
    network = None
    if "network_canvas" in arrays:
        require_shape("network_canvas", arrays["network_canvas"], object_.shape)
        scale_of_network = float(arrays.get("network_per_physical_of_network", canvas.network_per_physical))
        object_ = frozen_array(arrays["network_canvas"], np.complex64)
        network = replace(canvas, object_=object_, network_per_physical=scale_of_network)
    return Reconstruction(
        canvas=canvas,
        network_canvas=network,
        intensity_scale=float(arrays["intensity_scale"]) if "intensity_scale" in arrays else 1.0,
        dataset=str(arrays["dataset"]) if "dataset" in arrays else "",
        bundle=str(arrays["bundle"]) if "bundle" in arrays else "",
        refined_probe=frozen_array(arrays["refined_probe"], np.complex64) if "refined_probe" in arrays else None,
        pixel_size_m=float(arrays["pixel_size_m"]) if "pixel_size_m" in arrays else None,
    )
