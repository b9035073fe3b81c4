"""Inference with networks that read counts: at the statistics of their training; the factors of both parts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import poisson

from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.identify import Records, identify
from ptycho_engine.config import InferConfig, TrainConfig
from ptycho_engine.documents import Bundle, CountStatistics, Dataset
from ptycho_engine.errors import BundleError, ConfigError, DatasetError, EngineError
from ptycho_engine.events import (
    EngineEvent,
    InferenceCompleted,
    MessageLogged,
)
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.inference import infer
from ptycho_engine.inference_job import prepare_inference
from ptycho_engine.models.losses import count_loss
from ptycho_engine.models.pinn import build_model
from ptycho_engine.prediction import predict_amplitude, predict_intensity
from ptycho_engine.training_files import bundle_of
from tests.helpers.counted import TINY, counted_scan, fields, job_of
from tests.helpers.tiny_scan import tiny_scan

CPU = torch.device("cpu")
INFER = InferConfig(accelerator="cpu", n_groups=6, batch_size=4, preview_interval_s=3600.0)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return counted_scan(tmp_path_factory.mktemp("scan"))


@pytest.fixture(scope="module")
def bundle(scan: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network at a random start, its two parts at different levels, saved and read again."""
    fresh = bundle_of(job_of(scan, replace(TINY, recipe="upstream", n_filters_scale=1)), best=True)
    state = dict(fresh.state)
    for name, factor in (("s1", 1.5), ("s2", 2.5)):
        key = f"model.forward_model.rect_scaler.{name}"
        state[key] = np.float32(factor) * state[key]
    path = tmp_path_factory.mktemp("bundle") / "wts.h5.zip"
    save_bundle(replace(fresh, state=state), path)
    return read_bundle(path)


