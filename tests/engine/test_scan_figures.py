"""Figures of every pattern and pictures of all, against numpy on the whole stack."""

from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.arrays import FloatArray, frozen_array
from ptycho_engine.diagnostics import patterns, scan_figures
from ptycho_engine.diagnostics.radial_profile import radial_profile
from ptycho_engine.diagnostics.scan_figures import ScanFigures, gather_figures, spread_sample, sum_region
from ptycho_engine.documents import Dataset, Rectangle
from ptycho_engine.formats.frames import ArrayFrames

N = 16


def _dataset(frames: FloatArray) -> Dataset:
    n_scan, n, _ = frames.shape
    return Dataset(
        "scan",
        Path("/nowhere/scan.npz"),
        ArrayFrames(frames),
        frozen_array(np.zeros((n_scan, 2)), np.float64),
        frozen_array(np.ones((1, n, n)), np.complex64),
    )


def _frames(n_scan: int = 30) -> FloatArray:
    y, x = np.mgrid[:N, :N] - N // 2
    rng = np.random.default_rng(3)
    centres = rng.uniform(-2, 2, (n_scan, 2, 1, 1))
    light = 400 * np.exp(-((y - centres[:, 0]) ** 2 + (x - centres[:, 1]) ** 2) / 20)
    frames: FloatArray = np.sqrt(rng.poisson(light)).astype(np.float32)
    return frames


@pytest.fixture
def _small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long scans and small blocks, in small."""
    monkeypatch.setattr(patterns, "LARGEST_SAMPLE", 16)
    monkeypatch.setattr(patterns, "WHOLE_BYTES", 0)
    monkeypatch.setattr(scan_figures, "BLOCK_BYTES", 3 * 4 * N * N)


def _last(frames: FloatArray, *, whole: bool = True) -> ScanFigures:
    return list(gather_figures(_dataset(frames), whole=whole))[-1]


@pytest.mark.usefixtures("_small_sample")
def test_every_figure_of_every_pattern_is_that_of_numpy() -> None:
    frames = _frames()
    found = _last(frames)
    sample = frames[spread_sample(_dataset(frames))].astype(np.float64).mean(axis=0)
    y, x = np.mgrid[:N, :N] - N // 2
    for index, frame in enumerate(frames.astype(np.float64)):
        weight = frame**2 / (frame**2).sum()
        centre = (weight * y).sum(), (weight * x).sum()
        width = np.sqrt((weight * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2)).sum())
        expected = {
            "total": (frame**2).sum(),
            "maximum": frame.max(),
            "centre_y": centre[0],
            "centre_x": centre[1],
            "width": width,
            "zeros": (frame == 0).sum(),
            "correlation": np.corrcoef(frame.ravel(), sample.ravel())[0, 1],
        }
        for name, value in expected.items():
            assert found.frames[name][index] == pytest.approx(value, rel=1e-5), name  # type: ignore[index]
    np.testing.assert_allclose(found.mean, frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(found.maximum, frames.max(axis=0))
    assert found.is_whole


@pytest.mark.usefixtures("_small_sample")
def test_a_sample_over_the_whole_scan_comes_first_and_then_the_rest_once() -> None:
    frames = _frames()
    told = list(gather_figures(_dataset(frames), whole=True))
    at_sample = next(one for one in told if one.n_done == 16)
    read = np.flatnonzero(np.isfinite(at_sample.frames["total"]))
    assert len(read) == 16
    assert {0, 29} <= set(read)
    np.testing.assert_allclose(at_sample.mean, frames[read].mean(axis=0), rtol=1e-5)
    counts = [one.n_done for one in told]
    assert counts == sorted(counts)
    assert (counts[-1], told[-1].n_total) == (30, 30)
    sampled = _last(frames, whole=False)
    assert (sampled.n_done, sampled.n_total, sampled.is_whole) == (16, 16, False)


@pytest.mark.usefixtures("_small_sample")
def test_dead_saturated_and_not_finite_pixels_are_told_apart() -> None:
    frames = _frames(200)
    frames = np.minimum(frames, np.float32(10.0))
    frames[:, 7, 9] = 0
    frames[5, 2, 3] = np.nan
    frames += np.where(frames > 0, np.random.default_rng(0).uniform(0, 1e-3, frames.shape), 0).astype(np.float32)
    clipped = np.where(frames >= 10.0, np.float32(10.0), frames)
    mask = _last(clipped).mask
    assert np.argwhere(mask.dead).tolist() == [[7, 9]]
    np.testing.assert_array_equal(mask.saturated, np.nanmax(clipped, axis=0) == 10.0)
    assert mask.saturated.any()
    assert np.argwhere(mask.not_finite).tolist() == [[2, 3]]
    healthy = _last(_frames(200)).mask
    assert not healthy.any.any()


@pytest.mark.usefixtures("_small_sample")
def test_a_pixel_without_a_value_takes_nothing_from_the_others() -> None:
    frames = _frames()
    frames[:, 0, 0] = np.nan
    found = _last(frames)
    assert np.isnan(found.mean[0, 0])
    assert np.isfinite(found.frames["total"]).all()
    np.testing.assert_allclose(found.frames["total"], np.nansum(frames.astype(float) ** 2, axis=(1, 2)), rtol=1e-5)


def test_a_dark_pattern_has_no_centre_and_no_correlation() -> None:
    frames = _frames(4)
    frames[2] = 0
    found = _last(frames)
    assert found.frames["total"][2] == 0
    assert found.frames["zeros"][2] == N * N
    assert all(np.isnan(found.frames[name][2]) for name in ("centre_y", "centre_x", "width", "correlation"))


@pytest.mark.usefixtures("_small_sample")
def test_the_light_in_a_rectangle_is_summed_for_each_pattern() -> None:
    frames = _frames()
    told = list(sum_region(_dataset(frames), Rectangle(3, 5, 4, 20), whole=True))
    assert np.isfinite(told[-1].sums).all()
    np.testing.assert_allclose(told[-1].sums, (frames[:, 3:7, 5:].astype(float) ** 2).sum(axis=(1, 2)), rtol=1e-6)
    sampled = list(sum_region(_dataset(frames), Rectangle(3, 5, 4, 2), whole=False))[-1]
    assert np.isfinite(sampled.sums).sum() == 16
    outside = list(sum_region(_dataset(frames), Rectangle(-5, 0, 3, 3), whole=True))[-1]
    assert not outside.sums.any()


def test_the_profile_is_the_mean_over_rings() -> None:
    y, x = np.mgrid[:N, :N] - N // 2
    radius = np.hypot(y, x)
    radii, means = radial_profile(radius)
    np.testing.assert_allclose(means, radii)
    assert radii[0] == 0
    left_out = np.zeros((N, N), bool)
    left_out[N // 2, N // 2] = True
    assert radial_profile(radius, left_out)[0][0] == pytest.approx(1.0 + (np.sqrt(2) - 1) / 2)
    broken = radius.copy()
    broken[0, 0] = np.nan
    assert np.isfinite(radial_profile(broken)[1]).all()
