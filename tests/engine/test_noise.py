"""How much of what patterns differ by is noise: beside counts that numpy draws."""

import numpy as np
import pytest

from ptycho_engine.physics.noise import noise_share, root_count_variance


@pytest.mark.parametrize("expected", [0.05, 0.3, 2.0, 20.0, 60.0, 500.0])
def test_the_variance_of_roots_is_that_of_drawn_counts(expected: float) -> None:
    drawn = np.sqrt(np.random.default_rng(0).poisson(expected, 4_000_000))
    assert root_count_variance(np.array([expected]))[0] == pytest.approx(drawn.var(), rel=0.01)


def test_series_and_asymptote_meet() -> None:
    below, above = root_count_variance(np.array([63.999999, 64.000001]))
    assert below == pytest.approx(above, rel=1e-5)


def test_no_light_has_no_noise() -> None:
    assert root_count_variance(np.zeros(3)).tolist() == [0, 0, 0]


def _patterns(contrast: float, n_photons: float) -> np.ndarray:
    """Return 400 normalised amplitudes of a round spot; each pixel of each is turned up or down by a contrast."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:16, :16] - 7.5
    light = np.exp(-(x**2 + y**2) / 20)
    intensity = light / light.sum() * random.choice([1 - contrast, 1 + contrast], size=(400, 16, 16))
    return np.asarray(np.sqrt(random.poisson(intensity * n_photons) / n_photons) * 8)


@pytest.mark.parametrize("n_photons", [30.0, 1e3, 1e6])
def test_patterns_that_differ_by_noise_alone_are_all_noise(n_photons: float) -> None:
    seen = _patterns(0.0, n_photons)
    assert noise_share(seen.mean(0), (seen**2).mean(0), n_photons) == pytest.approx(1.0, abs=0.05)


def test_noise_is_told_from_what_the_object_changes() -> None:
    without = _patterns(0.3, 1e12)
    seen = _patterns(0.3, 1e4)
    share = 1 - np.mean(without.var(axis=0)) / np.mean(seen.var(axis=0))
    assert 0.1 < share < 0.9
    assert noise_share(seen.mean(0), (seen**2).mean(0), 1e4) == pytest.approx(share, abs=0.03)


def test_patterns_that_do_not_differ_have_no_noise() -> None:
    same = np.full((8, 8), 0.5)
    assert noise_share(same, same**2, 1e3) == 0.0
