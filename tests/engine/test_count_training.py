"""Training on counts: what is frozen, compared, refused, and found again in the bundle."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles.torch_file import read_torch_file
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.errors import BundleError, ConfigError, DatasetError
from ptycho_engine.events import (
    EngineEvent,
    EpochDone,
    PatchPreview,
    TrainingCompleted,
    ValidationMeasured,
)
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.models.pinn import state_of
from ptycho_engine.training import train
from ptycho_engine.training_files import bundle_of
from tests.helpers.counted import TINY, counted_scan, fields, job_of
from tests.helpers.tiny_scan import tiny_scan


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return counted_scan(tmp_path_factory.mktemp("scan"))


@pytest.fixture(scope="module")
def run(scan: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[EngineEvent]]:
    folder = tmp_path_factory.mktemp("run")
    return folder, list(train(scan, TINY, out=folder))


@pytest.fixture(scope="module")
def bundle(run: tuple[Path, list[EngineEvent]]) -> Bundle:
    return read_bundle(run[0] / "wts.h5.zip")


def _of(events: list[EngineEvent], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_the_loss_falls_and_the_factors_move(run: tuple[Path, list[EngineEvent]], bundle: Bundle) -> None:
    losses = [event.train_loss for event in _of(run[1], EpochDone)]
    assert losses[-1] < 0.8 * losses[0]
    s1, s2 = (float(bundle.state[f"model.forward_model.rect_scaler.{name}"][0]) for name in ("s1", "s2"))
    # Both began at the level of the data, 1/0.6 of a transparent object.
    assert s1 != s2
    assert (s1, s2) == pytest.approx((1 / 0.6, 1 / 0.6), rel=0.25)


def test_the_start_predicts_the_total_of_the_counts(scan: Dataset) -> None:
    job = job_of(scan)
    batch = job.batches.batch(job.batches.all_groups())
    _, predicted = job.trainer.predict(batch)
    ratio = float(predicted.square().sum()) / float(job.trainer.profile.measured_amplitude(batch.images).square().sum())
    assert ratio == pytest.approx(1.0, rel=1e-3)


def test_statistics_are_those_of_the_training_patterns_alone(
    scan: Dataset, run: tuple[Path, list[EngineEvent]], bundle: Bundle
) -> None:
    used = job_of(scan).batches.grouping.group_indices.ravel()
    assert len(np.unique(used)) < scan.n_scan
    counts = np.load(str(scan.path))["diff3d"][used].astype(np.float64)
    rms = 32 / np.sqrt(np.square(counts).sum(axis=(1, 2)).mean())
    assert bundle.count_statistics is not None
    assert bundle.count_statistics.rms_input_scale == pytest.approx(rms, rel=1e-12)
    assert bundle.count_statistics.mean_measured_intensity == pytest.approx(counts.mean(), rel=1e-12)
    assert bundle.n_photons == pytest.approx(counts.sum(axis=(1, 2)).mean(), rel=1e-12)
    assert bundle.intensity_scale == pytest.approx(np.sqrt(counts.sum(axis=(1, 2)).mean()) / 32, rel=1e-12)
    assert _of(run[1], TrainingCompleted)[0].bundle.count_statistics == bundle.count_statistics


def test_the_records_are_upstreams(run: tuple[Path, list[EngineEvent]]) -> None:
    with zipfile.ZipFile(run[0] / "wts.h5.zip") as archive:
        records: Any = read_torch_file(archive.read("torch_scaling_metadata.pt"), member="", notes=[])
    assert records["data_config"]["scale_contract_version"] == "ci_intensity_v2"
    assert records["data_config"]["measurement_domain"] == "count_intensity"
    said = {
        "physics_forward_mode": "rectangular_scaled",
        "cnn_output_mode": "real_imag",
        "rect_s1s2_trainable": True,
        "rect_s1s2_init": "data",
        "amplitude_physics_gain": 1.0,
        "loss_function": "Poisson",
    }
    assert {key: records["model_config"][key] for key in said} == said
    statistics = records["ci_statistics"]
    assert [(name, len(values), type(values[0])) for name, values in statistics.items()] == [
        ("rms_input_scale", 1, float),
        ("mean_measured_intensity", 1, float),
    ]


def test_a_test_scan_is_read_with_the_statistics_of_the_training(scan: Dataset) -> None:
    brighter = replace(scan, frames=ArrayFrames(3 * scan.counts(slice(0, 6))), scan_positions=scan.scan_positions[:6])
    job = job_of(scan, test_dataset=brighter)
    statistics, validation = job.scans.first.scene.statistics, job.validation
    assert statistics is not None
    assert validation is not None
    batch = validation.batches.batch(validation.batches.all_groups())
    indices = validation.batches.grouping.group_indices[:, 0]
    expected = brighter.counts(indices).astype(np.float64) * statistics.rms_input_scale
    np.testing.assert_allclose(batch.images[:, 0], expected, rtol=1e-6)
    list(validation.run(job.trainer))
    _, amplitude = job.trainer.predict(batch)  # the test scan has the probe of the training
    rate = np.square(amplitude.numpy().astype(np.float64) * job.intensity_scale)
    logarithm = np.asarray(poisson.logpmf(np.rint(brighter.counts(indices)[:, None]).astype(np.int64), rate))
    mean = -logarithm.sum(axis=(1, 2, 3)).mean() / statistics.mean_measured_intensity
    assert validation.loss == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("recipe", ["reliable", "compatible"])
def test_figures_of_the_fit_are_those_of_counts(scan: Dataset, recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-factor of the roots, deviance of the counts: written out in numpy from predicted intensities."""
    job = job_of(scan, replace(TINY, recipe=recipe))
    intensities = []
    kept = job.trainer.profile.predict

    def predict(*given: Any) -> torch.Tensor:
        intensities.append(kept(*given))
        return intensities[-1]

    monkeypatch.setattr(job.trainer.profile, "predict", predict)
    shape, fit = job.sample.measure(job.trainer)
    rate = torch.cat(intensities).flatten(0, 1).double().numpy()
    members = np.concatenate([job.batches.grouping.group_indices[place].ravel() for place in job.sample.places])
    counts = scan.counts(members).astype(np.float64)
    assert rate.shape == counts.shape
    distance = np.abs(np.sqrt(rate) - np.sqrt(counts)).sum() / np.sqrt(counts).sum()
    assert fit.r_factor == pytest.approx(distance, rel=1e-4)
    surprise = np.where(counts > 0, counts * np.log(np.where(counts > 0, counts, 1) / rate), 0)
    assert fit.poisson_deviance == pytest.approx(np.mean(2 * (rate - counts + surprise)), rel=1e-4)
    assert shape.energy_ratio == pytest.approx(rate.sum() / counts.sum(), rel=1e-4)
    # The object that is judged is that of the factors, not what the heads draw.
    assert shape.mean_amplitude == pytest.approx(1.0, rel=0.2)
    assert shape.in_trough == 0


