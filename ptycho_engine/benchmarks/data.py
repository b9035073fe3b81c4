"""Opening a scan: until its first pattern is there, against ``numpy.load``."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ptycho_engine.arrays import FloatArray
from ptycho_engine.benchmarks.measuring import in_turns, peak_bytes
from ptycho_engine.benchmarks.row import OWN, Row, at_most, faster
from ptycho_engine.benchmarks.settings import BenchSettings
from ptycho_engine.formats import read_dataset

_SIDE = 128
_FRAMES, _QUICK_FRAMES = 2000, 500
_LOAD = "numpy.load"


def data(settings: BenchSettings, folder: Path) -> Iterator[Row]:
    """Measure an uncompressed and a compressed archive."""
    n_scan = _QUICK_FRAMES if settings.quick else _FRAMES
    for compressed in (False, True):
        path = folder / f"frames-{'packed' if compressed else 'stored'}.npz"
        write_frames(path, n_scan, compressed=compressed)
        yield _first_frame(path, settings, compressed=compressed)
        path.unlink()


def write_frames(path: Path, n_scan: int, *, compressed: bool) -> None:
    """Write a scan of noise."""
    rng = np.random.default_rng(0)
    some = rng.poisson(3.0, (200, _SIDE, _SIDE)).astype(np.float32)
    frames = np.tile(some, (-(-n_scan // len(some)), 1, 1))[:n_scan]
    positions = rng.uniform(0, 1000, (2, n_scan))
    probe = np.ones((_SIDE, _SIDE), np.complex64)
    save = np.savez_compressed if compressed else np.savez
    save(path, diff3d=frames, xcoords=positions[0], ycoords=positions[1], probeGuess=probe)


def first_frame(path: Path) -> FloatArray:
    """Open a scan as the program does and return its first pattern, (N, N)."""
    return np.asarray(read_dataset(path).frames.read(slice(0, 1))[0])


def first_frame_by_numpy(path: Path) -> FloatArray:
    """Return the same by ``numpy.load``, which reads all patterns for it."""
    with np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive["diff3d"][0], np.float32)


def _first_frame(path: Path, settings: BenchSettings, *, compressed: bool) -> Row:
    timings = in_turns({OWN: lambda: first_frame(path), _LOAD: lambda: first_frame_by_numpy(path)}, settings.rounds)
    memory = peak_bytes(lambda: first_frame(path)) / 1e6
    size = path.stat().st_size / 1e6
    figures = [at_most("memory <= 10 MB", 10, memory, "MB")]
    if compressed:
        figures.insert(0, faster(">= 10x faster than numpy.load", 10, timings[OWN], timings[_LOAD]))
    else:
        figures.insert(0, at_most("first pattern <= 5 ms of CPU", 5, timings[OWN].median * 1e3, "ms"))
    return Row(
        "data",
        f"first pattern of {size:.0f} MB, {'compressed' if compressed else 'stored'}",
        timings,
        tuple(figures),
        values={"memory_MB": memory, "memory_of_numpy_MB": peak_bytes(lambda: first_frame_by_numpy(path)) / 1e6},
    )
