"""Phases of patches, against constants that were put on patches cut from a known object."""

import numpy as np
import pytest

from ptycho_engine.geometry import phase_alignment
from ptycho_engine.geometry.canvas import extract_patches, stitch_weights
from ptycho_engine.geometry.phase_alignment import phases_of_patches

SIDE = 16
WEIGHTS = stitch_weights("central", SIDE)


def _object(rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:120, :120] / 120
    amplitude = 0.8 + 0.2 * np.sin(9 * rows + 4 * columns)
    return np.asarray(amplitude * np.exp(1j * (1.5 * np.sin(5 * rows) + np.cos(7 * columns))), np.complex64)


@pytest.mark.parametrize("solved_at_once", [1000, 0])
@pytest.mark.parametrize("count", [200, 3])
def test_constants_are_found_to_a_hundredth(monkeypatch: pytest.MonkeyPatch, count: int, solved_at_once: int) -> None:
    monkeypatch.setattr(phase_alignment, "_SOLVED_AT_ONCE", solved_at_once)
    rng = np.random.default_rng(count)
    positions = rng.uniform(40, 40 + 4 * np.sqrt(count), (count, 2))
    constants = np.clip(rng.normal(0, 0.4, count), -1.2, 1.2)
    patches = extract_patches(_object(rng), positions, SIDE) * np.exp(1j * constants)[:, None, None]
    found = phases_of_patches(patches.astype(np.complex64), positions, WEIGHTS)
    np.testing.assert_allclose(found, constants - constants.mean(), atol=0.01)


def test_factorised_and_stepwise_solutions_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    positions = np.stack(np.divmod(np.arange(400), 20), axis=1) * 4.0
    pairs = phase_alignment.neighbour_pairs(positions, SIDE)
    differences, trust = rng.normal(0, 0.5, len(pairs)), rng.uniform(0.1, 1, len(pairs))
    at_once = phase_alignment.solve_phases(pairs, differences, trust, 400)
    monkeypatch.setattr(phase_alignment, "_SOLVED_AT_ONCE", 0)
    stepwise = phase_alignment.solve_phases(pairs, differences, trust, 400)
    np.testing.assert_allclose(stepwise, at_once, atol=1e-6)


def test_mirrored_positions_do_not_hide_the_fault() -> None:
    rng = np.random.default_rng(0)
    positions = rng.uniform(40, 80, (150, 2))
    patches = extract_patches(_object(rng), positions, SIDE)
    assert np.abs(phases_of_patches(patches, positions, WEIGHTS)).max() < 0.01
    assert np.abs(phases_of_patches(patches, 120 - positions, WEIGHTS)).max() > 0.1


def test_islands_dark_and_single_patches_stay_as_they_are() -> None:
    positions = np.array([[0.0, 0.0], [500.0, 0.0], [503.0, 0.0]])
    patches = np.zeros((3, SIDE, SIDE), np.complex64)
    np.testing.assert_allclose(phases_of_patches(patches, positions, WEIGHTS), 0.0, atol=1e-6)
    np.testing.assert_allclose(phases_of_patches(patches[:1], positions[:1], WEIGHTS), 0.0)


def test_a_patch_that_is_not_finite_spoils_no_other() -> None:
    rng = np.random.default_rng(5)
    positions = rng.uniform(40, 80, (120, 2))
    constants = rng.normal(0, 0.3, 120)
    patches = extract_patches(_object(rng), positions, SIDE) * np.exp(1j * constants)[:, None, None]
    patches[7] = np.nan
    found = phases_of_patches(patches.astype(np.complex64), positions, WEIGHTS)
    assert np.isfinite(found).all()
    others = np.delete(found - constants, 7)
    assert np.ptp(others) < 0.02
