"""Figures of agreement on objects for which they are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray
from ptycho_engine.diagnostics.metrics import compare_with_object
from ptycho_engine.documents import AmplitudeScale, Canvas
from ptycho_engine.physics.simulate import make_object

TRUTH = make_object("shapes", (80, 90), seed=4)


def canvas_of(
    object_: ComplexArray,
    origin: tuple[int, int] = (0, 0),
    weight: NDArray[np.float32] | None = None,
    scale: AmplitudeScale = "physical",
) -> Canvas:
    covered = np.ones(object_.shape, np.float32) if weight is None else weight
    return Canvas(object_.astype(np.complex64), covered, origin, np.zeros((1, 2)), 64, 32, scale)


def test_a_perfect_canvas_whatever_its_scale_and_constant_phase() -> None:
    for factor in (1.0, 3.6 * np.exp(2.5j), 1e-4 * np.exp(-1j)):
        metrics = compare_with_object(canvas_of(TRUTH * np.complex64(factor), scale="network"), TRUTH)
        assert metrics.amplitude_correlation == pytest.approx(1, abs=1e-6)
        assert metrics.phase_correlation == pytest.approx(1, abs=1e-6)
        assert metrics.complex_correlation == pytest.approx(1, abs=1e-6)
        assert metrics.ssim == pytest.approx(1, abs=1e-5)
        assert metrics.psnr_db > 100
        assert metrics.n_pixels == TRUTH.size


def test_a_phase_near_pi_does_not_wrap_in_the_comparison() -> None:
    turned = TRUTH * np.complex64(np.exp(3.1j))
    assert compare_with_object(canvas_of(turned), turned).phase_correlation == pytest.approx(1, abs=1e-6)


def test_only_covered_pixels_on_the_object_count() -> None:
    wide = np.full((120, 130), 7 + 7j, np.complex64)
    wide[20:100, 20:110] = TRUTH
    weight = np.zeros(wide.shape, np.float32)
    weight[0:60, 30:130] = 1  # rows up to 40 and columns from 10 of the object, and what lies beside it
    metrics = compare_with_object(canvas_of(wide, (-20, -20), weight), TRUTH)
    assert metrics.n_pixels == 40 * 80
    assert metrics.complex_correlation == pytest.approx(1, abs=1e-6)
    assert metrics.ssim == pytest.approx(1, abs=1e-5)
    shifted = compare_with_object(canvas_of(wide, (-19, -20), weight), TRUTH)
    assert shifted.complex_correlation < 0.999


def test_figures_against_their_definitions() -> None:
    random = np.random.default_rng(0)
    noise = 0.1 * (random.standard_normal(TRUTH.shape) + 1j * random.standard_normal(TRUTH.shape))
    ours = (TRUTH + noise).astype(np.complex64)
    metrics = compare_with_object(canvas_of(ours), TRUTH)
    a, b = np.abs(ours).ravel().astype(float), np.abs(TRUTH).ravel().astype(float)
    assert metrics.amplitude_correlation == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-6)
    factor = np.linalg.lstsq(a[:, None], b, rcond=None)[0][0]
    assert metrics.psnr_db == pytest.approx(20 * np.log10(b.max()) - 10 * np.log10(np.mean((factor * a - b) ** 2)))
    assert 0.1 < metrics.ssim < 0.9
    assert 0.7 < metrics.phase_correlation < 0.99


def test_a_wrong_picture_gets_low_figures() -> None:
    other = make_object("shapes", TRUTH.shape, seed=5)
    metrics = compare_with_object(canvas_of(other), TRUTH)
    assert abs(metrics.amplitude_correlation) < 0.4
    assert abs(metrics.phase_correlation) < 0.4
    conjugate = compare_with_object(canvas_of(TRUTH.conj()), TRUTH)
    assert conjugate.phase_correlation < 0


def test_what_is_not_defined_is_not_a_number() -> None:
    apart = compare_with_object(canvas_of(TRUTH, (500, 0)), TRUTH)
    assert apart.n_pixels == 0
    assert np.isnan(apart.complex_correlation)
    flat = compare_with_object(canvas_of(np.ones_like(TRUTH)), TRUTH)
    assert np.isnan(flat.amplitude_correlation)
    assert 0 < flat.complex_correlation < 1
    dark = compare_with_object(canvas_of(np.zeros_like(TRUTH)), TRUTH)
    assert np.isnan(dark.complex_correlation)
