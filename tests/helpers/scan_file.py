"""The tiny scan as a file."""

from pathlib import Path

from ptycho_engine.formats.npz_writer import write_dataset
from tests.helpers.tiny_scan import tiny_scan


def write_tiny_scan(path: Path) -> Path:
    """Write it and return where it is."""
    scan = tiny_scan()
    write_dataset(
        path,
        diffraction=scan.diffraction(slice(None)),
        scan_positions=scan.scan_positions,
        probe=scan.probe,
        n_photons=1e5,
    )
    return path
