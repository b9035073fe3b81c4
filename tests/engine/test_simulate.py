"""Simulated scans: counts, geometry, repeatability, and specimens worth looking at."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import ConfigError, DatasetError, InputError, OutputError
from ptycho_engine.events import FileWritten, Progressed
from ptycho_engine.formats import read_dataset
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.physics import simulate
from ptycho_engine.physics.forward import predict_amplitude
from ptycho_engine.physics.scaling import dataset_input_scale, mean_total
from ptycho_engine.physics.simulate import SimulateConfig, make_object, make_probe, scan_raster, simulate_scan
from ptycho_engine.physics.specimens import OBJECT_KINDS, PROBE_KINDS


def simulated(config: SimulateConfig, path: Path) -> Dataset:
    for _ in simulate_scan(config, path):
        pass
    return read_dataset(path)


def test_a_scan_has_the_photons_asked_for_and_room_for_every_patch(tmp_path: Path) -> None:
    dataset = simulated(SimulateConfig(n_scan=150, n_photons=2e4), tmp_path / "s.npz")
    assert (dataset.n_scan, dataset.n, dataset.measurement, dataset.n_photons) == (150, 64, "amplitude", 2e4)
    assert dataset.notes == ()
    assert dataset.object_ is not None
    assert (dataset.scan_positions - 32 >= 0).all()
    assert (dataset.scan_positions + 32 <= dataset.object_.shape).all()
    frames = dataset.diffraction(slice(None)).astype(np.float64)
    smallest = frames[frames > 0].min()  # the amplitude of a single photon
    counts = np.square(frames / smallest)
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-2)
    assert counts.sum(axis=(1, 2)).mean() == pytest.approx(2e4, rel=0.01)


def test_with_many_photons_the_patterns_are_what_the_forward_model_predicts(tmp_path: Path) -> None:
    dataset = simulated(SimulateConfig(n_scan=6, n_photons=1e12, object_kind="cells"), tmp_path / "s.npz")
    assert dataset.object_ is not None
    patches = extract_patches(dataset.object_, dataset.scan_positions, 64)
    predicted = predict_amplitude(
        torch.from_numpy(4 * patches)[:, None],
        torch.zeros(6, 1, 2),
        torch.from_numpy(dataset.probe.copy()),
        ModelConfig(64, 1),
    )[:, 0]
    measured = dataset.diffraction(slice(None))
    np.testing.assert_allclose(predicted, measured, atol=2e-4 * float(measured.max()))


def test_the_real_experiment_simulated_again(run1084_dir: Path, tmp_path: Path) -> None:
    config = SimulateConfig(from_file=str(run1084_dir / "run1084_experiment.npz"), n_photons=1e5)
    dataset = simulated(config, tmp_path / "s.npz")
    assert dataset.n_scan == 1087
    assert mean_total([dataset.diffraction(slice(None))]) == pytest.approx(1241.18, rel=1e-3)
    assert dataset_input_scale(dataset) == pytest.approx(0.9083, rel=1e-3)
    assert float(dataset.diffraction(slice(None)).max()) == pytest.approx(1.704, rel=0.02)


def test_the_same_settings_make_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulated(SimulateConfig(n_scan=20, seed=seed), tmp_path / f"{name}.npz")
    first, again, other = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_a_test_part_shares_the_specimen_but_no_position(tmp_path: Path) -> None:
    events = list(simulate_scan(SimulateConfig(n_scan=40, test_fraction=0.25), tmp_path / "scan.npz"))
    written = [event.path.name for event in events if isinstance(event, FileWritten)]
    assert written == ["scan_test.npz", "scan.npz"]
    assert isinstance(events[-1], FileWritten)
    train, test = read_dataset(tmp_path / "scan.npz"), read_dataset(tmp_path / "scan_test.npz")
    assert (train.n_scan, test.n_scan) == (30, 10)
    together = {tuple(position) for part in (train, test) for position in part.scan_positions}
    assert len(together) == 40
    np.testing.assert_array_equal(train.object_, test.object_)
    progress = [event.n_done for event in events if isinstance(event, Progressed)]
    assert progress == [10, 40]


def test_a_simulation_that_is_stopped_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "_BLOCK", 4)
    events = simulate_scan(SimulateConfig(n_scan=20), tmp_path / "s.npz")
    while not isinstance(next(events), Progressed):
        pass
    assert len(list(tmp_path.iterdir())) == 1
    events.close()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_simulated_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="object_kind"):
        SimulateConfig(object_kind="cats")
    with pytest.raises(DatasetError, match="no such file"):
        simulated(SimulateConfig(from_file=str(tmp_path / "missing.npz")), tmp_path / "s.npz")
    with pytest.raises(OutputError):
        simulated(SimulateConfig(n_scan=2), tmp_path / "no" / "folder.npz")
    with pytest.raises(InputError, match="split"):
        simulated(SimulateConfig(n_scan=1, test_fraction=0.25), tmp_path / "s.npz")


@pytest.mark.parametrize("kind", OBJECT_KINDS)
def test_specimens_have_contrast_at_every_scale(kind: str) -> None:
    object_ = make_object(kind, (160, 150), seed=3)
    assert object_.shape == (160, 150)
    assert object_.dtype == np.complex64
    amplitude, phase = np.abs(object_), np.angle(object_)
    assert 0.59 < amplitude.min() < 0.75
    assert amplitude.max() <= 1.0001
    assert 0.5 < phase.max() < 1.05
    assert phase.min() > -0.1
    assert phase.std() > 0.1
    spectrum = np.abs(np.fft.fft2(object_ - object_.mean())) ** 2
    radius = np.hypot(np.fft.fftfreq(160)[:, None], np.fft.fftfreq(150)[None, :])
    shares = [spectrum[(radius >= low) & (radius < high)].sum() for low, high in ((0, 0.05), (0.05, 0.1), (0.1, 0.3))]
    assert min(shares) > 0.01 * sum(shares)
    np.testing.assert_array_equal(object_, make_object(kind, (160, 150), seed=3))
    assert not np.array_equal(object_, make_object(kind, (160, 150), seed=4))


@pytest.mark.parametrize("kind", PROBE_KINDS)
@pytest.mark.parametrize("n", [64, 128])
def test_probes_are_centred_within_the_middle(kind: str, n: int) -> None:
    probe = make_probe(n, kind)
    assert probe.shape == (1, n, n)
    assert probe.dtype == np.complex64
    light = np.square(np.abs(probe[0]))
    assert light.sum() == pytest.approx((2 * n) ** 2, rel=1e-5)
    rows = np.arange(n)
    assert light.sum(axis=1) @ rows / light.sum() == pytest.approx(n / 2, abs=0.1)
    assert light.sum(axis=0) @ rows / light.sum() == pytest.approx(n / 2, abs=0.1)
    assert light[n // 4 : 3 * n // 4, n // 4 : 3 * n // 4].sum() > 0.9 * light.sum()


def test_names_of_no_specimen_and_no_probe_are_refused() -> None:
    with pytest.raises(ValueError, match="lines, shapes, cells"):
        make_object("cats", (10, 10), 0)
    with pytest.raises(ValueError, match="focused"):
        make_probe(64, "none")


def test_a_raster_goes_row_by_row_with_jitter() -> None:
    positions = scan_raster(10, 5.0, (40.0, 50.0), seed=0)
    nominal = np.stack(np.divmod(np.arange(10), 4), axis=1) * 5.0 + [40, 50]
    assert np.abs(positions - nominal).max() <= 1.51
    assert np.abs(positions - nominal).max() > 0.5
