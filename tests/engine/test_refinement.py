"""Refinement against an object that numpy alone has simulated."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_engine import batches, refinement_descent
from ptycho_engine.artefacts.reconstruction import read_reconstruction
from ptycho_engine.config import InferConfig, ModelConfig
from ptycho_engine.diagnostics.metrics import compare_with_object
from ptycho_engine.documents import Bundle, Canvas, Dataset
from ptycho_engine.errors import BundleError, ConfigError, DatasetError
from ptycho_engine.events import (
    CanvasUpdated,
    EngineEvent,
    InferenceCompleted,
    MisfitMeasured,
    Progressed,
    RefinementBegan,
)
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.inference import infer
from ptycho_engine.refinement import Refinement
from ptycho_engine.refinement_descent import Descent, proximal_amplitude, step_size
from ptycho_engine.refinement_field import ObjectField
from ptycho_engine.refinement_misfit import Misfit, noise_deviance
from ptycho_engine.refinement_task import prepare_refinement
from ptycho_engine.refinement_verb import refine_canvas
from ptycho_engine.runs.run_folder import read_run
from tests.engine.test_inference import _bundle
from tests.helpers.tiny_scan import tiny_scan

N, STEP, ACROSS = 64, 9, 7
SIDE = N + STEP * (ACROSS - 1) + 4
CONFIG = InferConfig(accelerator="cpu", refine=10, preview_interval_s=3600.0)
MODEL = ModelConfig(gridsize=1, architecture="full_patch_cnn")
BUNDLE = Bundle("made up", None, "2026-07", MODEL, {}, 9.88, "made up", input_scale=1.0)


def _probe(defocus: float = 0.0) -> NDArray[np.complex128]:
    """Return a speckled round probe, carried on by some defocus."""
    v, u = np.mgrid[:N, :N] - N / 2
    speckle = gaussian_filter(np.random.default_rng(3).standard_normal((N, N)), 2)
    probe = np.exp(-(u**2 + v**2) / (2 * 11.0**2)) * np.exp(16j * speckle)
    f = np.fft.fftfreq(N)
    return np.fft.ifft2(np.fft.fft2(probe) * np.exp(1j * defocus * (f[:, None] ** 2 + f[None, :] ** 2)))


@cache
def _scan(n_photons: float = 1e7, seed: int = 0) -> Dataset:
    """Return a scan of whole pixels, so that nothing of it depends on how patches are interpolated."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.standard_normal((2, SIDE, SIDE)), (0, 2, 2))
    texture /= texture.std()
    object_ = np.clip(0.8 + 0.12 * texture[0], 0.3, 1.1) * np.exp(0.6j * texture[1])
    grid = np.stack(np.meshgrid(np.arange(ACROSS), np.arange(ACROSS), indexing="ij"), axis=-1).reshape(-1, 2)
    corners = grid * STEP + rng.integers(0, 4, grid.shape)
    waves = [object_[row : row + N, column : column + N] * _probe() for row, column in corners]
    intensity = np.abs(np.fft.fftshift(np.fft.fft2(np.stack(waves), norm="ortho"), axes=(-2, -1))) ** 2
    per_unit = n_photons / intensity.sum(axis=(1, 2)).mean()
    amplitudes = np.sqrt(rng.poisson(intensity * per_unit) / per_unit)
    return Dataset(
        name="simulated",
        path=None,
        frames=ArrayFrames(amplitudes.astype(np.float32)),
        scan_positions=(corners + N // 2).astype(np.float64),
        probe=_probe()[None].astype(np.complex64),
        object_=object_.astype(np.complex64),
        n_photons=n_photons,
    )


def _canvas(dataset: Dataset, sigma: float = 4.0, times: float = 1.0, border: int = 16) -> Canvas:
    """Return what a poor network may draw: the object blurred, where the middles of the patches lie."""
    assert dataset.object_ is not None
    parts = [gaussian_filter(part, sigma) for part in (dataset.object_.real, dataset.object_.imag)]
    inside = slice(border, SIDE - border)
    drawn = (parts[0] + 1j * parts[1])[inside, inside].astype(np.complex64) * np.complex64(times)
    weight = np.ones(drawn.shape, np.float32)
    return Canvas(drawn, weight, (border, border), dataset.scan_positions, N, N // 2, scale="physical")


def _run(dataset: Dataset, canvas: Canvas, bundle: Bundle = BUNDLE, **settings: Any) -> list[EngineEvent]:
    return list(refine_canvas(dataset, bundle, canvas, replace(CONFIG, **settings)))


def _end(events: list[EngineEvent]) -> InferenceCompleted:
    assert isinstance(events[-1], InferenceCompleted)
    return events[-1]


def _misfits(events: list[EngineEvent]) -> list[MisfitMeasured]:
    return [event for event in events if isinstance(event, MisfitMeasured)]


def _complex(canvas: Canvas, dataset: Dataset) -> float:
    assert dataset.object_ is not None
    return compare_with_object(canvas, dataset.object_).complex_correlation


def test_ten_passes_bring_a_blurred_canvas_to_the_object() -> None:
    dataset = _scan()
    canvas = _canvas(dataset)
    events = _run(dataset, canvas)
    refined = _end(events).canvas
    assert _complex(canvas, dataset) < 0.93
    assert _complex(refined, dataset) > 0.995
    misfits = _misfits(events)
    assert [misfit.n_passes_done for misfit in misfits] == list(range(11))
    assert misfits[-1].r_factor < 0.1 * misfits[0].r_factor
    # Only noise is left: far from the start's thousands.
    assert misfits[0].deviance is not None
    assert misfits[-1].deviance is not None
    assert misfits[-1].noise_deviance is not None
    assert misfits[0].deviance > 100
    assert misfits[-1].deviance < 5 * misfits[-1].noise_deviance


def test_the_first_misfit_is_that_of_the_canvas_itself() -> None:
    dataset = _scan()
    canvas = _canvas(dataset, sigma=1.0, border=0)
    first = _misfits(_run(dataset, canvas, refine=1))[0]
    corners = (dataset.scan_positions - N // 2).astype(int)
    waves = np.stack([canvas.object_[row : row + N, column : column + N] for row, column in corners]) * dataset.probe[0]
    predicted = np.abs(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(-2, -1)))
    measured = dataset.diffraction(slice(None)).astype(np.float64)
    factor = np.sqrt(np.sum(measured**2) / np.sum(predicted**2))
    assert first.factor == pytest.approx(factor, rel=1e-4)
    assert first.r_factor == pytest.approx(np.abs(factor * predicted - measured).sum() / measured.sum(), rel=1e-4)
    photons = 1e7 / np.sum(measured**2, axis=(1, 2)).mean()
    counts, rates = measured**2 * photons, (factor * predicted) ** 2 * photons
    terms = np.where(counts > 0, counts * np.log(np.maximum(counts, 1e-30) / rates), 0) - counts + rates
    assert first.deviance == pytest.approx(2 * terms.mean(), rel=1e-3)


def test_a_wrong_factor_is_fitted_first() -> None:
    dataset = _scan()
    right, bright = (_run(dataset, _canvas(dataset, times=times), refine=3) for times in (1.0, 7.0))
    assert _misfits(right)[0].factor == pytest.approx(7 * _misfits(bright)[0].factor, rel=1e-4)
    np.testing.assert_allclose(_end(bright).canvas.object_, _end(right).canvas.object_, rtol=1e-2, atol=1e-3)
    amplitude = np.abs(_end(bright).canvas.object_).mean() / _end(bright).canvas.network_per_physical
    assert amplitude == pytest.approx(0.8, abs=0.05)


def test_the_canvas_keeps_the_direction_it_had() -> None:
    dataset = _scan()
    canvas = replace(_canvas(dataset), object_=_canvas(dataset).object_ * np.complex64(1j))
    refined = _end(_run(dataset, canvas, refine=3)).canvas
    assert np.angle(np.vdot(canvas.object_, refined.object_)) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("dark", [0.0, np.nan])
def test_a_dark_canvas_starts_flat(dark: float) -> None:
    dataset = _scan()
    canvas = _canvas(dataset)
    canvas = replace(canvas, object_=np.full_like(canvas.object_, dark))
    assert _complex(_end(_run(dataset, canvas, refine=20)).canvas, dataset) > 0.98


def test_few_photons_are_not_taken_for_structure() -> None:
    dataset = _scan(1e3)
    canvas = _canvas(dataset)
    refined = {passes: _end(_run(dataset, canvas, refine=passes)).canvas for passes in (5, 40)}
    assert _complex(canvas, dataset) + 0.01 < _complex(refined[5], dataset)
    assert _complex(refined[40], dataset) > _complex(refined[5], dataset) - 0.005


def test_a_good_network_s_slow_bend_of_the_phase_is_straightened() -> None:
    """The nearer a start is to the object, the more it is trusted: its bend must not be."""
    dataset = _scan(1e5)
    assert dataset.object_ is not None
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    bend = np.exp(1j * (1.2 * (rows**2 - columns**2) + 0.4 * rows))
    start = replace(_canvas(dataset), object_=(dataset.object_ * bend)[16:-16, 16:-16].astype(np.complex64))
    refined = _end(_run(dataset, start, refine=20)).canvas
    left = 1 - _complex(refined, dataset), 1 - _complex(start, dataset)
    assert left[0] < 0.5 * left[1]


@pytest.mark.parametrize("resident", [True, False])
def test_memory_does_not_change_the_result(resident: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = _scan()
    canvas = _canvas(dataset)
    expected = _end(_run(dataset, canvas, refine=3)).canvas.object_
    if not resident:
        monkeypatch.setattr(batches, "RESIDENT_FRACTION", 0.0)
    task = prepare_refinement(dataset, BUNDLE, canvas, replace(CONFIG, refine=3, batch_size=3), torch.device("cpu"))
    assert task.piece == 3
    assert task.batches.resident is resident
    small = _end(_run(dataset, canvas, refine=3, batch_size=3)).canvas.object_
    np.testing.assert_allclose(small, expected, rtol=1e-2, atol=1e-3)


def test_modes_add_coherently_and_the_mask_counts() -> None:
    dataset = _scan()
    canvas = _canvas(dataset)
    split = replace(dataset, probe=np.concatenate([0.25j * dataset.probe, (1 - 0.25j) * dataset.probe]))
    alone, together = (_end(_run(scan, canvas, refine=3)).canvas.object_ for scan in (dataset, split))
    np.testing.assert_allclose(together, alone, rtol=1e-2, atol=1e-3)
    masked = replace(BUNDLE, model=replace(MODEL, probe_mask=True))
    task = prepare_refinement(dataset, masked, canvas, CONFIG, torch.device("cpu"))
    assert abs(task.illumination[N // 2, 2]) < 1e-3 * abs(dataset.probe[0, N // 2, 2])


def test_a_defocused_probe_is_refined_with_the_object() -> None:
    dataset = _scan()
    canvas = _canvas(dataset)
    wrong = replace(dataset, probe=_probe(20.0)[None].astype(np.complex64))
    kept, refined = (_misfits(_run(wrong, canvas, refine=30, refine_probe=probe))[-1] for probe in (False, True))
    assert refined.r_factor < 0.4 * kept.r_factor
    task = prepare_refinement(wrong, BUNDLE, canvas, replace(CONFIG, refine=30, refine_probe=True), torch.device("cpu"))
    refinement = Refinement(task, canvas)
    for _ in refinement.run():
        pass
    probe = refinement.probe()
    assert probe is not None
    assert np.sum(np.abs(probe) ** 2) == pytest.approx(np.sum(np.abs(wrong.probe) ** 2), rel=1e-3)
    assert _complex(refinement.canvas(), dataset) > 0.98
    truth = _probe()
    before, after = (
        abs(np.vdot(truth, found)) / np.linalg.norm(truth) / np.linalg.norm(found) for found in (wrong.probe[0], probe)
    )
    assert before < 0.8 < 0.95 < after


def test_progress_is_told_between_pieces() -> None:
    dataset = _scan()
    events = _run(dataset, _canvas(dataset), refine=2, preview_interval_s=0.0)
    progress = [event for event in events if isinstance(event, Progressed)]
    counts = [event.n_done for event in progress]
    assert counts == sorted(counts)
    assert counts[-1] == progress[-1].n_total == 4 * dataset.n_scan
    assert max(np.diff(counts)) <= 16
    assert all(event.seconds_left is None or event.seconds_left >= 0 for event in progress)
    shown = [event for event in events if isinstance(event, CanvasUpdated)]
    assert len(shown) > 2
    assert not np.array_equal(shown[0].canvas.object_, shown[-1].canvas.object_)


def test_cancel_keeps_what_was_reached(tmp_path: Path) -> None:
    dataset = tiny_scan()
    config = replace(CONFIG, refine=1000, preview_interval_s=0.0)
    events = infer(dataset, _bundle(), config, out=tmp_path)
    drawn = next(event for event in events if isinstance(event, RefinementBegan)).network_canvas
    last = _after_misfit(events, 3)
    events.close()
    stored = read_reconstruction(tmp_path / "reconstruction.npz")
    assert stored.network_canvas is not None
    np.testing.assert_array_equal(stored.network_canvas.object_, drawn.object_)
    np.testing.assert_allclose(stored.canvas.object_, last.canvas.object_, rtol=1e-4, atol=1e-4)
    assert not np.array_equal(stored.canvas.object_, drawn.object_)
    assert read_run(tmp_path).state == "stopped"


def _after_misfit(events: Iterator[EngineEvent], n_passes: int) -> CanvasUpdated:
    for event in events:
        if isinstance(event, MisfitMeasured) and event.n_passes_done == n_passes:
            break
    return next(event for event in events if isinstance(event, CanvasUpdated))


def test_the_refined_probe_is_written_and_read(tmp_path: Path) -> None:
    dataset = tiny_scan()
    list(infer(dataset, _bundle(), replace(CONFIG, refine=2, refine_probe=True), out=tmp_path))
    stored = read_reconstruction(tmp_path / "reconstruction.npz")
    assert stored.refined_probe is not None
    likeness = np.vdot(dataset.probe[0], stored.refined_probe)
    assert abs(likeness) > 0.9 * np.linalg.norm(dataset.probe) * np.linalg.norm(stored.refined_probe)
    assert stored.network_canvas is not None


def test_inputs_that_do_not_fit_are_refused() -> None:
    dataset = _scan()
    canvas = _canvas(dataset)
    with pytest.raises(ConfigError, match="no passes"):
        _run(dataset, canvas, refine=0)
    with pytest.raises(ConfigError, match="2025-11"):
        _run(dataset, replace(canvas, mode="2025-11"))
    with pytest.raises(ConfigError, match="photon scale"):
        _run(dataset, replace(canvas, scale="photon"))
    with pytest.raises(BundleError, match="128 px"):
        _run(dataset, canvas, replace(BUNDLE, model=replace(MODEL, n=128)))
    with pytest.raises(DatasetError, match="probe is dark"):
        _run(replace(dataset, probe=np.zeros_like(dataset.probe)), canvas)
    with pytest.raises(ConfigError, match="Refine without"):
        list(infer(tiny_scan(), _bundle(), replace(CONFIG, compatibility="2026-07")))


def test_photons_are_read_from_whole_counts() -> None:
    dataset = _scan(1e3)
    measured = dataset.diffraction(slice(None)).astype(np.float64)
    counts = np.round(measured**2 * 1e3 / np.sum(measured**2, axis=(1, 2)).mean())
    counted = replace(dataset, frames=ArrayFrames(np.sqrt(counts).astype(np.float32)), n_photons=None)
    device, canvas = torch.device("cpu"), _canvas(dataset)
    bundle = replace(BUNDLE, n_photons=1e9)
    task = prepare_refinement(counted, bundle, canvas, CONFIG, device)
    assert task.photon_scale == pytest.approx(np.sqrt(counts.sum(axis=(1, 2)).mean()) / 32, rel=1e-4)
    scaled = replace(counted, frames=ArrayFrames((0.37 * np.sqrt(counts)).astype(np.float32)))
    assert prepare_refinement(scaled, bundle, canvas, CONFIG, device).photon_scale == pytest.approx(np.sqrt(1e9) / 32)
    assert prepare_refinement(scaled, BUNDLE, canvas, CONFIG, device).photon_scale is None


@pytest.mark.parametrize("rate", [1e-3, 0.05, 1.0, 7.0, 60.0])
def test_the_deviance_of_noise_is_that_of_drawn_counts(rate: float) -> None:
    counts = np.random.default_rng(0).poisson(rate, 2_000_000).astype(np.float64)
    terms = np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / rate), 0) - counts + rate
    assert float(noise_deviance(torch.tensor([rate]))[0]) == pytest.approx(2 * terms.mean(), rel=0.03)


def test_the_proximal_amplitude_minimises_what_it_says() -> None:
    tried = np.linspace(1e-4, 20, 2_000_000)
    for predicted, measured in ((3.0, 5.0), (5.0, 0.0), (0.01, 2.0), (4.0, 4.0)):
        weight = refinement_descent.PROXIMITY
        costs = tried**2 - measured**2 * np.log(tried**2) + weight * (tried - predicted) ** 2
        found = float(proximal_amplitude(torch.tensor(predicted), torch.tensor(measured)))
        assert found == pytest.approx(tried[np.argmin(costs)], abs=1e-3)


def test_spreading_is_the_adjoint_of_cutting() -> None:
    rng = np.random.default_rng(0)
    field = ObjectField(torch.randn(80, 90, 2, generator=torch.Generator().manual_seed(0)), (0, 0), (0, 0))
    places = field.places(rng.uniform(33, 46, (3, 2)), N)
    values = torch.randn(3, N, N, 2, generator=torch.Generator().manual_seed(1))
    sums = torch.zeros(80 * 90, 2)
    field.spread(values, places, sums)
    one = float((torch.view_as_real(field.cut(places)).double() * values.double()).sum())
    other = float((field.pixels.reshape(-1, 2).double() * sums.double()).sum())
    assert one == pytest.approx(other, rel=1e-4)


def test_the_step_is_held_and_then_falls() -> None:
    assert step_size(0.0) == step_size(0.5) == refinement_descent.FIRST_STEP
    assert step_size(1.0) == pytest.approx(refinement_descent.FIRST_STEP * refinement_descent.LAST_STEP)
    assert step_size(0.6) > step_size(0.8) > step_size(1.0)


def test_what_patterns_cannot_tell_is_taken_back_from_the_probe() -> None:
    dataset = _scan()
    canvas = _canvas(dataset)
    task = prepare_refinement(dataset, BUNDLE, canvas, CONFIG, torch.device("cpu"))
    field = ObjectField.around(canvas, dataset.scan_positions, N, 4.0, torch.device("cpu"))
    descent = Descent(task, field)
    v, u = np.mgrid[:N, :N]
    descent.illumination *= torch.from_numpy((1.7 * np.exp(1j * (0.4 + 0.05 * v - 0.03 * u))).astype(np.complex64))
    factors = []
    for _ in range(2):
        misfit = Misfit.of(task)
        for _ in descent.looked_at(task.batches.all_groups(), misfit):
            pass
        factors.append((misfit.r_factor, misfit.factor))
        descent.fix_probe()
    np.testing.assert_allclose(descent.illumination, task.illumination, atol=1e-4)
    # The object took all of it: the predicted patterns are the same.
    assert factors[0] == pytest.approx(factors[1], rel=1e-3)
    object_ = torch.view_as_complex(field.pixels)
    assert float(object_[50, 50].abs()) == pytest.approx(1.7 * 4.0 * abs(canvas.object_[34, 34]), rel=1e-3)
