"""The formats a scan dataset may have, and how the names of other programs are translated into ours.

A format is one file and one line of registration; ``read_dataset`` asks each how well it knows a file.
"""

from pathlib import Path
from typing import Protocol

from ptycho_engine.documents import Dataset
from ptycho_engine.errors import DatasetError
from ptycho_engine.formats.zip_members import open_checked
from ptycho_engine.registry import Registry

ALIASES: dict[str, tuple[str, ...]] = {
    "diffraction": ("diff3d", "diffraction"),
    "x": ("xcoords",),
    "y": ("ycoords",),
    "nominal x": ("xcoords_start",),
    "nominal y": ("ycoords_start",),
    "probe": ("probeGuess", "probe"),
    "object": ("objectGuess", "object"),
    "scan index": ("scan_index",),
    "metadata": ("_metadata",),
    "pixel size": ("object_pixel_size_m", "object_pixel_width_m", "probe_pixel_width_m"),
    "pixel height": ("object_pixel_height_m", "probe_pixel_height_m"),
}
"""What an array is for, and the keys it may have, preferred first."""

_HEAD_BYTES = 4096
_KNOWN = "Open an .npz file with diff3d, xcoords, ycoords and probeGuess."
_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, which cannot be opened as a scan"),
    (b"\x93NUMPY", "a single array (.npy) without positions and probe"),
    (b"\x1f\x8b", "a gzip file"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
)


class DatasetFormat(Protocol):
    """How one kind of dataset file is recognised and read."""

    @property
    def description(self) -> str:
        """What a person calls it, e.g. ``"NumPy archive (.npz)"``."""
        ...

    def score(self, path: Path, head: bytes) -> float:
        """Return from 0 (not mine) to 1 (certainly mine) how well ``path``, which begins with ``head``, fits."""
        ...

    def read(self, path: Path) -> Dataset:
        """Read the file; patterns only when they are asked for."""
        ...


FORMATS: Registry[DatasetFormat] = Registry("dataset format", "ptychoscope.formats")


def role_of(key: str) -> str:
    """Return what an array called ``key`` is taken for, empty if nothing."""
    return next((role for role, keys in ALIASES.items() if key in keys), "")


def read_dataset(path: str | Path) -> Dataset:
    """Open a scan dataset of any registered format.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Dataset
        All arrays but the patterns in memory; patterns are read when they are asked for.

    Raises
    ------
    DatasetError
        If the file is missing, is no dataset, or contradicts itself; it names file, problem and remedy.
    """
    file = Path(path)
    head = head_of(file)
    scored = [(form.score(file, head), form) for form in FORMATS]
    best, form = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    if form is None or best <= 0:
        raise not_a_dataset(file, head)
    try:
        return form.read(file)
    except MemoryError:
        raise DatasetError("there is not enough memory to open it", "Close other programs.", file=file) from None


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file.

    Raises
    ------
    DatasetError
        If there is none, or it is a folder or cannot be read.
    """
    try:
        is_folder, exists, is_file = path.is_dir(), path.exists(), path.is_file()
    except (OSError, ValueError):
        is_folder = exists = is_file = False
    if is_folder:
        raise DatasetError("this is a folder, not a scan", _KNOWN, file=path)
    if not exists:
        raise DatasetError("there is no such file", "Check the path.", file=path)
    if not is_file:
        raise DatasetError("this is no ordinary file", _KNOWN, file=path)
    with open_checked(path, None) as stream:
        return stream.read(_HEAD_BYTES)


def not_a_dataset(path: Path, head: bytes) -> DatasetError:
    """Return the error for a file that no format claims, naming what it seems to be."""
    if not head:
        return DatasetError("the file is empty", "Copy or download it again.", file=path)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return DatasetError(f"this is {kind}", _KNOWN, file=path)
    return DatasetError("this is not a scan dataset", _KNOWN, file=path)
