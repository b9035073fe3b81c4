"""The patterns on which a training is measured: the same ones from its start to its end."""

import math

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.batches import GroupBatches
from ptycho_engine.diagnostics.fit import empty_r_factor, poisson_deviance, r_factor, stranger_deviance
from ptycho_engine.diagnostics.metrics import common_area, correlations
from ptycho_engine.diagnostics.overlap import nearest_pairs, overlap_consistency
from ptycho_engine.diagnostics.readings import DrawnFigures, drawn_figures
from ptycho_engine.documents import FitFigures
from ptycho_engine.geometry.canvas import CanvasStitcher, stitch_weights
from ptycho_engine.preview import choose_groups
from ptycho_engine.trainer import Scene, Trainer

SAMPLE_PATCHES = 64
"""Patches of a sample at N = 64, in inverse proportion to N elsewhere: to draw them takes a fortieth of an epoch of
816 patterns, since a step costs three times as much as to draw."""
NEIGHBOURHOODS = 4
"""Places of the scan that the patches are taken from: patches of one place overlap."""


class FixedSample:
    """Some groups of a scan in a few compact places, so that their patches overlap and can be stitched.

    Parameters
    ----------
    batches
        The groups of the test scan, or of the training scan where there is no test scan.
    scene
        What their patterns are predicted with.
    on_test_scan
        Which of the two it is.
    """

    def __init__(self, batches: GroupBatches, scene: Scene, *, on_test_scan: bool) -> None:
        self.batches = batches
        self.scene = scene
        self.on_test_scan = on_test_scan
        dataset, grouping = batches.dataset, batches.grouping
        probe = dataset.probe.astype(np.complex128)
        self.light: FloatArray = np.square(np.abs(probe)).sum(axis=0).astype(np.float32)
        self.empty = empty_pattern(probe, coherent=scene.statistics is None)
        patches = max(8, SAMPLE_PATCHES * 64 // dataset.n)
        count = max(1, patches // grouping.group_indices.shape[1])
        self.places = neighbourhoods(grouping.group_centers, count, NEIGHBOURHOODS)
        self.positions: PositionArray = np.concatenate(
            [batches.positions(place).reshape(-1, 2) for place in self.places]
        )
        self.pairs = self._pairs()

    def measure(self, trainer: Trainer) -> tuple[DrawnFigures, FitFigures]:
        """Draw the patches of the sample and describe them."""
        pieces = []
        for place in self.places:
            batch = self.batches.batch(place)
            drawn = trainer.inspect(batch, self.scene)
            measured = trainer.profile.measured_amplitude(batch.images)
            parts = (drawn.patches, drawn.predicted, measured, drawn.amplitude, drawn.phase)
            pieces.append([one.flatten(0, 1).cpu().numpy() for one in parts])
        patches, predicted, seen, amplitude, phase = (np.concatenate(part) for part in zip(*pieces, strict=True))
        shape = drawn_figures(
            amplitude,
            phase,
            self.light,
            seen,
            predicted,
            intensity_scale=self.scene.intensity_scale,
            bound=amplitude_bound(trainer),
        )
        return shape, self._fit(patches, predicted, seen, shape.finite == 1.0)

    def _fit(self, patches: ComplexArray, predicted: FloatArray, measured: FloatArray, finite: bool) -> FitFigures:
        nothing = (math.nan, math.nan, math.nan)
        of_amplitude, of_phase, of_both = self._against_the_truth(patches) if finite else nothing
        return FitFigures(
            r_factor=r_factor(predicted, measured) if finite else math.nan,
            empty_r_factor=empty_r_factor(measured, self.empty),
            poisson_deviance=poisson_deviance(predicted, measured, self.scene.intensity_scale) if finite else math.nan,
            overlap_consistency=(
                overlap_consistency(patches, self.positions, self.light, self.pairs) if finite else math.nan
            ),
            amplitude_correlation=of_amplitude,
            phase_correlation=of_phase,
            complex_correlation=of_both,
            n_patches=len(patches),
            scan="test" if self.on_test_scan else "training",
            stranger_deviance=(
                stranger_deviance(predicted, measured, self.scene.intensity_scale) if finite else math.nan
            ),
        )

    def _pairs(self) -> IndexArray:
        """Return neighbours within one place each: those of different places may lie far apart."""
        pairs, first = [], 0
        for place in self.places:
            positions = self.batches.positions(place).reshape(-1, 2)
            pairs.append(nearest_pairs(positions) + first)
            first += len(positions)
        return np.concatenate(pairs)

    def _against_the_truth(self, patches: ComplexArray) -> tuple[float, float, float]:
        """Stitch each place for itself, and compare all of them with the object at once."""
        dataset = self.batches.dataset
        if dataset.object_ is None:
            return math.nan, math.nan, math.nan
        crop = dataset.n // 2
        weights = stitch_weights("central", crop)
        ours, truth, first = [], [], 0
        for place in self.places:
            positions = self.batches.positions(place).reshape(-1, 2)
            stitcher = CanvasStitcher(positions, dataset.n, crop, weights)
            stitcher.add(patches[first : first + len(positions)], positions)
            first += len(positions)
            drawn, known, common = common_area(stitcher.canvas("network", 1.0), dataset.object_)
            ours.append(drawn[common])
            truth.append(known[common])
        return correlations(np.concatenate(ours), np.concatenate(truth))


def empty_pattern(probe: NDArray[np.complex128], *, coherent: bool) -> FloatArray:
    """Return (N, N) the diffraction amplitude of an empty object under a probe of (n_modes, N, N).

    Parameters
    ----------
    probe
        The modes.
    coherent
        Whether they add before they diffract; else their intensities add.
    """
    waves = probe.sum(axis=0, keepdims=True) if coherent else probe
    fields = np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(1, 2))
    return np.asarray(np.sqrt(np.square(np.abs(fields)).sum(axis=0)), np.float32)


def neighbourhoods(centers: PositionArray, count: int, places: int) -> list[IndexArray]:
    """Choose groups in compact places that are spread over the scan, the same ones each time.

    Parameters
    ----------
    centers
        (n_groups, 2) [px] centres of the groups, ``(y, x)``.
    count
        Groups to choose in all.
    places
        Number of places.

    Returns
    -------
    list of IndexArray
        Numbers of the groups of each place, none named twice.
    """
    count = min(count, len(centers))
    places = max(1, min(places, count // 2))
    left = np.ones(len(centers), bool)
    chosen = []
    for index, middle in enumerate(choose_groups(centers, places)):
        share = count * (index + 1) // places - count * index // places
        distance = np.hypot(*(centers - centers[middle]).T)
        nearest = np.argsort(np.where(left, distance, np.inf), kind="stable")[:share]
        left[nearest] = False
        chosen.append(nearest.astype(np.int64))
    return chosen


def amplitude_bound(trainer: Trainer) -> float | None:
    """Return the greatest amplitude that the network can draw, where its amplitude is bounded."""
    scale = getattr(trainer.network.autoencoder, "output_scale", None)
    return None if scale is None else 2.0 * float(scale)
