"""Measure how fast and in how much memory a large scan opens, and how fast its patterns are stepped through.

``python -m tests.benchmarks.large_scan FOLDER [GIB] [SIDE] [packed]`` writes ``scan.npz`` there unless it is there,
with real content and an object of 2000 px, then opens it in a process of its own after the system was asked to forget
it.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

_BLOCK = 128


def write(path: Path, gib: float, side: int, *, compressed: bool) -> None:
    """Write a scan of noisy patterns of ``gib`` GiB before packing."""
    from ptycho_engine.formats.npz_writer import NpzWriter

    n_scan = int(gib * 2**30 / (4 * side * side))
    random = np.random.default_rng(0)
    block = np.sqrt(random.poisson(3.0, (_BLOCK, side, side))).astype(np.float32)
    with NpzWriter(path, compressed=compressed) as writer:
        for key in ("xcoords", "ycoords"):
            writer.add(key, random.uniform(200, 1800, n_scan))
        writer.add("probeGuess", np.ones((side, side), np.complex64))
        writer.add("objectGuess", random.normal(size=(2000, 2000)).astype(np.complex64))
        stack = writer.open_stack("diff3d", (n_scan, side, side), np.float32)
        for start in range(0, n_scan, _BLOCK):
            stack.write(block[: min(_BLOCK, n_scan - start)])
        stack.close()


def measure(path: Path) -> dict[str, float]:
    """Open the scan in this process; times in seconds, memory in MiB."""
    import psutil

    from ptycho_engine.formats import read_dataset

    process = psutil.Process()
    before = process.memory_info().rss
    start = time.perf_counter()
    dataset = read_dataset(path)
    opened = time.perf_counter()
    first = dataset.diffraction(slice(0, 1))
    shown = time.perf_counter()
    after = process.memory_info().rss
    arrays = sum(
        array.nbytes for array in (dataset.scan_positions, dataset.probe, dataset.object_) if array is not None
    )
    result = {
        "file_GiB": path.stat().st_size / 2**30,
        "n_scan": dataset.n_scan,
        "first_mean": float(first.mean()),
        "open_s": opened - start,
        "first_pattern_s": shown - start,
        "more_memory_MiB": (after - before) / 2**20,
        "of_that_probe_object_positions_MiB": arrays / 2**20,
    }
    steps = np.arange(1, 201)
    jumps = np.random.default_rng(1).integers(0, dataset.n_scan, 20)
    for name, numbers in (("steps", steps), ("jumps", jumps)):
        start = time.perf_counter()
        for number in numbers:
            dataset.diffraction(np.array([number]))
        result[f"{name}_per_s"] = len(numbers) / (time.perf_counter() - start)
    result["more_memory_at_the_end_MiB"] = (process.memory_info().rss - before) / 2**20
    return result


def forget(path: Path) -> None:
    """Ask the system to forget what it keeps of a file, so that it is read from the disk."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main(words: list[str]) -> None:
    """Write, forget, and measure in another process."""
    if words[0] == "--measure":
        sys.stdout.write(json.dumps(measure(Path(words[1]))) + "\n")
        return
    path = Path(words[0]) / "scan.npz"
    if not path.exists():
        gib, side = float(words[1]) if len(words) > 1 else 2.0, int(words[2]) if len(words) > 2 else 256
        write(path, gib, side, compressed="packed" in words)
    forget(path)
    subprocess.run([sys.executable, "-m", "tests.benchmarks.large_scan", "--measure", str(path)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
