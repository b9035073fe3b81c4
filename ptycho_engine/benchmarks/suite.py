"""All benchmarks by name, in the order in which they run."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ptycho_engine.benchmarks.machine import Machine
from ptycho_engine.benchmarks.row import Row
from ptycho_engine.benchmarks.settings import BenchSettings

Benchmark = Callable[[BenchSettings, Machine, Path], Iterator[Row]]


def _stitching(settings: BenchSettings, machine: Machine, _: Path) -> Iterator[Row]:
    from ptycho_engine.benchmarks.stitching import stitching

    return stitching(settings, machine)


def _inference(settings: BenchSettings, machine: Machine, folder: Path) -> Iterator[Row]:
    from ptycho_engine.benchmarks.inference import inference

    return inference(settings, machine, folder)


def _training(settings: BenchSettings, machine: Machine, folder: Path) -> Iterator[Row]:
    from ptycho_engine.benchmarks.training import training

    return training(settings, machine, folder)


def _data(settings: BenchSettings, _: Machine, folder: Path) -> Iterator[Row]:
    from ptycho_engine.benchmarks.data import data

    return data(settings, folder)


def _grouping(settings: BenchSettings, _: Machine, __: Path) -> Iterator[Row]:
    from ptycho_engine.benchmarks.grouping import grouping

    return grouping(settings)


def _window(settings: BenchSettings, _: Machine, __: Path) -> Iterator[Row]:
    from ptycho_engine.benchmarks.window import window

    return window(settings)


def _growth(settings: BenchSettings, _: Machine, folder: Path) -> Iterator[Row]:
    from ptycho_engine.benchmarks.growth import growth

    return growth(settings, folder)


BENCHMARKS: dict[str, Benchmark] = {
    "stitching": _stitching,
    "inference": _inference,
    "training": _training,
    "data": _data,
    "grouping": _grouping,
    "window": _window,
}
GROWTH = "growth"
"""Run only when it is asked for: it takes minutes."""


def measure(names: Iterable[str], settings: BenchSettings, machine: Machine) -> Iterator[Row]:
    """Run benchmarks and yield each row as soon as it is measured.

    Parameters
    ----------
    names
        From :data:`BENCHMARKS`, or :data:`GROWTH`.
    settings
        How long to measure.
    machine
        What the limits are taken from.
    """
    every = BENCHMARKS | {GROWTH: _growth}
    with tempfile.TemporaryDirectory(prefix="ptychoscope-bench-") as folder:
        for name in names:
            yield from every[name](settings, machine, Path(folder))
