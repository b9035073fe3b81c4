"""Writing scan datasets as NumPy archives, all or nothing."""

import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ptycho_engine.arrays import ComplexArray, IndexArray, PositionArray
from ptycho_engine.bundles.atomic import output_error


class NpzWriter:
    """An archive that appears under its name only when it is complete.

    Used as a context manager: leaving it normally puts the file in place, leaving it by an exception removes what was
    written so far.

    Parameters
    ----------
    path
        Where the archive goes; an existing file is replaced at the end.
    compressed
        Whether to deflate. An uncompressed archive opens faster: patterns are read where they lie.
    """

    def __init__(self, path: str | Path, *, compressed: bool = False) -> None:
        self.path = Path(path)
        self._method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED

    def __enter__(self) -> Self:
        try:
            self._temporary = self.path.with_name(f".{self.path.name[:80]}.{os.getpid()}.tmp")
            self._stream = self._temporary.open("w+b")
        except OSError as error:
            raise output_error(error, self.path) from None
        self._archive = zipfile.ZipFile(self._stream, "w", self._method, compresslevel=1)
        self._stack: StackWriter | None = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._archive.close()
                self._stream.flush()
                os.fsync(self._stream.fileno())
                self._stream.close()
                os.replace(self._temporary, self.path)
        except OSError as reason:
            raise output_error(reason, self.path) from None
        finally:
            self._abandon()
            self._temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise output_error(error, self.path) from None

    def _abandon(self) -> None:
        """Close what is still open, in the order in which it was opened last; what it says no longer matters."""
        if self._stack is not None:
            with suppress(OSError, ValueError):
                self._stack.abandon()
        with suppress(OSError, ValueError):
            self._archive.close()
        with suppress(OSError):
            self._stream.close()

    def add(self, key: str, values: ArrayLike) -> None:
        """Add one array."""
        with self._archive.open(_entry(self._archive, key), "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.asanyarray(values))

    def open_stack(self, key: str, shape: tuple[int, ...], dtype: DTypeLike) -> "StackWriter":
        """Begin an array that is written block by block; end it before the next array is added."""
        self._stack = StackWriter(self._archive, key, shape, np.dtype(dtype))
        return self._stack

    def add_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Add ``_metadata``: JSON text in an array of one object, as PtychoPINN writes and reads it."""
        self.add("_metadata", np.array(json.dumps(dict(metadata)), dtype=object))


class StackWriter:
    """An array of an archive that is written block by block along its first axis."""

    def __init__(self, archive: zipfile.ZipFile, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._key = key
        self._dtype = dtype
        self._missing = shape[0]
        self._member = archive.open(_entry(archive, key), "w", force_zip64=True)
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._member, header)

    def write(self, block: NDArray[Any]) -> None:
        """Append ``block`` to the array."""
        self._missing -= len(block)
        self._member.write(np.ascontiguousarray(block, self._dtype).tobytes())

    def abandon(self) -> None:
        """Close the member without asking whether it is complete."""
        self._member.close()

    def close(self) -> None:
        """End the array; it must be as long as announced."""
        self._member.close()
        if self._missing:
            raise ValueError(f"{self._key} lacks {self._missing} entries")


def _entry(archive: zipfile.ZipFile, key: str) -> zipfile.ZipInfo:
    """Return a directory entry without the time of day, so that equal data make equal files."""
    entry = zipfile.ZipInfo(f"{key}.npy")
    entry.compress_type = archive.compression
    return entry


def photon_metadata(metadata: Mapping[str, Any] | None, n_photons: float | None) -> dict[str, Any]:
    """Return ``metadata`` with the number of photons where PtychoPINN looks for it."""
    result: dict[str, Any] = {"schema_version": "1.0.0", **(metadata or {})}
    if n_photons is not None:
        result["physics_parameters"] = {**result.get("physics_parameters", {}), "nphotons": float(n_photons)}
    return result


def add_geometry(
    writer: NpzWriter,
    scan_positions: PositionArray,
    probe: ComplexArray,
    object_: ComplexArray | None,
    scan_index: IndexArray | None,
) -> None:
    """Add everything but the patterns and the metadata, under PtychoPINN's names."""
    positions = np.asarray(scan_positions, np.float64)
    for key, axis in (("xcoords", 1), ("ycoords", 0), ("xcoords_start", 1), ("ycoords_start", 0)):
        writer.add(key, positions[:, axis])
    modes = np.asarray(probe, np.complex64)
    writer.add("probeGuess", modes[0] if modes.ndim == 3 and len(modes) == 1 else modes)
    if object_ is not None:
        writer.add("objectGuess", np.asarray(object_, np.complex64))
    writer.add("scan_index", np.zeros(len(positions), np.int64) if scan_index is None else np.asarray(scan_index))


def write_dataset(
    path: str | Path,
    *,
    diffraction: NDArray[Any],
    scan_positions: PositionArray,
    probe: ComplexArray,
    object_: ComplexArray | None = None,
    n_photons: float | None = None,
    scan_index: IndexArray | None = None,
    metadata: Mapping[str, Any] | None = None,
    compressed: bool = False,
) -> None:
    """Write a scan as an ``.npz`` file that Ptychoscope and PtychoPINN read.

    Parameters
    ----------
    path
        Where to; written under another name and put in place when complete.
    diffraction
        (n_scan, N, N) measured amplitudes, real.
    scan_positions
        (n_scan, 2) [px] patch centres ``(y, x)``.
    probe
        (N, N) or (n_modes, N, N) complex.
    object_
        (H, W) complex, if it is known.
    n_photons
        Photons in an average pattern, if known.
    scan_index
        (n_scan,) number of the scan of each pattern; zeros by default.
    metadata
        More plain data to keep in the file.
    compressed
        Whether to deflate.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before is untouched.
    """
    with NpzWriter(path, compressed=compressed) as writer:
        writer.add("diff3d", diffraction)
        add_geometry(writer, scan_positions, probe, object_, scan_index)
        if metadata or n_photons is not None:
            writer.add_metadata(photon_metadata(metadata, n_photons))
