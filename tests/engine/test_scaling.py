"""Scale factors and probe normalisation, against reference values and against their definitions."""

from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.documents import Dataset
from ptycho_engine.formats import ArrayFrames, read_dataset
from ptycho_engine.physics.probe import probe_normalisation, soft_disk
from ptycho_engine.physics.scaling import dataset_input_scale, input_scale, intensity_scale, mean_total


def test_input_scale_is_upstreams(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "normalisation.npz")
    frames = golden["X"]
    k = input_scale(mean_total([frames[:2], frames[2:]]), 16)
    np.testing.assert_allclose(k, golden["train_norm_scale"].item(), rtol=1e-6)
    np.testing.assert_allclose(k * frames, golden["normalize_data_N16"], rtol=1e-6)
    np.testing.assert_allclose(2 * k, golden["rms_scaling_batch"].item(), rtol=1e-6)


def test_intensity_scale_of_the_reference_run() -> None:
    assert intensity_scale(1e5, 64) == pytest.approx(9.88211727, abs=1e-6)
    assert intensity_scale(1e9, 64) == pytest.approx(988.2118, abs=1e-4)


def test_input_scale_of_the_real_scan(run1084_dir: Path) -> None:
    dataset = read_dataset(run1084_dir / "run1084_train.npz")
    k = dataset_input_scale(dataset)
    normalised = k * dataset.diffraction(slice(None)).astype(np.float64)
    assert np.square(normalised).sum(axis=(1, 2)).mean() == pytest.approx(32**2, rel=1e-6)


def test_input_scale_counts_a_pattern_as_often_as_it_is_named() -> None:
    frames = np.ones((3, 8, 8), np.float32) * np.array([1, 2, 3], np.float32)[:, None, None]
    dataset = Dataset("s", None, ArrayFrames(frames), np.zeros((3, 2)), np.ones((1, 8, 8), np.complex64))
    assert dataset_input_scale(dataset, np.array([[0, 0], [0, 2]])) == pytest.approx(4 / np.sqrt(64 * (3 + 9) / 4))
    assert dataset_input_scale(dataset, np.array([], int)) == 1.0


def test_patterns_without_light_keep_their_scale() -> None:
    assert input_scale(mean_total([np.zeros((2, 8, 8), np.float32)]), 8) == 1.0


def test_large_counts_do_not_overflow() -> None:
    assert mean_total([np.full((1, 64, 64), 1e19, np.float32)]) == pytest.approx(4096e38, rel=1e-6)


def test_probe_mask_and_normalisation_are_upstreams(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "normalisation.npz")
    np.testing.assert_allclose(soft_disk(64), golden["mask64"], atol=1e-6)
    np.testing.assert_array_equal(soft_disk(16, sigma=0), golden["mask16_sigma0"])
    probe = golden["probe"]
    q = probe_normalisation(probe, 4.0)
    np.testing.assert_allclose(q, golden["probe_norm_factor"], rtol=1e-5)
    np.testing.assert_allclose(q * probe, golden["probe_norm"], rtol=1e-5)
    masked = probe_normalisation(probe, 4.0, golden["mask64"])
    np.testing.assert_allclose(masked, golden["probe_norm_factor_masked"], rtol=1e-5)
