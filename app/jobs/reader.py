"""Reading patterns to be looked at: generators for a job thread, beside computing and opening.

A panel asks with ``frame_data_asked(dataset_id, index)``, ``summary_asked(dataset_id)`` and ``groups_asked(dataset_id,
gridsize, neighbor_count)``; the controller runs these in a job thread of their own and hands what they yield to
``Session.apply``. Of several frames, or groups, asked for while one is being read, only the last is wanted.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from app.state.examinations import DocumentExamined
from app.state.readings import FrameRead, GroupsFound, ScanSummarised
from ptycho_engine.arrays import frozen_array
from ptycho_engine.documents import Dataset
from ptycho_engine.events import DiagnosisFound, Progressed

BLOCK_BYTES = 8 * 2**20
"""About as much is read at once: some milliseconds between two chances to stop."""


def read_frame(dataset_id: str, dataset: Dataset, index: int) -> Iterator[FrameRead]:
    """Yield one pattern as amplitude."""
    pattern = dataset.diffraction(slice(index, index + 1))[0]
    yield FrameRead(dataset_id, index, frozen_array(pattern, np.float32))


def summarise_scan(dataset_id: str, dataset: Dataset) -> Iterator[ScanSummarised]:
    """Yield mean, maximum and totals of the patterns of a scan, after each block of it; the last is of all."""
    n_scan, n = dataset.n_scan, dataset.n
    block = max(1, BLOCK_BYTES // (4 * n * n))
    total = np.zeros((n, n))
    maximum = np.zeros((n, n), dtype=np.float32)
    totals = np.full(n_scan, np.nan)
    for start in range(0, n_scan, block):
        stop = min(start + block, n_scan)
        patterns = dataset.diffraction(slice(start, stop))
        total += patterns.sum(axis=0, dtype=np.float64)
        np.maximum(maximum, patterns.max(axis=0), out=maximum)
        totals[start:stop] = np.einsum("kij,kij->k", patterns, patterns, dtype=np.float64)
        yield ScanSummarised(
            dataset_id,
            stop,
            n_scan,
            frozen_array(total / stop, np.float32),
            frozen_array(maximum),
            frozen_array(totals),
        )


def examine(key: str, examination: Iterator[DiagnosisFound | Progressed]) -> Iterator[DocumentExamined]:
    """Yield what an examination of the engine finds, as far as it has come; the last is of all."""
    state = DocumentExamined(key, ())
    for event in examination:
        if isinstance(event, DiagnosisFound):
            state = replace(state, found=(*state.found, event.diagnosis))
        else:
            state = replace(state, n_done=event.n_done, n_total=event.n_total)
        yield state
    yield replace(state, done=True)


def find_groups(dataset_id: str, dataset: Dataset, gridsize: int, neighbor_count: int) -> Iterator[GroupsFound]:
    """Yield the groups that an inference with these settings makes of a scan."""
    # Imported here: the search tree brings scipy, which the window does not need to start.
    from ptycho_engine.geometry.grouping import cover_positions

    groups = cover_positions(dataset.scan_positions, gridsize, neighbor_count, seed=42)
    yield GroupsFound(dataset_id, gridsize, neighbor_count, groups.group_indices, groups.group_centers)
