"""Scans as counts: the count scale, what is refused, and the statistics that a training freezes."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_engine.documents import Dataset
from ptycho_engine.errors import DatasetError
from ptycho_engine.formats import read_dataset
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.physics.counts import as_counts, count_statistics
from ptycho_engine.physics.simulate import SimulateConfig, simulate_scan
from tests.helpers.tiny_scan import tiny_scan


def _scan(frames: NDArray[Any], **changes: Any) -> Dataset:
    n = frames.shape[1]
    plain = Dataset("s", None, ArrayFrames(frames), np.zeros((len(frames), 2)), np.full((1, n, n), 2, np.complex64))
    return replace(plain, **changes)


def _simulated(config: SimulateConfig, path: Path) -> Dataset:
    for _ in simulate_scan(config, path):
        pass
    return read_dataset(path)


def test_statistics_are_upstreams(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "normalisation.npz")
    scan = _scan(golden["X"], measurement="intensity")
    found = count_statistics(scan, np.arange(6))
    assert found.rms_input_scale == pytest.approx(float(golden["ci_rms_input_scale"]), rel=1e-6)
    assert found.mean_measured_intensity == pytest.approx(float(golden["ci_mean_intensity"]), rel=1e-6)


def test_statistics_count_a_pattern_as_often_as_it_is_named() -> None:
    counts = np.random.default_rng(0).poisson(5.0, (4, 8, 8)).astype(np.float32)
    found = count_statistics(_scan(counts, measurement="intensity"), np.array([[1, 1], [3, 0]]))
    chosen = counts[[1, 1, 3, 0]].astype(np.float64)
    assert found.mean_measured_intensity == pytest.approx(chosen.mean(), rel=1e-12)
    assert found.rms_input_scale == pytest.approx(4 / np.sqrt(np.square(chosen).sum(axis=(1, 2)).mean()), rel=1e-12)


def test_whole_squares_are_counts_as_they_are() -> None:
    counts = np.random.default_rng(0).poisson(5.0, (4, 8, 8)).astype(np.float64)
    scan = as_counts(_scan(np.sqrt(counts).astype(np.float32), n_photons=320.0))
    assert scan.count_scale == 1.0
    np.testing.assert_allclose(scan.dataset.counts(np.array([2, 0])), counts[[2, 0]], rtol=1e-6)
    np.testing.assert_array_equal(scan.dataset.probe, 2)


def test_normalised_amplitudes_are_brought_to_the_photons_that_are_known() -> None:
    """(c A)² with c from the photons, and c times the probe; amplitudes and object stay in proportion."""
    amplitudes = np.random.default_rng(0).random((4, 8, 8)).astype(np.float32)
    mean_total = np.square(amplitudes.astype(np.float64)).sum(axis=(1, 2)).mean()
    scan = as_counts(_scan(amplitudes, n_photons=320.0))
    assert scan.count_scale == pytest.approx(np.sqrt(320.0 / mean_total))
    counts = scan.dataset.counts(slice(None))
    assert counts.sum(axis=(1, 2)).mean() == pytest.approx(320.0, rel=1e-6)
    np.testing.assert_allclose(scan.dataset.diffraction(slice(1, 3)), amplitudes[1:3] * scan.count_scale, rtol=1e-6)
    np.testing.assert_allclose(scan.dataset.probe, 2 * scan.count_scale, rtol=1e-6)
    assert as_counts(_scan(amplitudes, n_photons=320.0), n_photons=1000.0).count_scale == pytest.approx(
        np.sqrt(1000.0 / mean_total)
    )
    assert as_counts(_scan(amplitudes), count_scale=3.0).count_scale == 3.0
    again = pickle.loads(pickle.dumps(scan.dataset))
    np.testing.assert_array_equal(again.counts(slice(None)), counts)


def test_counts_stay_as_they_are() -> None:
    scan = _scan(np.full((2, 8, 8), 7.5, np.float32), measurement="intensity", n_photons=99.0)
    assert as_counts(scan).dataset is scan
    brighter = as_counts(scan, n_photons=64 * 15.0)
    np.testing.assert_allclose(brighter.dataset.counts(slice(None)), 15.0)
    np.testing.assert_allclose(brighter.dataset.probe, 2 * np.sqrt(2.0))


def test_amplitudes_of_unknown_photons_are_refused() -> None:
    scan = replace(tiny_scan(), n_photons=None, path=Path("scan.npz"))
    with pytest.raises(DatasetError, match=r"scan\.npz: its patterns are amplitudes without a count scale.*n_photons"):
        as_counts(scan)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_what_is_no_count_is_refused_by_name(value: float) -> None:
    frames = np.ones((5, 8, 8), np.float32)
    frames[3, 2, 2] = value
    scan = _scan(frames, measurement="intensity")
    with pytest.raises(DatasetError, match=rf"no counts: pattern 3 holds {value:g}"):
        count_statistics(scan, np.arange(5))
    count_statistics(scan, np.array([0, 1]))  # a training that leaves the pattern out does not care
    with pytest.raises(DatasetError, match="no photons"):
        count_statistics(_scan(np.zeros((2, 8, 8), np.float32), measurement="intensity"), np.arange(2))


def test_the_simulator_says_its_count_scale_or_writes_counts(tmp_path: Path) -> None:
    """The same draw in both forms: the same counts, the same probe in their scale."""
    amplitude = _simulated(SimulateConfig(n_scan=6, n_photons=3e4), tmp_path / "a.npz")
    counted = _simulated(SimulateConfig(n_scan=6, n_photons=3e4, measurement="counts"), tmp_path / "c.npz")
    assert (amplitude.measurement, counted.measurement) == ("amplitude", "intensity")
    counts = counted.counts(slice(None))
    np.testing.assert_array_equal(counts, np.rint(counts))
    converted = as_counts(amplitude)
    assert "file says" in converted.origin
    np.testing.assert_allclose(converted.dataset.counts(slice(None)), counts, rtol=1e-5)
    np.testing.assert_allclose(converted.dataset.probe, counted.probe, rtol=1e-5, atol=1e-6)
    assert as_counts(counted).count_scale == 1.0


def test_simulated_counts_of_several_modes_add(run1084_dir: Path, tmp_path: Path) -> None:
    known = np.load(run1084_dir / "run1084_experiment.npz")
    probe = known["probeGuess"].reshape(64, 64)
    modes = np.stack([probe, 0.7 * probe * np.linspace(-1, 1, 64)[:, None]]).astype(np.complex64)
    np.savez(tmp_path / "e.npz", **{key: known[key] for key in known if key != "probeGuess"}, probeGuess=modes)
    config = SimulateConfig(from_file=str(tmp_path / "e.npz"), n_photons=1e12, measurement="counts")
    scan = _simulated(config, tmp_path / "s.npz")
    assert scan.object_ is not None
    patches = extract_patches(scan.object_, scan.scan_positions[:5], 64)
    expected = sum(np.abs(np.fft.fftshift(np.fft.fft2(patches * mode), axes=(1, 2)) / 64) ** 2 for mode in scan.probe)
    np.testing.assert_allclose(scan.counts(slice(0, 5)), expected, atol=1e-4 * np.max(expected))
