"""Probe, object and positions of an experiment: what a simulation starts from."""

from dataclasses import dataclass
from pathlib import Path

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.errors import DatasetError
from ptycho_engine.formats.npz import Reader
from ptycho_engine.formats.schema import head_of, not_a_dataset


@dataclass(frozen=True, slots=True)
class Experiment:
    """What diffracts, without the patterns."""

    path: Path
    probe: ComplexArray
    """(n_modes, N, N) complex64."""
    object_: ComplexArray
    """(H, W) complex64."""
    scan_positions: PositionArray
    """(n_scan, 2) float64 [px] patch centres ``(y, x)``."""


def read_experiment(path: str | Path) -> Experiment:
    """Read probe, object and positions from an archive, with or without diffraction patterns.

    Parameters
    ----------
    path
        An ``.npz`` file with ``probeGuess``, ``objectGuess``, ``xcoords`` and ``ycoords``.

    Raises
    ------
    DatasetError
        If one of them is missing or cannot be used.
    """
    file = Path(path)
    head = head_of(file)
    if not head.startswith(b"PK"):
        raise not_a_dataset(file, head)
    reader = Reader(file)
    reader.refuse_other_archives()
    reader.required("object")
    object_ = reader.object()
    if object_ is None:
        raise DatasetError(
            "the object cannot be used to simulate from", " ".join(reader.notes) or "Write a valid object.", file=file
        )
    return Experiment(file, reader.probe(None), object_, reader.positions())