def test_an_empty_pattern_of_several_modes_adds_intensities(scan: Dataset) -> None:
    modes = np.concatenate([scan.probe, scan.probe * np.linspace(-1, 1, 64, dtype=np.float32)[:, None]])
    sample = job_of(replace(scan, probe=modes.astype(np.complex64))).sample
    expected = np.sqrt(np.square(np.abs(fields(np.ones((1, 64, 64)), modes)))[0].sum(axis=0))
    np.testing.assert_allclose(sample.empty, expected, rtol=1e-4, atol=1e-4 * expected.max())
    coherent = job_of(replace(scan, probe=modes.astype(np.complex64)), replace(TINY, profile="amplitude")).sample
    assert np.abs(coherent.empty - expected).max() > 0.1 * expected.max()


def test_previews_are_roots_of_counts_at_the_level_of_amplitudes(
    scan: Dataset, run: tuple[Path, list[EngineEvent]], bundle: Bundle
) -> None:
    shown = _of(run[1], PatchPreview)[-1]
    assert shown.network_per_physical == 1.0
    photons = np.square(shown.measured.astype(np.float64) * shown.intensity_scale)
    np.testing.assert_allclose(photons, scan.counts(shown.frame_indices), rtol=1e-4, atol=1e-3)
    rate = np.square(np.abs(fields(shown.patches, scan.probe))).sum(axis=1)
    predicted = np.square(shown.predicted.astype(np.float64) * shown.intensity_scale)
    np.testing.assert_allclose(predicted, rate, rtol=1e-3, atol=1e-4 * rate.max())


