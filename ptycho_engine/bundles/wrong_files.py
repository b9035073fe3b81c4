"""Say what a file is that is not a model bundle, and what to do with it."""

from pathlib import Path, PurePosixPath

from ptycho_engine.bundles.archive import Archive, shown
from ptycho_engine.bundles.layout import MANIFEST
from ptycho_engine.errors import BundleError

_LEADING_BYTES = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "Open the wts.h5.zip that was saved beside it."),
    (b"\x93NUMPY", "a NumPy array", "Open it as a dataset if it is one."),
    (b"\x80\x02", "a pickled file", "Open the wts.h5.zip of the training instead."),
    (b"\x80\x04", "a pickled file", "Open the wts.h5.zip of the training instead."),
    (b"\x1f\x8b", "a gzip file", "Unpack it first."),
    (b"\x89PNG", "a picture", "Open the wts.h5.zip of the training instead."),
)


def require_bundle_file(path: Path) -> None:
    """Raise, saying what it is instead, unless ``path`` is a zip archive."""
    if not path.exists():
        raise BundleError("there is no such file", "Check the path.")
    if path.is_dir():
        raise BundleError("this is a folder without a bundle", "Choose the file wts.h5.zip of a training.")
    if not path.is_file():
        raise BundleError("this is not a plain file", "Choose the file wts.h5.zip of a training.")
    with path.open("rb") as file:
        start = file.read(16)
    if not start:
        raise BundleError("the file is empty", "It was not saved completely; ask for it again.")
    for leading, what, hint in _LEADING_BYTES:
        if start.startswith(leading):
            raise BundleError(f"this is {what}, not a model bundle", hint)
    if start[8:9] == b"{":
        raise BundleError("this is a checkpoint, not a model bundle", "Resume its training with train --resume.")
    if not start.startswith(b"PK"):
        raise BundleError("this is not a model bundle (not a zip archive)", "Choose the file wts.h5.zip of a training.")


def require_bundle_members(archive: Archive) -> None:
    """Raise, saying what it is instead, unless the archive has a bundle's manifest where it belongs."""
    names = archive.names
    if MANIFEST in names:
        return
    nested = [name for name in names if PurePosixPath(name).name == MANIFEST]
    if nested:
        folder = shown(str(PurePosixPath(nested[0]).parent))
        raise BundleError(
            f"the bundle lies in the folder {folder} inside of the archive",
            f"Pack the content of {folder} instead of the folder itself.",
        )
    if any(name.endswith(".npy") for name in names):
        raise BundleError("this is a dataset, not a model bundle", "Open it as a dataset.")
    raise BundleError(f"this zip archive is not a model bundle (it has no {MANIFEST})", "Choose the file wts.h5.zip.")
