"""The phase ramp of a whole canvas, found from the patterns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptycho_engine.arrays import ComplexArray, FloatArray
from ptycho_engine.config import InferConfig, ModelConfig, TrainConfig
from ptycho_engine.events import InferenceCompleted, MessageLogged, TrainingCompleted
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.canvas import extract_patches
from ptycho_engine.inference import infer
from ptycho_engine.physics import phase_ramp
from ptycho_engine.physics.phase_ramp import PhaseRamp
from ptycho_engine.training import train
from tests.helpers.tiny_scan import N, tiny_scan

MODEL = ModelConfig(n=N, gridsize=1, probe_scale=4.0)
K = 1.7


def ramp(slope: tuple[float, float]) -> ComplexArray:
    steps = np.arange(N) - N / 2
    return np.asarray(np.exp(1j * (slope[0] * steps[:, None] + slope[1] * steps)), np.complex64)


def drawn_and_measured(n_photons: float) -> tuple[ComplexArray, FloatArray]:
    """Return the true patches at network scale, and their noisy patterns times k."""
    scan = tiny_scan(12, 0, n_photons)
    assert scan.object_ is not None
    truth = extract_patches(scan.object_, scan.scan_positions, N) * np.float32(4.0 * K)
    return truth.astype(np.complex64), np.asarray(scan.diffraction(np.arange(12)), np.float32) * np.float32(K)


def fit(patches: ComplexArray, measured: FloatArray, batch: int = 5, model: ModelConfig = MODEL) -> FloatArray:
    found = PhaseRamp(torch.tensor(tiny_scan().probe), model, len(patches))
    for first in range(0, len(patches), batch):
        piece = torch.from_numpy(patches[first : first + batch, None])
        pattern = torch.from_numpy(measured[first : first + batch, None])
        found.take(piece, torch.zeros(len(piece), 1, 2), pattern)
    return found.slope().astype(np.float32)


@pytest.mark.parametrize("slope", [(0.01, 0.0), (0.0, -0.01), (0.004, 0.007), (-0.03, 0.02)])
def test_a_ramp_that_was_taken_from_the_patches_is_found(slope: tuple[float, float]) -> None:
    patches, measured = drawn_and_measured(1e7)
    found = fit(patches * ramp(slope).conj(), measured)
    np.testing.assert_allclose(found, slope, atol=2e-4)


def test_a_ramp_is_found_whatever_the_level_of_the_object() -> None:
    patches, measured = drawn_and_measured(1e5)
    turned = patches * ramp((0.01, -0.02)).conj()
    np.testing.assert_allclose(fit(turned * np.float32(3.0), measured), fit(turned, measured), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("n_photons", [1e3, 1e5])
def test_noise_hardly_bends_the_truth(n_photons: float) -> None:
    patches, measured = drawn_and_measured(n_photons)
    # 12 patterns: the noise of the slope is about 2 / (width of the light * sqrt(photons)) for each.
    assert np.abs(fit(patches, measured)).max() < 4 / (9.0 * np.sqrt(12 * n_photons)) + 2e-4


def test_the_sample_is_even_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    patches, measured = drawn_and_measured(1e7)
    slope = (0.01, -0.02)
    whole = fit(patches * ramp(slope).conj(), measured)
    monkeypatch.setattr(phase_ramp, "SAMPLE_BYTES", 4 * 12 * N * N)
    found = PhaseRamp(torch.tensor(tiny_scan().probe), MODEL, 12)
    for first in range(0, 12, 5):
        piece = torch.from_numpy(patches[first : first + 5, None] * ramp(slope).conj())
        found.take(piece, torch.zeros(len(piece), 1, 2), torch.from_numpy(measured[first : first + 5, None]))
    assert np.array_equal(found._measured[: found._n_kept], measured[[0, 3, 6, 9]])
    assert len(found._measured) <= 5
    np.testing.assert_allclose(found.slope(), whole, atol=5e-4)


def test_what_is_not_finite_or_dark_has_no_ramp() -> None:
    patches, measured = drawn_and_measured(1e5)
    assert not fit(np.full_like(patches, np.nan), measured).any()
    assert not fit(np.zeros_like(patches), measured).any()
    assert not PhaseRamp(torch.tensor(tiny_scan().probe), MODEL, 0).slope().any()


def test_groups_that_share_an_object_are_turned_as_one() -> None:
    scan = tiny_scan()
    assert scan.object_ is not None
    model = ModelConfig(n=N, gridsize=2, probe_scale=4.0, object_big=True)
    centers = scan.scan_positions[:3]
    offsets = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [-1.0, -2.0]], np.float32)
    positions = centers[:, None] + offsets
    truth = extract_patches(scan.object_, positions.reshape(-1, 2), N) * np.float32(4.0 * K)
    waves = np.fft.fftshift(np.fft.fft2(truth / 4.0 * scan.probe[0], norm="ortho"), axes=(-2, -1))
    # Each member turned about its own middle, with the constant that one ramp over the object gives it.
    slope = (0.01, -0.015)
    constants = np.exp(-1j * (positions.reshape(-1, 2) @ np.array(slope)))
    patches = (truth * ramp(slope).conj() * constants[:, None, None]).astype(np.complex64)
    found = PhaseRamp(torch.tensor(scan.probe), model, len(patches))
    found.take(
        torch.from_numpy(patches.reshape(3, 4, N, N)),
        torch.from_numpy(np.broadcast_to(offsets, (3, 4, 2)).copy()),
        torch.from_numpy(np.abs(waves).astype(np.float32).reshape(3, 4, N, N)),
    )
    np.testing.assert_allclose(found.slope(), slope, atol=1.5e-3)


def test_an_inference_takes_up_the_ramp_or_says_why_not() -> None:
    config = TrainConfig(gridsize=1, n_groups=4, batch_size=2, epochs=1, n_filters_scale=1, seed=3, accelerator="cpu")
    scan = tiny_scan()
    completed = list(train(scan, config))[-1]
    assert isinstance(completed, TrainingCompleted)
    shifted = np.roll(np.asarray(scan.diffraction(np.arange(scan.n_scan)), np.float32), 3, axis=1)
    texts, canvases = [], []
    for one in (scan, replace(scan, frames=ArrayFrames(shifted))):
        events = list(infer(one, completed.bundle, InferConfig(accelerator="cpu")))
        texts.append(
            next(event.text for event in events if isinstance(event, MessageLogged) and "Constant" in event.text)
        )
        last = events[-1]
        assert isinstance(last, InferenceCompleted)
        canvases.append(last.canvas)
    assert "phase ramp of" in texts[0]
    assert "is their centre right?" in texts[1]