def test_a_resumed_training_goes_on_as_if_nothing_had_happened(scan: Dataset, tmp_path: Path) -> None:
    config = replace(TINY, epochs=2, n_groups=8)
    whole = _of(list(train(scan, config)), TrainingCompleted)[0]
    events = train(scan, config, out=tmp_path)
    for event in events:
        if getattr(event, "step", -1) == 3:
            break
    events.close()
    resumed = _of(list(train(scan, config, out=tmp_path, resume=True)), TrainingCompleted)[0]
    for name, tensor in whole.bundle.state.items():
        np.testing.assert_array_equal(resumed.bundle.state[name], tensor, err_msg=name)
    np.testing.assert_array_equal(resumed.history.train_losses, whole.history.train_losses)
    with pytest.raises(ConfigError, match="profile was count-intensity and is amplitude"):
        list(train(scan, replace(config, profile="amplitude"), out=tmp_path, resume=True))


def test_another_start_is_brought_to_the_level_of_the_data_too(scan: Dataset) -> None:
    job = job_of(scan)
    before = state_of(job.trainer.network)
    job.trainer.start_anew(99, [job.batches])
    after = state_of(job.trainer.network)
    scale = "model.forward_model.rect_scaler.s1"
    assert after[scale] == pytest.approx(before[scale], rel=0.05)
    first = next(iter(after))
    assert not np.array_equal(after[first], before[first])


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"loss": "mae"}, "the loss mae does not fit"), ({"architecture": "full_patch_cnn"}, "draws amplitude and phase")],
)
def test_settings_that_contradict_counts_are_refused(setting: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(TINY, **setting)  # type: ignore[arg-type]


def test_scans_that_are_no_counts_are_refused(scan: Dataset) -> None:
    with pytest.raises(DatasetError, match="amplitudes without a count scale"):
        list(train(replace(tiny_scan(), n_photons=None), TINY))
    spoiled = scan.counts(slice(None))
    spoiled[:, 0, 0] = -1
    with pytest.raises(DatasetError, match=r"no counts: pattern \d+ holds -1"):
        list(train(replace(scan, frames=ArrayFrames(spoiled)), TINY))
    with pytest.raises(DatasetError, match="no counts"):
        list(train(scan, TINY, test_dataset=replace(scan, frames=ArrayFrames(spoiled))))


def test_bundles_of_the_other_profile_are_no_start(scan: Dataset, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="predicts counts, and the training is for amplitudes"):
        job_of(scan, replace(TINY, profile="amplitude"), start_from=bundle)
    amplitudes = bundle_of(job_of(scan, replace(TINY, profile="amplitude")), best=True)
    with pytest.raises(BundleError, match="predicts amplitudes, and the training is for counts"):
        job_of(scan, start_from=amplitudes)
    # A start of its own keeps its factors.
    further = job_of(scan, start_from=bundle)
    scale = "model.forward_model.rect_scaler.s2"
    np.testing.assert_array_equal(state_of(further.trainer.network)[scale], bundle.state[scale])


def test_measured_figures_are_told(run: tuple[Path, list[EngineEvent]]) -> None:
    figures = [event.figures for event in _of(run[1], ValidationMeasured)]
    assert len(figures) == TINY.epochs
    assert figures[-1].r_factor < figures[0].r_factor
    assert all(np.isfinite(one.complex_correlation) for one in figures)


def test_several_scans_are_refused(scan: Dataset) -> None:
    with pytest.raises(ConfigError, match="trains on one scan, and there are 2"):
        list(train([scan, scan], TINY))
