"""Dataset formats, one file each."""

from ptycho_engine.formats.experiment import Experiment, read_experiment
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.formats.npz import NpzFormat
from ptycho_engine.formats.npz_writer import write_dataset
from ptycho_engine.formats.schema import FORMATS, DatasetFormat, read_dataset

FORMATS.register("npz", NpzFormat())

__all__ = [
    "FORMATS",
    "ArrayFrames",
    "DatasetFormat",
    "Experiment",
    "read_dataset",
    "read_experiment",
    "write_dataset",
]
