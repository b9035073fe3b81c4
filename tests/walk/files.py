"""The files of the walk that are not among the reference data."""

from pathlib import Path

import numpy as np

from tests.helpers.hostile_bundles import members, named_call, packed

MANY = 100_000
SIDE = 32
_DIFFERENT = 1000
"""Patterns before they repeat: to make all of them takes long, and nobody looks at all."""


def many_positions_scan(folder: Path) -> Path:
    """Write a scan of a hundred thousand positions with small patterns, unless it is there."""
    from ptycho_engine.formats.npz_writer import NpzWriter

    path = folder / "many_positions.npz"
    if path.exists():
        return path
    random = np.random.default_rng(0)
    rows, columns = np.divmod(np.arange(MANY), 400)
    y, x = 40 + 3.0 * rows + random.normal(0, 0.5, MANY), 40 + 2.0 * columns + random.normal(0, 0.5, MANY)
    axis = np.arange(SIDE) - SIDE / 2
    probe = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / 60).astype(np.complex64)
    object_ = np.exp(1j * random.normal(0, 0.3, (840, 900))).astype(np.complex64)
    corners = np.stack([np.rint(y).astype(int), np.rint(x).astype(int)], axis=1) - SIDE // 2
    with NpzWriter(path, compressed=False) as writer:
        writer.add("xcoords", x)
        writer.add("ycoords", y)
        writer.add("probeGuess", probe)
        writer.add("objectGuess", object_)
        stack = writer.open_stack("diff3d", (MANY, SIDE, SIDE), np.float32)
        exits = np.stack([object_[r : r + SIDE, c : c + SIDE] * probe for r, c in corners[:_DIFFERENT]])
        waves = np.fft.fftshift(np.fft.fft2(exits), axes=(1, 2)) / SIDE
        patterns = np.sqrt(random.poisson(300 * np.abs(waves) ** 2)).astype(np.float32)
        for _ in range(MANY // _DIFFERENT):
            stack.write(patterns)
        stack.close()
    return path


def broken_scan(folder: Path, scan: Path) -> Path:
    """Write the first third of a scan."""
    path = folder / "cut_short.npz"
    content = scan.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    return path


def hostile_bundle(folder: Path) -> Path:
    """Write a bundle that would run a command if it were unpickled."""
    path = folder / "from_a_stranger.h5.zip"
    command = f"touch {folder / 'run-by-a-bundle'}"
    path.write_bytes(packed(members() | {"manifest.dill": named_call("os", "system", command)}))
    return path


def other_file(folder: Path) -> Path:
    """Write a file of another kind."""
    path = folder / "notes.txt"
    path.write_text("Beamtime of Tuesday: the shutter stuck twice.\n", encoding="utf-8")
    return path
