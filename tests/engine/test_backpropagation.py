"""What patterns propagate back to: checked against numpy, and against the derivative of the misfit."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ptycho_engine.config import ModelConfig
from ptycho_engine.models.backpropagation import Backpropagation
from ptycho_engine.models.full_patch import FullPatchCnn
from ptycho_engine.models.pinn import build_network, load_state, state_of

N = 64
MODEL = ModelConfig(
    gridsize=1,
    n_filters_scale=1,
    object_big=False,
    cbam_encoder=False,
    architecture="full_patch_cnn",
    input_transform="backpropagated",
)


def defocused_probe() -> NDArray[np.complex128]:
    y, x = np.mgrid[:N, :N] - N / 2
    square = (x**2 + y**2) / N**2
    return np.asarray(np.exp(-square / 0.06) * np.exp(40j * square + 0.5j))


def amplitude(patch: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the centred amplitude of a patch under the probe, by numpy alone."""
    wave = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(patch * defocused_probe()), norm="ortho"))
    return np.abs(wave)


def back_of(difference: NDArray[np.float64]) -> NDArray[np.complex128]:
    module = Backpropagation(N)
    module.set_light(torch.from_numpy(defocused_probe().astype(np.complex64)))
    seen = module(torch.from_numpy(difference.astype(np.float32))[None, None])
    assert seen.shape == (1, 3, N, N)
    assert np.allclose(seen[0, 0], difference, atol=1e-6)
    return np.asarray(seen[0, 1] + 1j * seen[0, 2], dtype=np.complex128)


def brightest(picture: NDArray[np.float64]) -> tuple[int, int]:
    row, column = divmod(int(np.abs(picture).argmax()), picture.shape[1])
    return row, column


@pytest.mark.parametrize("place", [(20, 36), (40, 30), (33, 25)])
def test_a_grain_of_the_specimen_shows_where_it_is(place: tuple[int, int]) -> None:
    empty = np.ones((N, N), dtype=complex)
    grain = empty.copy()
    grain[place] = np.exp(0.05j)
    back = back_of(amplitude(grain) - amplitude(empty))
    assert brightest(back.imag) == place
    assert back.imag[place] > 0
    dark = empty.copy()
    dark[place] = 0.95
    back = back_of(amplitude(dark) - amplitude(empty))
    assert brightest(back.real) == place
    assert back.real[place] < 0


def test_it_is_the_direction_in_which_the_misfit_falls() -> None:
    random = np.random.default_rng(0)
    empty = np.ones((N, N), dtype=complex)
    # Where the probe sends no light the far field has no phase, and the misfit no derivative.
    lit = amplitude(empty) > 1e-2
    measured = np.where(lit, amplitude(np.exp(0.3j * random.standard_normal((N, N)))), amplitude(empty))
    back = back_of(amplitude(empty) - measured)

    def misfit(patch: NDArray[np.complex128]) -> float:
        return 0.5 * float(((amplitude(patch) - measured)[lit] ** 2).sum())

    # Derivatives along the real and the imaginary part of single pixels, by differences.
    ratios = []
    for place in [(32, 32), (20, 36), (40, 30), (33, 25), (28, 41)]:
        for part, value in ((1.0, back[place].real), (1j, back[place].imag)):
            step = np.zeros((N, N), dtype=complex)
            step[place] = 1e-4 * part
            ratios.append((misfit(empty + step) - misfit(empty - step)) / 2e-4 / value)
    assert np.allclose(ratios, ratios[0], rtol=2e-2)
    assert ratios[0] > 0


def test_noise_comes_back_as_strong_as_it_was() -> None:
    noise = np.random.default_rng(1).standard_normal((N, N))
    assert np.mean(np.abs(back_of(noise)) ** 2) == pytest.approx(np.mean(noise**2), rel=0.1)


def test_dark_probes_and_dark_far_fields_give_finite_numbers() -> None:
    module = Backpropagation(N)
    module.set_light(torch.zeros(N, N, dtype=torch.complex64))
    assert torch.isfinite(module(torch.ones(1, 1, N, N))).all()


def test_the_probe_travels_with_the_state() -> None:
    torch.manual_seed(0)
    network, again = build_network(MODEL), build_network(MODEL)
    assert isinstance(network.autoencoder, FullPatchCnn)
    network.autoencoder.set_standard(torch.rand(N, N), 0.5, torch.from_numpy(defocused_probe().astype(np.complex64)))
    load_state(again, state_of(network))
    images = torch.rand(2, 1, N, N)
    assert torch.equal(again(images), network(images))
    assert "model.autoencoder.backpropagation.light" not in dict(network.named_parameters())
