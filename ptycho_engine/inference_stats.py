"""The statistics of an inference: one entry a batch, or the one entry that an older release writes."""

import numpy as np

from ptycho_engine.config import InferConfig
from ptycho_engine.diagnostics.patch_stats import DESCRIBED_PATCHES, AmplitudeMoments, describe_groups, patch_stats
from ptycho_engine.documents import Canvas, PatchStats
from ptycho_engine.events import StatsMeasured
from ptycho_engine.inference_compatibility import CompatibilityMode
from ptycho_engine.inference_job import Predicted


class InferenceStats:
    """Describes patches as they come.

    The right way describes each batch of predicted patches. PtychoPINN 2025-11 describes all patches as one batch;
    2026-07 describes the stitched canvas, as if it were a patch.

    Parameters
    ----------
    config
        Whether statistics are logged, and of how many batches.
    mode
        The release to follow, ``None`` for the right way.
    """

    def __init__(self, config: InferConfig, mode: CompatibilityMode | None) -> None:
        self._described = "batches" if mode is None else mode.described
        self._left = config.patch_stats_limit if config.log_patch_stats else 0
        self._n_logged, self._n_groups = 0, 0
        self._moments = AmplitudeMoments()
        self._first: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []

    @property
    def _due(self) -> bool:
        return self._left is None or self._n_logged < self._left

    def take(self, predicted: Predicted) -> StatsMeasured | None:
        """Take in a batch; return what is to be told of it."""
        if not self._due or self._described == "canvas":
            return None
        if self._described == "batches":
            return self._told(patch_stats(predicted.patches, "inference", self._n_logged))
        amplitudes = np.abs(predicted.patches).astype(np.float64)
        self._moments.add(amplitudes.reshape(-1, *amplitudes.shape[-2:]))
        self._first.extend(one.copy() for one in amplitudes[: DESCRIBED_PATCHES - len(self._first)])
        self._n_groups += len(amplitudes)
        return None

    def finish(self, canvas: Canvas) -> StatsMeasured | None:
        """Return what is to be told once everything is stitched."""
        if not self._due or self._described == "batches":
            return None
        if self._described == "canvas":
            return self._told(patch_stats(canvas.object_[None, None], "inference", 0))
        moments = self._moments
        return self._told(
            PatchStats(
                phase="inference",
                batch_idx=0,
                batch_size=self._n_groups,
                global_mean=moments.mean,
                global_std=moments.std(unbiased=True),
                var_zero_mean=moments.var_zero_mean,
                per_patch=describe_groups(np.stack(self._first)),
            )
        )

    def _told(self, stats: PatchStats) -> StatsMeasured:
        self._n_logged += 1
        return StatsMeasured(stats.batch_idx, stats)
