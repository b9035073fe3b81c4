"""Reading patterns to be looked at: generators for a job thread, beside computing and opening.

A panel asks with ``frame_data_asked(dataset_id, index)``, ``summary_asked(dataset_id)``, ``region_asked(dataset_id,
rectangle, whole)`` and ``groups_asked(dataset_id, gridsize, neighbor_count)``; the controller and its scan reader run
these in a job thread of their own and hand what they yield to ``Session.apply``. Of several frames, or groups, asked
for while one is being read, only the last is wanted.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from app.state.examinations import DocumentExamined
from app.state.readings import FrameRead, GroupsFound, RegionSummed, ScanSummarised
from ptycho_engine.arrays import frozen_array
from ptycho_engine.diagnostics.scan_figures import gather_figures, sum_region
from ptycho_engine.documents import Dataset, Rectangle
from ptycho_engine.events import DiagnosisFound, Progressed


def read_frame(dataset_id: str, dataset: Dataset, index: int) -> Iterator[FrameRead]:
    """Yield one pattern as amplitude."""
    pattern = dataset.diffraction(slice(index, index + 1))[0]
    yield FrameRead(dataset_id, index, frozen_array(pattern, np.float32))


def summarise_scan(dataset_id: str, dataset: Dataset, *, whole: bool) -> Iterator[ScanSummarised]:
    """Yield what is known of the patterns of a scan, after each block of them: of a sample first, then of all."""
    for figures in gather_figures(dataset, whole=whole):
        yield ScanSummarised(dataset_id, figures)


def sum_scan_region(dataset_id: str, dataset: Dataset, rectangle: Rectangle, *, whole: bool) -> Iterator[RegionSummed]:
    """Yield the light in a rectangle of the patterns, of a sample first, then of all."""
    for sums in sum_region(dataset, rectangle, whole=whole):
        yield RegionSummed(dataset_id, sums)


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
