"""Two scans: their arrays, positions, probe, object and patterns."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_engine.artefacts.inventory import file_digest
from ptycho_engine.comparison.differences import Comparison, Difference, Found
from ptycho_engine.documents import Dataset
from ptycho_engine.formats import read_dataset
from ptycho_engine.runs.event_record import dataset_summary

_MOST_PATTERNS = 4096
"""Patterns that are compared, evenly spaced over the scan, so that the time is bounded."""
_BLOCK = 128
_NOT_COMPARED = ("name", "path", "fingerprint")


def compare_datasets(a: Path, b: Path) -> Comparison:
    """Compare two scans.

    Patterns are compared as amplitudes, one with the other of the same number, where both scans have as many of the
    same side; else by their mean total.

    Raises
    ------
    DatasetError
        If one of them cannot be read.
    """
    one, other = read_dataset(a), read_dataset(b)
    found = Found()
    found.tables("scan", *(_summary(each) for each in (one, other)))
    found.tables("arrays", *(_arrays(each) for each in (one, other)))
    found.tables("metadata", one.metadata, other.metadata)
    found.arrays("values", *(_values(each) for each in (one, other)))
    figures: dict[str, Any] = {"sha256": [file_digest(a), file_digest(b)]}
    if one.frames.shape == other.frames.shape:
        figures |= _compare_patterns(found, one, other)
    else:
        figures["mean_total"] = [_mean_total(each) for each in (one, other)]
    return found.finish("dataset", a, b, figures)


def _summary(dataset: Dataset) -> dict[str, Any]:
    return {key: value for key, value in dataset_summary(dataset).items() if key not in _NOT_COMPARED}


def _arrays(dataset: Dataset) -> dict[str, Any]:
    return {array.key: f"{'x'.join(map(str, array.shape))} {array.dtype}" for array in dataset.arrays}


def _values(dataset: Dataset) -> dict[str, Any]:
    values = {"scan_positions [px]": dataset.scan_positions, "probe": dataset.probe}
    optional = {"object": dataset.object_, "scan_index": dataset.scan_index}
    return values | {name: array for name, array in optional.items() if array is not None}


def _numbers(dataset: Dataset) -> np.ndarray[Any, np.dtype[np.int64]]:
    n = min(dataset.n_scan, _MOST_PATTERNS)
    return np.linspace(0, dataset.n_scan - 1, n).astype(np.int64)


def _mean_total(dataset: Dataset) -> float:
    numbers = _numbers(dataset)
    total = 0.0
    for start in range(0, len(numbers), _BLOCK):
        total += float(np.square(dataset.diffraction(numbers[start : start + _BLOCK]), dtype=np.float64).sum())
    return total / len(numbers)


def _compare_patterns(found: Found, one: Dataset, other: Dataset) -> dict[str, Any]:
    numbers = _numbers(one)
    sums = np.zeros((len(numbers), 3))
    for start in range(0, len(numbers), _BLOCK):
        part = numbers[start : start + _BLOCK]
        a, b = (each.diffraction(part).astype(np.float64) for each in (one, other))
        for column, values in enumerate((a - b, a, b)):
            sums[start : start + len(part), column] = np.sum(values**2, axis=(1, 2))
    figures = {"n_patterns_compared": len(numbers), "mean_total": [float(sums[:, 1].mean()), float(sums[:, 2].mean())]}
    if not sums[:, 0].any():
        found.same("patterns")
        return figures
    top = np.maximum(sums[:, 1], sums[:, 2])
    each = np.sqrt(np.divide(sums[:, 0], top, out=np.zeros(len(top)), where=top > 0))
    worst = int(np.nanargmax(each))
    totals = sums.sum(axis=0)
    distance = math.sqrt(totals[0] / max(totals[1], totals[2])) if np.isfinite(totals).all() else math.inf
    level = math.sqrt(totals[2] / totals[1]) if totals[1] > 0 else math.inf
    detail = (
        f"{np.count_nonzero(sums[:, 0])} of {len(numbers)} patterns differ; the worst is {numbers[worst]} "
        f"({each[worst]:.4g}); amplitude of the second over that of the first {level:.6g}"
    )
    first, second = ({"norm": math.sqrt(total)} for total in totals[1:])
    found.add(Difference("patterns", "amplitude", first, second, distance, detail), "patterns")
    return figures
