"""The previews that a training leaves in its run folder: written while it runs, read to be gone through later."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_engine.arrays import frozen_array
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.errors import DatasetError, InputError
from ptycho_engine.events import PatchPreview
from ptycho_engine.formats.zip_members import Archive, read_archive, read_array

PREVIEW_FOLDER = "previews"
_MAX_BYTES = 256 * 2**20


def write_preview(preview: PatchPreview, path: Path) -> None:
    """Write the patches of a preview, the patterns they come from, and what places and scales them."""
    arrays: dict[str, Any] = {
        "patches": preview.patches,
        "measured": preview.measured,
        "frame_indices": preview.frame_indices,
        "scan_positions": preview.scan_positions,
        "step": preview.step,
        "network_per_physical": preview.network_per_physical,
        "intensity_scale": preview.intensity_scale,
    }
    if preview.predicted is not None:
        arrays["predicted"] = preview.predicted
    atomic_write(path, lambda file: np.savez(file, **arrays))


def list_previews(folder: Path) -> list[Path]:
    """Return the previews that a run folder holds, oldest first."""
    return sorted((folder / PREVIEW_FOLDER).glob("step-*.npz"), key=lambda path: (len(path.name), path.name))


def read_preview(path: Path) -> PatchPreview:
    """Read a preview.

    Returns
    -------
    PatchPreview
        With ``measured`` of shape (0, N, N), and without ``predicted``, where an older version did not keep them.

    Raises
    ------
    InputError
        If the file holds no preview, or cannot be read.
    """
    try:
        archive = read_archive(path)
        patches = _array(archive, "patches", 3)
        frames, positions = _array(archive, "frame_indices", 1), _array(archive, "scan_positions", 2)
        step, physical, photon = (
            float(_array(archive, name, 0)) for name in ("step", "network_per_physical", "intensity_scale")
        )
        measured, predicted = (
            _array(archive, name, 3) if archive.array(name) is not None else None for name in ("measured", "predicted")
        )
    except (DatasetError, OSError, ValueError) as error:
        raise InputError(f"is not a preview that can be read ({error})", "It can be deleted.", file=path) from error
    if not len(patches) == len(frames) == len(positions) or positions.shape[1] != 2:
        raise InputError("holds patches and positions of different number", "It can be deleted.", file=path)
    if any(one is not None and one.shape != patches.shape for one in (measured, predicted)):
        raise InputError("holds patches and patterns of different shape", "It can be deleted.", file=path)
    return PatchPreview(
        phase="train",
        step=int(step),
        patches=frozen_array(patches, np.complex64),
        measured=frozen_array(np.zeros((0, *patches.shape[1:])) if measured is None else measured, np.float32),
        predicted=None if predicted is None else frozen_array(predicted, np.float32),
        frame_indices=frozen_array(frames, np.int64),
        scan_positions=frozen_array(positions, np.float64),
        network_per_physical=physical,
        intensity_scale=photon,
    )


def read_previews(folder: Path) -> Iterator[PatchPreview | InputError]:
    """Yield each preview of a run folder, oldest first; in place of one that cannot be read, what is wrong with it."""
    for path in list_previews(folder):
        try:
            yield read_preview(path)
        except InputError as error:
            yield error


def _array(archive: Archive, name: str, n_axes: int) -> Any:
    found = archive.array(name)
    if found is None or len(found.shape) != n_axes:
        raise ValueError(f"there is no {name} with {n_axes} axes")
    if found.n_bytes > _MAX_BYTES:
        raise ValueError(f"{name} is too large")
    return read_array(archive, found)
