"""The phase ramp of a whole canvas, found from the patterns."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ptycho_engine import inference_ramp
from ptycho_engine.arrays import FloatArray, PositionArray
from ptycho_engine.config import InferConfig, ModelConfig, TrainConfig
from ptycho_engine.documents import Canvas
from ptycho_engine.events import InferenceCompleted, MessageLogged, TrainingCompleted
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.inference import infer
from ptycho_engine.inference_ramp import PASSES, CanvasRamp
from ptycho_engine.training import train
from tests.helpers.tiny_scan import N, tiny_scan

MODEL = ModelConfig(n=N, gridsize=1, probe_scale=4.0)
COUNT = 12


def true_canvas(slope: tuple[float, float] = (0.0, 0.0), level: float = 1.0) -> Canvas:
    """Return the true object, with a ramp taken off it in numpy, as a canvas."""
    scan = tiny_scan(COUNT)
    assert scan.object_ is not None
    rows, columns = np.indices(scan.object_.shape)
    object_ = level * scan.object_ * np.exp(-1j * (slope[0] * rows + slope[1] * columns))
    weight = np.ones(object_.shape, np.float32)
    return Canvas(object_.astype(np.complex64), weight, (0, 0), scan.scan_positions, N, N // 2)


def patterns(n_photons: float = 1e7, factor: float = 1.7) -> tuple[FloatArray, PositionArray]:
    scan = tiny_scan(COUNT, 0, n_photons)
    measured = np.asarray(scan.diffraction(np.arange(COUNT)), np.float32) * np.float32(factor)
    return measured[:, None], scan.scan_positions[:, None]


def fit(
    canvas: Canvas, measured: FloatArray, positions: PositionArray, probe: torch.Tensor | None = None
) -> NDArray[np.float64]:
    found = CanvasRamp(torch.tensor(tiny_scan().probe) if probe is None else probe, MODEL, len(measured))
    for first in range(0, len(measured), 5):
        found.take(torch.from_numpy(measured[first : first + 5]), positions[first : first + 5])
    return list(found.fit(canvas))[-1]


@pytest.mark.parametrize("slope", [(0.01, 0.0), (0.0, -0.01), (0.004, 0.007), (-0.03, 0.02)])
def test_a_ramp_that_was_taken_off_is_found(slope: tuple[float, float]) -> None:
    found = fit(true_canvas(slope), *patterns())
    # Between pixels the canvas is read bilinearly, the patterns were not.
    np.testing.assert_allclose(found, slope, atol=4e-4)


def test_a_ramp_is_found_whatever_the_level_of_the_object() -> None:
    usual, bright = (fit(true_canvas((0.01, -0.02), level), *patterns(1e5)) for level in (1.0, 3.0))
    np.testing.assert_allclose(bright, usual, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("n_photons", [1e3, 1e5])
def test_noise_hardly_bends_the_truth(n_photons: float) -> None:
    # 12 patterns: the noise of the slope is about 2 / (width of the light * sqrt(photons)) for each.
    assert np.abs(fit(true_canvas(), *patterns(n_photons))).max() < 4 / (9.0 * np.sqrt(12 * n_photons)) + 4e-4


def test_modes_that_add_incoherently_are_each_turned() -> None:
    probe = np.concatenate([tiny_scan().probe, 0.5 * np.roll(tiny_scan().probe, 3, axis=-1)])
    slope = (0.02, -0.01)
    scan = tiny_scan(COUNT)
    assert scan.object_ is not None
    whole = np.round(scan.scan_positions)
    measured = []
    for y, x in whole.astype(int):
        waves = probe * scan.object_[y - N // 2 : y + N // 2, x - N // 2 : x + N // 2]
        shown = np.square(np.abs(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(-2, -1)))).sum(axis=0)
        measured.append(np.sqrt(shown).astype(np.float32))
    model = replace(MODEL, output="real_imag", forward_model="rectangular")
    found = CanvasRamp(torch.tensor(probe), model, COUNT)
    found.take(torch.from_numpy(np.stack(measured)[:, None]), whole[:, None])
    np.testing.assert_allclose(list(found.fit(true_canvas(slope)))[-1], slope, atol=1e-4)


def test_the_sample_is_even_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    slope = (0.01, -0.02)
    monkeypatch.setattr(inference_ramp, "SAMPLE_PATTERNS", 4)
    found = CanvasRamp(torch.tensor(tiny_scan().probe), MODEL, COUNT)
    measured, positions = patterns()
    for first in range(0, COUNT, 5):
        found.take(torch.from_numpy(measured[first : first + 5]), positions[first : first + 5])
    kept = found._positions.so_far
    np.testing.assert_array_equal(kept, positions[::3, 0])
    np.testing.assert_allclose(list(found.fit(true_canvas(slope)))[-1], slope, atol=1e-3)


def test_what_is_not_finite_or_dark_has_no_ramp() -> None:
    canvas = true_canvas()
    for nothing in (np.nan, 0.0):
        blank = replace(canvas, object_=np.full_like(canvas.object_, nothing))
        assert not fit(blank, *patterns(1e5)).any()
    assert not fit(canvas, *patterns(1e5), torch.zeros(1, N, N, dtype=torch.complex64)).any()
    assert not fit(canvas, np.zeros((COUNT, 1, N, N), np.float32), patterns()[1]).any()
    assert not list(CanvasRamp(torch.tensor(tiny_scan().probe), MODEL, 0).fit(canvas))[-1].any()


def test_light_beside_the_canvas_does_not_count() -> None:
    """Half of the canvas is cut off: positions whose light falls there would ask for a slope of their own."""
    canvas = true_canvas((0.01, -0.02))
    weight = canvas.weight.copy()
    weight[:, : canvas.object_.shape[1] // 2] = 0.0
    cut = replace(canvas, weight=weight, object_=np.where(weight > 0, canvas.object_, 0).astype(np.complex64))
    found = CanvasRamp(torch.tensor(tiny_scan().probe), MODEL, COUNT)
    lit = found._lit(weight > 0, (0, 0), tiny_scan(COUNT).scan_positions)
    assert 0 < np.count_nonzero(lit > 0.9) < COUNT
    np.testing.assert_allclose(fit(cut, *patterns()), (0.01, -0.02), atol=2e-3)


def test_an_inference_takes_up_the_ramp_or_says_why_not() -> None:
    config = TrainConfig(gridsize=1, n_groups=4, batch_size=2, epochs=1, n_filters_scale=1, seed=3, accelerator="cpu")
    scan = tiny_scan()
    completed = list(train(scan, config))[-1]
    assert isinstance(completed, TrainingCompleted)
    shifted = np.roll(np.asarray(scan.diffraction(np.arange(scan.n_scan)), np.float32), 3, axis=1)
    beside = replace(scan, frames=ArrayFrames(shifted))

    def run(one: object, *, fit_ramp: bool) -> tuple[list[MessageLogged], Canvas]:
        events = list(infer(one, completed.bundle, InferConfig(accelerator="cpu", fit_ramp=fit_ramp)))  # type: ignore[arg-type]
        last = events[-1]
        assert isinstance(last, InferenceCompleted)
        return [one for one in events if isinstance(one, MessageLogged)], last.canvas

    told, fitted = run(scan, fit_ramp=True)
    (words,) = [one.text for one in told if "phase ramp of" in one.text]
    slope = [float(word) for word in re.findall(r"(\S+) rad/px", words)]
    silent, left = run(scan, fit_ramp=False)
    assert not any("phase ramp of" in one.text for one in silent)
    np.testing.assert_allclose(np.abs(fitted.object_), np.abs(left.object_), rtol=1e-4, atol=1e-6)
    turn = np.where(left.covered, fitted.object_ * left.object_.conj(), np.nan)
    for axis in (0, 1):
        steps = np.moveaxis(turn, axis, 0)
        rises = np.angle(steps[1:] * steps[:-1].conj())
        np.testing.assert_allclose(rises[np.isfinite(rises)], slope[axis], rtol=0.06, atol=2e-6)
    assert np.abs(slope).max() > 1e-4
    warned, untouched = run(beside, fit_ramp=True)
    assert [one.level for one in warned if "is their centre right?" in one.text] == ["warning"]
    np.testing.assert_array_equal(untouched.object_, run(beside, fit_ramp=False)[1].object_)


def test_groups_that_are_drawn_again_are_not_kept_twice() -> None:
    measured, positions = patterns()
    found = CanvasRamp(torch.tensor(tiny_scan().probe), MODEL, COUNT)
    for _ in range(3):
        found.take(torch.from_numpy(measured), positions)
    assert found._n_kept == COUNT
    assert np.array_equal(found._measured[:COUNT], measured[:, 0])
    assert len(found._positions.so_far) == COUNT


def test_the_time_of_the_fit_is_told_from_one_piece_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_ramp, "_PIECE", 4)
    found = CanvasRamp(torch.tensor(tiny_scan().probe), MODEL, COUNT)
    measured, positions = patterns()
    ticks = iter([10.0, 10.5])
    for first, expected in ((0, 0.0), (3, PASSES * 0.5 * -(-COUNT // 4)), (6, PASSES * 0.5 * -(-COUNT // 4))):
        found.take(torch.from_numpy(measured[first : first + 3]), positions[first : first + 3])
        assert found.seconds_of_fit(lambda: next(ticks)) == expected
