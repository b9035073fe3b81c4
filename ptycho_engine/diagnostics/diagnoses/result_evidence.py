"""What the diagnoses of an inference look at."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, FloatArray, IndexArray, PositionArray
from ptycho_engine.diagnostics.canvas_fit import predict_from_canvas
from ptycho_engine.diagnostics.diagnoses.evidence import AGREEING, LEARNED
from ptycho_engine.diagnostics.diagnoses.placements import PLACEMENTS
from ptycho_engine.diagnostics.fit import empty_r_factor, r_factor
from ptycho_engine.diagnostics.illumination import empty_intensity, probe_diameter, probe_light
from ptycho_engine.diagnostics.overlap import agreement_at, overlap_consistency
from ptycho_engine.diagnostics.readings import DrawnFigures, drawn_figures
from ptycho_engine.documents import Bundle, Canvas, Dataset

NEAR, FAR = 0.05, 0.5
"""Distance of two patches to compare, in diameters of the probe: too near, every placement is the same; too far, both
see little of the same place."""
MOST_PAIRS = 96
LEAST_PAIRS = 8
LEAST_COVERED = 8
"""Patterns of the sample that a canvas must cover to be judged by them."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Predicted against measured patterns, after the one factor that fits best in least squares."""

    by: str
    """``"patches"`` or ``"canvas"``: what predicts."""
    r_factor: float
    empty_r_factor: float
    """What an empty object of the same energy comes to."""
    frame_indices: IndexArray
    """(m,) the patterns."""
    r_factors: NDArray[np.float64]
    """(m,) of each of them."""
    predicted: FloatArray
    """(m, N, N) what was compared with the patterns."""


@dataclass(frozen=True)
class ResultEvidence:
    """A canvas, and a sample of the patches that it was stitched from, in a few compact places of the scan."""

    dataset: Dataset
    bundle: Bundle
    canvas: Canvas
    n_placed: int
    """Patches that were to be stitched."""
    input_scale: float
    """By which amplitudes were multiplied before the network."""
    normal_scale: float
    """By which they are multiplied in training: k of this scan."""
    placed_with: NDArray[np.float64]
    """(2, 2) what ``(y, x)`` was multiplied by when the patches were placed."""
    frame_indices: IndexArray
    """(k,) the patterns of the sample."""
    positions: PositionArray
    """(k, 2) [px] ``(y, x)``."""
    patches: ComplexArray
    """(k, N, N) network scale."""
    measured: FloatArray
    """(k, N, N) what the network was given."""
    predicted: FloatArray
    """(k, N, N) what the forward model makes of the patches."""

    @cached_property
    def light(self) -> FloatArray:
        """(N, N) intensity of the probe."""
        return np.asarray(probe_light(self.dataset.probe), np.float32)

    @cached_property
    def finite(self) -> bool:
        """Whether every patch is finite, and every prediction."""
        return bool(np.isfinite(self.patches).all() and np.isfinite(self.predicted).all())

    @cached_property
    def input_factor(self) -> float:
        """How many times too bright the network's input was."""
        return self.input_scale / self.normal_scale

    @property
    def photon_scale(self) -> float | None:
        """Root photons for the amplitudes as the network was given them; ``None`` where photons are not known."""
        photons = self.dataset.n_photons
        total = float(np.square(self.measured, dtype=np.float64).sum(axis=(1, 2)).mean())
        return None if photons is None or total <= 0 else float(np.sqrt(photons / total))

    @cached_property
    def drawn(self) -> DrawnFigures:
        """Figures of the patches, by their modulus: a network without heads of its own has no other amplitude."""
        return drawn_figures(
            np.abs(self.patches),
            np.angle(self.patches).astype(np.float32),
            self.light,
            self.measured,
            self.predicted,
            intensity_scale=self.photon_scale or float(np.sqrt(self.bundle.n_photons or 1e5) / (self.dataset.n / 2)),
        )

    @cached_property
    def fit(self) -> "Fit":
        """How well the patterns are explained, by the patches alone or by the canvas, whichever does it better.

        A network that was trained on a common object explains a pattern by all patches that overlap there.
        """
        whole = np.ones(len(self.measured), bool)
        fits = [self._fit(self.predicted, whole, "patches")]
        if np.isfinite(self.canvas.object_).all():
            scale = self.bundle.model.probe_scale
            predicted, good = predict_from_canvas(self.canvas, self.dataset.probe, self.positions, scale)
            if np.count_nonzero(good) >= LEAST_COVERED:
                fits.append(self._fit(predicted, good, "canvas"))
        return min(fits, key=lambda one: one.r_factor / one.empty_r_factor)

    def _fit(self, predicted: FloatArray, chosen: NDArray[np.bool_], by: str) -> "Fit":
        measured = self.measured[chosen]
        square = float(np.square(predicted, dtype=np.float64).sum())
        inner = float(np.sum(predicted * measured, dtype=np.float64))
        fitted = predicted * np.float32(inner / square if square > 0 else 1.0)
        empty = np.sqrt(empty_intensity(self.dataset.probe)).astype(np.float32)
        return Fit(
            by=by,
            r_factor=r_factor(fitted, measured),
            empty_r_factor=empty_r_factor(measured, empty),
            frame_indices=self.frame_indices[chosen],
            r_factors=np.array([r_factor(one, other) for one, other in zip(fitted, measured, strict=True)]),
            predicted=fitted,
        )

    @property
    def explains(self) -> bool:
        """Whether the result tells more of the patterns than an empty object would, or neighbours agree."""
        return self.fit.r_factor < LEARNED * self.fit.empty_r_factor or self.agreement >= AGREEING

    @cached_property
    def agreements(self) -> dict[str, float]:
        """How well patches agree with those that they overlap, under each of ``PLACEMENTS`` of where they were placed.

        Empty where patches are not finite, or hardly any overlap.
        """
        pairs = comparable_pairs(self.positions, probe_diameter(self.dataset.probe))
        if not self.finite or len(pairs) < LEAST_PAIRS:
            return {}
        placed = self.positions @ self.placed_with.T
        shifts = placed[pairs[:, 0]] - placed[pairs[:, 1]]
        return {
            name: agreement_at(self.patches, pairs, shifts @ matrix.T, self.light)
            for name, matrix in PLACEMENTS.items()
        }

    @cached_property
    def agreement(self) -> float:
        """Overlap of neighbouring patches beyond chance, as the training measures it."""
        return overlap_consistency(self.patches, self.positions @ self.placed_with.T, self.light)


def comparable_pairs(positions: PositionArray, diameter_px: float) -> IndexArray:
    """Return (m, 2) patches between ``NEAR`` and ``FAR`` diameters apart, evenly chosen, the same ones each time."""
    first, second = np.triu_indices(len(positions), 1)
    apart = np.linalg.norm(positions[first] - positions[second], axis=1)
    good = np.flatnonzero((apart > max(1.0, NEAR * diameter_px)) & (apart < FAR * diameter_px))
    if len(good) > MOST_PAIRS:
        good = good[np.linspace(0, len(good) - 1, MOST_PAIRS).astype(np.int64)]
    return np.stack([first[good], second[good]], axis=1)
