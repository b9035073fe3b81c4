"""The patches by which an inference is judged: a few compact places of the scan, so that neighbours can be compared."""

import numpy as np

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.diagnostics.diagnoses import diagnose
from ptycho_engine.diagnostics.diagnoses.placements import AS_GIVEN, MIRRORED, PLACEMENTS
from ptycho_engine.diagnostics.diagnoses.result_evidence import ResultEvidence
from ptycho_engine.diagnostics.illumination import probe_diameter
from ptycho_engine.documents import Canvas, Diagnosis
from ptycho_engine.geometry.compatibility import JULY_2026
from ptycho_engine.inference_job import InferenceJob, Predicted
from ptycho_engine.preview import choose_groups

SAMPLE_PATCHES = 64
"""At N = 64, in inverse proportion to N elsewhere."""
PLACES = 4
REACH = 0.4
"""Radius of a place, in diameters of the probe: its patches overlap, but are far enough apart to tell placements."""


class InferenceSample:
    """Picks the patches of the sample out of the batches that come by, and says what they show to be wrong.

    Parameters
    ----------
    job
        The inference.
    """

    def __init__(self, job: InferenceJob) -> None:
        self._job = job
        first = job.batches.grouping.group_indices[:, 0]
        count = max(8, SAMPLE_PATCHES * 64 // job.dataset.n)
        diameter = probe_diameter(job.dataset.probe)
        self._chosen = compact_groups(job.dataset.scan_positions[first], count, PLACES, REACH * diameter)
        # Taken at once: single patches that stay among arrays that come and go would break up the memory.
        self._room = np.empty((len(self._chosen), job.dataset.n, job.dataset.n), np.complex64)
        self._patches: dict[int, ComplexArray] = {}
        self._predicted: dict[int, FloatArray] = {}

    def take(self, predicted: Predicted) -> None:
        """Keep the first member of the chosen groups of a batch."""
        rows: IndexArray = np.flatnonzero(np.isin(predicted.groups, self._chosen))
        if not len(rows):
            return
        amplitude = self._job.predicted_amplitude(predicted.patches[rows], predicted.groups[rows])
        if amplitude is None:
            # At an unknown level there is nothing to compare with.
            return
        for row, group, prediction in zip(rows, predicted.groups[rows], amplitude[:, 0], strict=True):
            self._patches[int(group)] = self._room[len(self._patches)]
            self._patches[int(group)][:] = predicted.patches[row, 0]
            self._predicted[int(group)] = prediction.copy()

    def gather(self) -> None:
        """Bring together what several processes have drawn of the sample."""
        for patches, predicted in self._job.ranks.all((self._patches, self._predicted)):
            self._patches |= patches
            self._predicted |= predicted

    def findings(self, canvas: Canvas) -> list[Diagnosis]:
        """Return what is wrong with the patches, and with the canvas that they were stitched to."""
        if not self._patches:
            return []
        job = self._job
        groups = sorted(self._patches)
        frames = job.batches.grouping.group_indices[np.array(groups), 0]
        mirrored = job.config.compatibility == JULY_2026
        evidence = ResultEvidence(
            dataset=job.dataset,
            bundle=job.bundle,
            canvas=canvas,
            n_placed=int(job.batches.grouping.group_indices.size),
            input_scale=job.input_scale,
            normal_scale=job.level.normal_scale,
            placed_with=PLACEMENTS[MIRRORED if mirrored else AS_GIVEN],
            frame_indices=frames,
            positions=job.dataset.scan_positions[frames],
            patches=np.stack([self._patches[group] for group in groups]),
            measured=job.dataset.diffraction(frames) * np.float32(job.level.amplitude_scale),
            predicted=np.stack([self._predicted[group] for group in groups]),
        )
        return diagnose(evidence)


def compact_groups(positions: PositionArray, count: int, places: int, reach_px: float) -> IndexArray:
    """Choose groups in compact places that are spread over the scan, the same ones each time.

    Parameters
    ----------
    positions
        (n_groups, 2) [px] of the first member of each group, ``(y, x)``.
    count
        Groups to choose in all.
    places
        Number of places.
    reach_px
        Radius of a place; it is wider where there are too few positions in it.

    Returns
    -------
    IndexArray
        (k,) numbers of the groups, in order.
    """
    share = max(2, count // places)
    chosen: set[int] = set()
    for middle in choose_groups(positions, min(places, len(positions))):
        distance = np.hypot(*(positions - positions[middle]).T)
        order = np.argsort(distance, kind="stable")
        within = max(int(np.count_nonzero(distance <= reach_px)), min(share, len(order)))
        even = np.linspace(0, within - 1, min(share, within)).astype(np.int64)
        chosen.update(int(group) for group in order[even])
    return np.array(sorted(chosen), np.int64)
