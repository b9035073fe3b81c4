"""The patches shown while an inference works: a fixed, evenly spread choice, in the order of the scan."""

import numpy as np

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, frozen_array
from ptycho_engine.events import PatchPreview
from ptycho_engine.inference_job import InferenceJob, Predicted
from ptycho_engine.preview import choose_groups


class InferencePreview:
    """Picks the chosen patches out of the batches that come by.

    Parameters
    ----------
    job
        The inference.
    """

    def __init__(self, job: InferenceJob) -> None:
        self._job = job
        self._chosen = choose_groups(job.batches.grouping.group_centers, job.config.preview_count)
        # Taken at once: single patches that stay among arrays that come and go would break up the memory.
        self._room = np.empty((len(self._chosen), job.dataset.n, job.dataset.n), np.complex64)
        self._patches: dict[int, ComplexArray] = {}
        self._predicted: dict[int, FloatArray | None] = {}

    def take(self, predicted: Predicted) -> None:
        """Keep those of a batch that are shown."""
        rows: IndexArray = np.flatnonzero(np.isin(predicted.groups, self._chosen))
        if len(rows) == 0:
            return
        amplitude = self._job.predicted_amplitude(predicted.patches[rows], predicted.groups[rows])
        for place, (row, group) in enumerate(zip(rows, predicted.groups[rows], strict=True)):
            self._patches[int(group)] = self._room[len(self._patches)]
            self._patches[int(group)][:] = predicted.patches[row, 0]
            self._predicted[int(group)] = None if amplitude is None else amplitude[place, 0].copy()

    def event(self, n_done: int) -> PatchPreview | None:
        """Return the chosen patches there are so far."""
        groups = [int(group) for group in self._chosen if int(group) in self._patches]
        if not groups:
            return None
        job, dataset = self._job, self._job.dataset
        frames = job.batches.grouping.group_indices[np.array(groups), 0]
        known = [one for one in (self._predicted[group] for group in groups) if one is not None]
        return PatchPreview(
            phase="inference",
            step=n_done,
            patches=frozen_array([self._patches[group] for group in groups], np.complex64),
            measured=frozen_array(dataset.diffraction(frames) * np.float32(job.level.amplitude_scale), np.float32),
            predicted=frozen_array(known, np.float32) if known else None,
            frame_indices=frozen_array(frames, np.int64),
            scan_positions=frozen_array(dataset.scan_positions[frames], np.float64),
            network_per_physical=job.network_per_physical,
            intensity_scale=job.level.intensity_scale,
        )
