"""Normalisation for display: what the words in the titles promise."""

import numpy as np
import pytest

from app.display.normalise import NORMALISATIONS, Normalisation, min_max, normalise, z_score

RNG = np.random.default_rng(3)


def test_z_score_has_mean_zero_and_std_one_in_each_patch() -> None:
    patches = RNG.random((5, 16, 16)).astype(np.float32) * np.array([1, 10, 1e4, 1e-6, 3], np.float32)[:, None, None]
    result = z_score(patches)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(result.std(axis=(1, 2)), 1, rtol=1e-5)


def test_min_max_runs_from_zero_to_one_in_each_patch() -> None:
    result = min_max(RNG.normal(5, 2, (4, 8, 8)))
    np.testing.assert_array_equal(result.min(axis=(1, 2)), 0)
    np.testing.assert_array_equal(result.max(axis=(1, 2)), 1)


@pytest.mark.parametrize("kind", NORMALISATIONS)
@pytest.mark.parametrize("constant", [0.0, 1.0, 51466.0, -3.3, 1e-30])
def test_a_constant_patch_gives_zeros(kind: Normalisation, constant: float) -> None:
    np.testing.assert_array_equal(normalise(np.full((2, 8, 8), constant, np.float32), kind), 0)


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_rounding_of_a_constant_patch_is_not_blown_up(kind: Normalisation) -> None:
    patch = np.full((1, 8, 8), 1000.0, np.float32)
    patch[0, 0, 0] = np.nextafter(np.float32(1000), np.float32(2000))
    np.testing.assert_array_equal(normalise(patch, kind), 0)


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_a_patch_that_is_not_finite_spoils_no_other(kind: Normalisation) -> None:
    patches = RNG.random((3, 4, 4)).astype(np.float32)
    patches[1, 0, 0] = np.nan
    patches[2, 0, 0] = np.inf
    result = normalise(patches, kind)
    assert np.isfinite(result[0]).all()
    assert np.isnan(result[1]).all()
