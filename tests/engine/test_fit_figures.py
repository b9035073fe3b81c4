"""Figures of fit and of overlap, against independent computations and on patches for which they are known."""

import numpy as np
import pytest
from scipy.stats import poisson

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.diagnostics.fit import empty_r_factor, poisson_deviance, r_factor, stranger_deviance
from ptycho_engine.diagnostics.overlap import nearest_pairs, overlap_consistency
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.physics.simulate import make_object

N = 32
RNG = np.random.default_rng(0)
OBJECT = make_object("cells", (120, 120), seed=3)
ROWS, COLUMNS = np.mgrid[:N, :N] - N / 2
LIGHT = np.exp(-(ROWS**2 + COLUMNS**2) / 60).astype(np.float32)
POSITIONS: PositionArray = np.concatenate(
    [
        np.array(corner) + RNG.uniform(0, 16, (12, 2))
        for corner in ((24.0, 24.0), (76.0, 24.0), (30.0, 76.0), (78.0, 78.0))
    ]
)


def _patches(positions: PositionArray = POSITIONS) -> ComplexArray:
    return extract_patches(OBJECT, positions, N)


def test_r_factor() -> None:
    measured = np.array([[[1.0, 3.0], [0.0, 4.0]]], np.float32)
    assert r_factor(measured, measured) == 0
    assert r_factor(np.zeros_like(measured), measured) == 1
    assert r_factor(measured + np.float32(0.5), measured) == pytest.approx(2 / 8)
    assert np.isnan(r_factor(measured, np.zeros_like(measured)))


def test_deviance_is_twice_the_likelihood_lost_to_the_saturated_model() -> None:
    scale = 3.0
    counts = RNG.poisson(4.0, (3, 8, 8))
    measured = (np.sqrt(counts) / scale).astype(np.float32)
    predicted = RNG.uniform(0.2, 1.2, counts.shape).astype(np.float32)
    rate = (scale * predicted.astype(float)) ** 2
    lost = poisson.logpmf(counts, counts) - poisson.logpmf(counts, rate)
    assert poisson_deviance(predicted, measured, scale) == pytest.approx(2 * np.mean(lost), rel=1e-5)


def test_deviance_of_the_truth_is_one_where_counts_are_high() -> None:
    rate = RNG.uniform(50, 500, (20, 32, 32))
    measured = np.sqrt(RNG.poisson(rate)).astype(np.float32)
    assert poisson_deviance(np.sqrt(rate).astype(np.float32), measured, 1.0) == pytest.approx(1.0, abs=0.05)
    assert poisson_deviance(1.1 * np.sqrt(rate).astype(np.float32), measured, 1.0) > 5
    assert np.isfinite(poisson_deviance(np.zeros_like(measured), measured, 1.0))


def test_the_empty_object_is_brought_to_the_energy_of_the_patterns() -> None:
    empty = RNG.uniform(0, 1, (8, 8)).astype(np.float32)
    assert empty_r_factor(np.stack([7 * empty, 7 * empty]), empty) == pytest.approx(0, abs=1e-6)
    assert empty_r_factor(np.stack([7 * empty, 7 * empty[::-1]]), empty) > 0.1
    assert np.isnan(empty_r_factor(empty[None], np.zeros_like(empty)))


def test_strangers_tell_whether_patterns_are_told_apart() -> None:
    rates = RNG.uniform(0.05, 0.3, (32, 32)) * RNG.choice([0.3, 1.7], (64, 32, 32))
    measured = np.sqrt(RNG.poisson(rates)).astype(np.float32)
    known, alike = np.sqrt(rates).astype(np.float32), np.sqrt(np.broadcast_to(rates.mean(axis=0), rates.shape))
    assert poisson_deviance(known, measured, 1.0) < 0.9 * stranger_deviance(known, measured, 1.0)
    assert stranger_deviance(alike, measured, 1.0) == poisson_deviance(alike, measured, 1.0)
    assert np.isnan(stranger_deviance(known[:1], measured[:1], 1.0))


def test_patches_of_one_object_agree_and_misplaced_ones_do_not() -> None:
    assert overlap_consistency(_patches(), POSITIONS, LIGHT) > 0.98
    assert overlap_consistency(_patches(), -POSITIONS, LIGHT) < 0.8
    assert overlap_consistency(_patches(), POSITIONS[:, ::-1].copy(), LIGHT) < 0.95
    assert abs(overlap_consistency(_patches(RNG.permutation(POSITIONS)), POSITIONS, LIGHT)) < 0.3


def test_a_phase_that_jumps_between_patches_is_disagreement() -> None:
    jumps = np.exp(2j * np.pi * RNG.random(len(POSITIONS))).astype(np.complex64)
    assert overlap_consistency(_patches() * jumps[:, None, None], POSITIONS, LIGHT) < 0.5
    assert overlap_consistency(_patches() * np.complex64(3j), POSITIONS, LIGHT) > 0.98


def test_the_same_picture_for_every_pattern_is_no_agreement() -> None:
    smooth = (1 + 0.3 * np.exp(-((ROWS - 4) ** 2 + COLUMNS**2) / 200)).astype(np.complex64)
    same = np.repeat(smooth[None], len(POSITIONS), axis=0)
    assert overlap_consistency(same, POSITIONS, LIGHT) == pytest.approx(0, abs=0.05)


def test_overlap_is_not_defined_for_constants_and_for_single_patches() -> None:
    assert np.isnan(overlap_consistency(np.ones_like(_patches()), POSITIONS, LIGHT))
    assert np.isnan(overlap_consistency(_patches()[:1], POSITIONS[:1], LIGHT))


def test_neighbours_are_the_nearest_other_positions() -> None:
    positions = np.array([[0.0, 0.0], [0.0, 5.0], [0.0, 5.1], [0.0, 9.0], [50.0, 0.0]])
    # 5.0 and 5.1 see the same: neither is the other's neighbour.
    assert nearest_pairs(positions).tolist() == [[0, 1], [0, 4], [1, 3], [2, 3]]
    assert len(nearest_pairs(positions[:1])) == 0
    assert len(nearest_pairs(np.zeros((3, 2)))) == 0
