"""Scan datasets as NumPy archives (``.npz``), the exchange format of PtychoPINN."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, IndexArray, PositionArray, frozen_array
from ptycho_engine.documents import ArrayInfo, Dataset, FrameStack
from ptycho_engine.errors import DatasetError
from ptycho_engine.formats.frames import ArrayFrames, DeflatedFrames, StoredFrames
from ptycho_engine.formats.metadata import photons_of, pixel_size_of, read_metadata
from ptycho_engine.formats.schema import ALIASES, role_of
from ptycho_engine.formats.zip_members import Archive, ArrayMember, read_archive, read_array

_SAMPLED_FRAMES = 4
_RANGED_BYTES = 4 * 2**20
"""Arrays up to this size are read for their range when a scan opens: the positions of 500,000 patterns."""
_MAX_SIDE_PX = 8192
"""No detector has larger patterns, and one of these alone takes 256 MiB of memory."""
_LARGE_COUNT = 256
"""Whole numbers up to this size may be rounded amplitudes; larger ones are counts."""


class NpzFormat:
    """The NumPy archive with ``diff3d``, ``xcoords``, ``ycoords``, ``probeGuess`` and more."""

    description = "NumPy archive (.npz)"

    def score(self, path: Path, head: bytes) -> float:
        """Claim every zip archive."""
        if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return 0.0
        return 1.0 if path.suffix == ".npz" else 0.5

    def read(self, path: Path) -> Dataset:
        """Read everything but the patterns."""
        reader = Reader(path)
        reader.refuse_other_archives()
        frames_array = reader.required("diffraction")
        positions = reader.positions()
        frames = _frames(reader, frames_array, len(positions))
        n = frames.shape[1]
        metadata = read_metadata(reader.archive, reader.notes)
        n_photons = photons_of(metadata)
        return Dataset(
            name=path.stem,
            path=path,
            frames=frames,
            scan_positions=positions,
            probe=reader.probe(n),
            object_=reader.object(),
            n_photons=n_photons,
            pixel_size_m=_pixel_size(reader, metadata),
            scan_index=_scan_index(reader, len(positions)),
            measurement=_measurement(frames, frames_array, metadata, reader.notes),
            arrays=array_table(reader.archive),
            metadata=metadata,
            notes=tuple(reader.notes),
            fingerprint=_fingerprint(reader.archive),
        )


@dataclass
class Reader:
    """One archive while it is being read, and what was noticed on the way."""

    path: Path
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.archive = read_archive(self.path)

    def refuse_other_archives(self) -> None:
        """Raise ``DatasetError`` for the archives that are something else: bundles, workbooks, empty ones."""
        names = [member.name for member, _ in self.archive.others]
        if any(name.rsplit("/", 1)[-1] == "manifest.dill" for name in names):
            raise DatasetError("this is a model bundle, not a scan", "Open it as a bundle.", file=self.path)
        if not self.archive.arrays:
            inside = f"; it holds {', '.join(names[:3])}" if names else ""
            raise DatasetError(
                f"the archive holds no arrays{inside}", "Open an .npz file written by numpy.savez.", file=self.path
            )

    def find(self, role: str) -> ArrayMember | None:
        """Return the array that plays ``role``, or ``None``."""
        found = [array for key in ALIASES[role] if (array := self.archive.array(key)) is not None]
        if len(found) > 1:
            self.notes.append(f"Both {found[0].key} and {found[1].key} are present; {found[0].key} is used.")
        return found[0] if found else None

    def required(self, role: str) -> ArrayMember:
        """Return the array that plays ``role``; a missing one is an error that says what there is."""
        array = self.find(role)
        if array is not None:
            return array
        for member, reason in self.archive.others:
            if member.name.removesuffix(".npy") in ALIASES[role]:
                raise DatasetError(
                    f"{member.name.removesuffix('.npy')} cannot be used ({reason})",
                    "Store it as a plain numeric array.",
                    file=self.path,
                )
        keys = " or ".join(ALIASES[role])
        there = ", ".join(found.key for found in self.archive.arrays[:12])
        missing = f"there is no {keys} in the file, only {there}"
        if role == "diffraction" and self._has_experiment():
            raise DatasetError(
                "this file holds a probe, an object and positions, but no diffraction patterns",
                "Make patterns from it with: simulate OUT.npz --from FILE.",
                file=self.path,
            )
        raise DatasetError(missing, f"Add an array called {ALIASES[role][0]}.", file=self.path)

    def _has_experiment(self) -> bool:
        return all(self.find(role) is not None for role in ("probe", "object", "x", "y"))

    def numbers(self, array: ArrayMember) -> NDArray[Any]:
        """Read an array that must hold numbers."""
        if array.dtype.kind not in "biufc":
            raise DatasetError(f"{array.key} holds no numbers", "Store it as a numeric array.", file=self.path)
        return read_array(self.archive, array)

    def positions(self) -> PositionArray:
        """Return the scan positions ``(y, x)``, (n_scan, 2) float64, finite."""
        columns = []
        for role in ("y", "x"):
            array = self.required(role)
            values = self.numbers(array)
            if values.dtype.kind == "c" or values.size != max(values.shape, default=0):
                raise DatasetError(
                    f"{array.key} has shape {array.shape}, not one number for each pattern",
                    "Store the positions as two lists of real numbers.",
                    file=self.path,
                )
            columns.append(values.reshape(-1).astype(np.float64))
        y, x = columns
        if len(y) != len(x):
            raise DatasetError(
                f"there are {len(x)} xcoords but {len(y)} ycoords", "Each pattern needs both.", file=self.path
            )
        positions = np.stack([y, x], axis=1)
        bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        if bad.size:
            raise DatasetError(
                f"{bad.size} of {len(positions)} positions are not finite, the first at index {bad[0]}",
                "Remove those patterns or correct their positions.",
                file=self.path,
            )
        return frozen_array(positions)

    def probe(self, n: int | None) -> ComplexArray:
        """Return the probe, (n_modes, N, N) complex64; ``n`` is the side it must have."""
        array = self.required("probe")
        values = self.numbers(array)
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[:, :, 0]
        if values.ndim == 2:
            values = values[None]
        if values.ndim != 3 or values.shape[1] != values.shape[2] or 0 in values.shape:
            raise DatasetError(
                f"{array.key} has shape {array.shape}, not (N, N) or (modes, N, N)",
                "Store the probe as a square complex array.",
                file=self.path,
            )
        if n is not None and values.shape[1] != n:
            raise DatasetError(
                f"the probe is {values.shape[1]} px wide but the patterns are {n} px wide",
                "Crop or pad one of them: both must have the same side.",
                file=self.path,
            )
        probe = frozen_array(values, np.complex64)
        if not np.isfinite(probe).all():
            raise DatasetError(f"{array.key} has values that are not finite", "Write a valid probe.", file=self.path)
        return probe

    def object(self) -> ComplexArray | None:
        """Return the object, (H, W) complex64, or ``None`` with a note if there is no usable one."""
        array = self.find("object")
        if array is None:
            return None
        if array.dtype.kind not in "biufc" or 0 in array.shape or len([side for side in array.shape if side > 1]) > 2:
            self.notes.append(f"{array.key} of shape {array.shape} is not used: an object has two axes.")
            return None
        values = read_array(self.archive, array)
        if values.ndim > 2:
            values = values.reshape([side for side in values.shape if side > 1])
        if values.ndim != 2:
            self.notes.append(f"{array.key} of shape {array.shape} is not used: an object has two axes.")
            return None
        object_ = frozen_array(values, np.complex64)
        if not np.isfinite(object_).all():
            self.notes.append(f"{array.key} is not used: it has values that are not finite.")
            return None
        if np.all(values == 1):
            self.notes.append(f"{array.key} is one everywhere: taken as no object.")
            return None
        return object_


def _frames(reader: Reader, array: ArrayMember, n_positions: int) -> FrameStack:
    """Return the patterns of an array of any accepted layout."""
    if array.dtype.kind not in "iuf":
        raise DatasetError(
            f"{array.key} is {array.dtype.name}, not real numbers",
            "Store amplitudes or counts as a real array.",
            file=reader.path,
        )
    shape = array.shape[:-1] if len(array.shape) == 4 and array.shape[3] == 1 else array.shape
    if len(shape) != 3:
        raise DatasetError(
            f"{array.key} has shape {array.shape}, not (patterns, N, N)",
            "Store the patterns as one stack of squares.",
            file=reader.path,
        )
    if 0 in shape:
        raise DatasetError(f"{array.key} is empty", "Write the file again with its patterns.", file=reader.path)
    scan_last = _scan_axis_is_last(shape, n_positions)
    n_scan, rows, columns = (shape[2], shape[0], shape[1]) if scan_last else shape
    if rows != columns:
        raise DatasetError(
            f"the patterns are {rows} x {columns} px, not square", "Crop them to a square.", file=reader.path
        )
    if rows > _MAX_SIDE_PX:
        raise DatasetError(
            f"the patterns are {rows} px wide; at most {_MAX_SIDE_PX} px are read",
            "Crop or bin them.",
            file=reader.path,
        )
    if n_scan != n_positions:
        raise DatasetError(
            f"there are {n_scan} patterns but {n_positions} positions",
            "Each pattern needs its position: write the file again with equal numbers.",
            file=reader.path,
        )
    if scan_last:
        reader.notes.append(f"{array.key} has the patterns along its last axis; they were moved to the first.")
        return ArrayFrames(read_array(reader.archive, array).reshape(shape).transpose(2, 0, 1))
    if array.fortran_order:
        reader.notes.append(f"{array.key} is stored with its first index fastest; it was read into memory.")
        return ArrayFrames(read_array(reader.archive, array).reshape(shape))
    stack = DeflatedFrames if array.member.deflated else StoredFrames
    return stack(reader.path, reader.archive.identity, array, (n_scan, rows, columns))


def _scan_axis_is_last(shape: tuple[int, ...], n_positions: int) -> bool:
    """Decide between (n_scan, N, N) and (N, N, n_scan); positions break a tie, then the sizes."""
    tests = (
        (shape[1] == shape[2], shape[0] == shape[1]),
        (shape[0] == n_positions, shape[2] == n_positions),
        (shape[0] < n_positions, shape[2] < n_positions),
    )
    for first, last in tests:
        if first != last:
            return last
    return shape[2] > max(shape[0], shape[1])


def _pixel_size(reader: Reader, metadata: Mapping[str, Any]) -> float | None:
    """Return the side of a pixel of the object [m], where the file says so and pixels are square."""
    sizes = []
    for role in ("pixel size", "pixel height"):
        array = next((found for key in ALIASES[role] if (found := reader.archive.array(key)) is not None), None)
        if array is not None and array.dtype.kind in "iuf" and int(np.prod(array.shape)) == 1:
            sizes.append(float(read_array(reader.archive, array).reshape(-1)[0]))
    if not sizes:
        return pixel_size_of(metadata)
    if not all(0 < size < 1 for size in sizes) or max(sizes) > 1.001 * min(sizes):
        reader.notes.append("The pixel size is not used: it needs one length in metres, the same in both directions.")
        return None
    return sizes[0]


def _scan_index(reader: Reader, n_scan: int) -> IndexArray | None:
    array = reader.find("scan index")
    if array is None:
        return None
    if array.dtype.kind not in "iu" or int(np.prod(array.shape)) != n_scan:
        reader.notes.append(f"{array.key} is not used: it needs one whole number for each pattern.")
        return None
    return frozen_array(read_array(reader.archive, array).reshape(-1), np.int64)


def _measurement(
    frames: FrameStack, array: ArrayMember, metadata: Mapping[str, Any], notes: list[str]
) -> Literal["amplitude", "intensity"]:
    """Return whether the patterns are amplitudes or counts: what the metadata say, else what the values look like."""
    said = _said_measurement(metadata)
    if said is not None:
        return said
    # Of large patterns one is enough, and four would be slow to read.
    sample = frames.read(slice(0, _SAMPLED_FRAMES if frames.shape[1] <= _MAX_SIDE_PX // 8 else 1))
    top = float(sample.max())
    if top >= _LARGE_COUNT and bool(np.all(sample == np.rint(sample))):
        notes.append(f"{array.key} holds whole numbers up to {top:g}: taken as counts, not amplitudes.")
        return "intensity"
    if array.dtype.kind in "iu":
        notes.append(f"{array.key} holds small whole numbers: taken as amplitudes.")
    return "amplitude"


def _said_measurement(metadata: Mapping[str, Any]) -> Literal["amplitude", "intensity"] | None:
    for part in (metadata, metadata.get("physics_parameters"), metadata.get("creation_info")):
        for name in ("measurement_domain", "measurement"):
            said = part.get(name) if isinstance(part, Mapping) else None
            if said in ("count_intensity", "intensity"):
                return "intensity"
            if said in ("normalized_amplitude", "amplitude"):
                return "amplitude"
    return None


def array_table(archive: Archive) -> tuple[ArrayInfo, ...]:
    """Return every member of an archive for the table of arrays, unreadable ones with their reason as dtype."""
    arrays = [
        ArrayInfo(
            array.key,
            array.shape,
            array.dtype.name,
            array.n_bytes,
            array.member.deflated,
            role_of(array.key),
            _value_range(archive, array),
        )
        for array in archive.arrays
    ]
    others = [ArrayInfo(member.name, (), reason, member.n_bytes, member.deflated) for member, reason in archive.others]
    return tuple(arrays + others)


def _value_range(archive: Archive, array: ArrayMember) -> tuple[float, float] | None:
    if array.n_bytes > _RANGED_BYTES or array.dtype.kind not in "biufc":
        return None
    try:
        values = read_array(archive, array)
    except DatasetError:
        # Only an array that is used has to be whole.
        return None
    finite = values[np.isfinite(values)]
    if array.dtype.kind == "c":
        finite = np.abs(finite)
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _fingerprint(archive: Archive) -> str:
    digest = hashlib.sha256(repr((archive.identity.n_bytes, archive.identity.modified_ns)).encode())
    for array in archive.arrays:
        digest.update(repr((array.key, array.shape, array.dtype.str, array.member.crc)).encode())
    return digest.hexdigest()