def _of(events: list[EngineEvent], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_inference_reads_counts_as_in_the_training(scan: Dataset, bundle: Bundle) -> None:
    job = prepare_inference(scan, bundle, INFER, CPU)
    assert bundle.count_statistics is not None
    first = next(job.predictions())
    indices = job.batches.grouping.group_indices[first.groups]
    images = torch.from_numpy(
        scan.counts(indices.ravel())[:, None] * np.float32(bundle.count_statistics.rms_input_scale)
    )
    with torch.inference_mode():
        drawn = build_model(bundle)(images).numpy()
    s1, s2 = (bundle.state[f"model.forward_model.rect_scaler.{name}"] for name in ("s1", "s2"))
    np.testing.assert_allclose(first.patches, s1 * drawn.real + 1j * s2 * drawn.imag, rtol=1e-5, atol=1e-5)
    rate = np.square(np.abs(fields(first.patches[:, 0], scan.probe))).sum(axis=1)
    amplitude = job.predicted_amplitude(first.patches, first.groups)
    assert amplitude is not None
    predicted = np.square(amplitude[:, 0].astype(np.float64) * bundle.intensity_scale)
    np.testing.assert_allclose(predicted, rate, rtol=1e-3, atol=1e-4 * rate.max())


def test_another_exposure_keeps_the_statistics_and_is_told(scan: Dataset, bundle: Bundle) -> None:
    dim = replace(scan, frames=ArrayFrames(scan.counts(slice(None)) // 5))
    assert bundle.count_statistics is not None
    assert prepare_inference(dim, bundle, INFER, CPU).level.input_scale == bundle.count_statistics.rms_input_scale
    warnings = [event.text for event in infer(dim, bundle, INFER) if isinstance(event, MessageLogged)]
    assert any("times the counts of the training" in text for text in warnings)
    usual = [event for event in infer(scan, bundle, INFER) if isinstance(event, MessageLogged)]
    assert all(event.level == "info" for event in usual)


@pytest.mark.parametrize("ramp", [False, True])
def test_varpro_minimises_over_all_inferred_patterns(scan: Dataset, bundle: Bundle, ramp: bool, tmp_path: Path) -> None:
    """Factors by brute force in numpy; the canvas is the one without them, its parts multiplied."""
    patches = np.concatenate([one.patches[:, 0] for one in prepare_inference(scan, bundle, INFER, CPU).predictions()])
    job = prepare_inference(scan, bundle, INFER, CPU)
    counts = scan.counts(job.batches.grouping.group_indices[:, 0]).astype(np.float64)
    real, imaginary = fields(patches.real, scan.probe), fields(1j * patches.imag, scan.probe)

    def left(s: NDArray[Any]) -> float:
        rate = np.square(np.abs(s[0] * real + s[1] * imaginary)).sum(axis=1)
        return float(np.sum(np.square(rate - counts)) / np.sum(np.square(counts)))

    best = min((minimize(left, start, options={"gtol": 1e-9}) for start in ((1, 1), (1, -1))), key=lambda one: one.fun)
    config = replace(INFER, fit_ramp=ramp)
    plain = _of(list(infer(scan, bundle, config)), InferenceCompleted)[0].canvas
    solved = _of(list(infer(scan, bundle, replace(config, varpro=True), out=tmp_path)), InferenceCompleted)[0].canvas
    told = json.loads((tmp_path / "metrics.json").read_text())["varpro"]
    s1, s2 = told["s1"], told["s2"]
    np.testing.assert_allclose((s1, s2), best.x * np.sign(best.x[0]), rtol=1e-3)
    assert told["misfit"] == pytest.approx(np.sqrt(best.fun), rel=1e-4)
    assert told["misfit_before"] == pytest.approx(np.sqrt(left(np.ones(2))), rel=1e-4)
    expected = s1 * plain.object_.real + 1j * s2 * plain.object_.imag
    if ramp:  # the canvas is turned after the factors, so the parts mix
        assert not np.allclose(solved.object_, plain.object_, atol=1e-3)
    else:
        np.testing.assert_allclose(solved.object_, expected, rtol=1e-5, atol=1e-5)


def test_varpro_of_amplitudes_compares_intensities_of_one_level() -> None:
    """A network of amplitudes whose patches are half as bright as they should be is brought to the data."""
    dataset = tiny_scan(8)
    config = TrainConfig(gridsize=1, n_groups=8, batch_size=4, epochs=1, n_filters_scale=1, accelerator="cpu")
    job = job_of(dataset, config)
    half = bundle_of(job, best=True)
    state = dict(half.state)
    state["model.autoencoder.output_scale"] = 0.5 * state["model.autoencoder.output_scale"]
    whole, dim = (
        _of(list(infer(dataset, one, replace(INFER, varpro=True))), InferenceCompleted)[0].canvas
        for one in (half, replace(half, state=state))
    )
    np.testing.assert_allclose(dim.object_, whole.object_, rtol=1e-3, atol=1e-3)


def test_amplitudes_are_converted_where_the_photons_are_known(bundle: Bundle) -> None:
    """Set by a person, the factor is kept in the bundle and applied again to a scan in the same units."""
    amplitudes = tiny_scan(16)
    set_by_hand = job_of(replace(amplitudes, n_photons=None), replace(TINY, n_photons=2e5))
    from_file = job_of(amplitudes)
    assert set_by_hand.scans.first.n_photons == pytest.approx(2e5, rel=1e-6)
    assert from_file.scans.first.n_photons == pytest.approx(1e5, rel=1e-6)
    trained = bundle_of(set_by_hand, best=True)
    again = prepare_inference(replace(amplitudes, n_photons=None), trained, INFER, CPU)
    np.testing.assert_array_equal(again.dataset.probe, set_by_hand.dataset.probe)
    with pytest.raises(DatasetError, match="without a count scale"):
        prepare_inference(replace(amplitudes, n_photons=None), bundle, INFER, CPU)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"compatibility": "2026-07"}, "stitched no networks that read counts"),
        ({"compatibility": "2025-11", "varpro": True}, "without factors"),
    ],
)
def test_older_releases_are_not_imitated_with_counts(
    scan: Dataset, bundle: Bundle, setting: dict[str, Any], words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        prepare_inference(scan, bundle, replace(INFER, **setting), CPU)


def test_refinement_of_modes_that_add_incoherently_is_refused(scan: Dataset, bundle: Bundle) -> None:
    modes = replace(scan, probe=np.concatenate([scan.probe, 0.5 * scan.probe]).astype(np.complex64))
    with pytest.raises(ConfigError, match="2 modes that add incoherently"):
        list(infer(modes, bundle, replace(INFER, refine=1)))
    refined = _of(list(infer(scan, bundle, replace(INFER, refine=1))), InferenceCompleted)[0]
    assert np.isfinite(refined.canvas.object_).all()


def test_a_bundle_without_its_statistics_is_refused(scan: Dataset, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="does not hold the statistics"):
        prepare_inference(scan, replace(bundle, count_statistics=None), INFER, CPU)


def test_statistics_and_contradictions_of_records_are_read(bundle: Bundle, tmp_path: Path) -> None:
    brought: dict[str, Any] = {
        "data_config": {"scale_contract_version": "legacy_v1", "measurement_domain": "count_intensity"},
        "model_config": {"physics_forward_mode": "rectangular_scaled"},
        "ci_statistics": {"rms_input_scale": [0.5, 0.25], "mean_measured_intensity": [3.0, 4.0]},
    }
    save_bundle(replace(bundle, count_statistics=None, provenance={"upstream_records": brought}), tmp_path / "two.zip")
    two = read_bundle(tmp_path / "two.zip")
    assert two.count_statistics == CountStatistics(0.5, 3.0)
    assert any("recorded for 2 datasets" in note for note in two.notes)
    save_bundle(two, tmp_path / "again.zip")
    assert (
        read_bundle(tmp_path / "again.zip").provenance["upstream_records"]["ci_statistics"] == brought["ci_statistics"]
    )
    with pytest.raises(BundleError, match=r"contradict each other.*legacy_v1.*count_intensity"):
        identify(bundle.state, Records({}, brought), None, [])
    inert = {"data_config": brought["data_config"], "model_config": {"physics_forward_mode": "amplitude"}}
    assert identify(bundle.state, Records({}, inert), None, []).model.forward_model == "amplitude"


def test_the_reference_bundle_is_of_normalised_amplitudes(golden_dir: Path) -> None:
    """Its loss was recorded as NaN: upstream refused counts that are no whole numbers, so there is none to compare."""
    folder = golden_dir / "ci_rect_realimag_gs2_untrained"
    assert read_bundle(folder / "wts.h5.zip").model.forward_model == "rectangular"
    with np.load(folder / "model_io.npz") as io:
        assert np.isnan(io["loss"])
        # What its intensities would cost as counts, against scipy.
        rate, counts = io["pred"].astype(np.float64), np.rint(5 * io["images"])
        logarithm = np.asarray(poisson.logpmf(counts.astype(np.int64), np.maximum(rate, 1e-8)))
        found = count_loss(torch.from_numpy(io["pred"]), torch.from_numpy(counts), float(counts.mean()))
    assert found.item() == pytest.approx(-logarithm.sum(axis=(1, 2, 3)).mean() / float(counts.mean()), rel=1e-9)


def test_a_notebook_gets_counts_of_a_network_that_reads_them(scan: Dataset, bundle: Bundle) -> None:
    model = build_model(bundle)
    assert bundle.count_statistics is not None
    counts = scan.counts(slice(0, 2))[:, None]
    with torch.inference_mode():
        patches = model(torch.from_numpy(counts * np.float32(bundle.count_statistics.rms_input_scale)))
    found = predict_intensity(model, patches, np.zeros((2, 1, 2)), scan.probe)
    s1, s2 = (bundle.state[f"model.forward_model.rect_scaler.{name}"] for name in ("s1", "s2"))
    drawn = patches.numpy()[:, 0]
    expected = np.square(np.abs(fields(s1 * drawn.real + 1j * s2 * drawn.imag, scan.probe))).sum(axis=1)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4, atol=1e-5 * expected.max())
    with pytest.raises(ConfigError, match="predicts intensities"):
        predict_amplitude(model, patches, np.zeros((2, 1, 2)), scan.probe)


@pytest.mark.parametrize("kind", ["amplitude", "counts"])
def test_varpro_of_amplitude_and_phase_is_warned_of(scan: Dataset, bundle: Bundle, kind: str) -> None:
    amplitudes = tiny_scan(8)
    one, dataset = (bundle, scan)
    if kind == "amplitude":
        config = TrainConfig(gridsize=1, n_groups=8, batch_size=4, epochs=1, n_filters_scale=1, accelerator="cpu")
        one, dataset = bundle_of(job_of(amplitudes, config), best=True), amplitudes
    told = [
        event.text for event in infer(dataset, one, replace(INFER, varpro=True)) if isinstance(event, MessageLogged)
    ]
    assert any("draws amplitude and phase" in text for text in told) == (kind == "amplitude")
