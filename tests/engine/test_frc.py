"""Ring correlation, registration and agreement, against what is known of the pictures and against a plain sum."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_engine.diagnostics.agreement import compare_reconstructions
from ptycho_engine.diagnostics.frc import ONE_SEVENTH, ring_correlation
from ptycho_engine.diagnostics.registration import applied, ramp, register
from ptycho_engine.documents import Canvas
from ptycho_engine.errors import InputError
from ptycho_engine.physics.simulate import make_object

SIDE = 192
EVERYWHERE = np.ones((SIDE, SIDE), bool)
Complex = NDArray[np.complex128]


def white(seed: int, side: int = SIDE) -> Complex:
    random = np.random.default_rng(seed)
    return np.asarray((random.standard_normal((side, side)) + 1j * random.standard_normal((side, side))) / np.sqrt(2))


def filtered(values: Complex, most: float) -> Complex:
    """Keep the frequencies up to ``most`` cycles per pixel."""
    f = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in values.shape), indexing="ij"))
    return np.fft.ifft2(np.fft.fft2(values) * (f <= most))


def shifted(values: Complex, by: tuple[float, float]) -> Complex:
    """Move a periodic picture exactly, by the phases of its Fourier transform."""
    y, x = (np.exp(-2j * np.pi * np.fft.fftfreq(n) * each) for n, each in zip(values.shape, by, strict=True))
    return np.fft.ifft2(np.fft.fft2(values) * y[:, None] * x[None, :])


def canvas_of(values: Complex, origin: tuple[int, int] = (0, 0)) -> Canvas:
    ones = np.ones(values.shape, np.float32)
    return Canvas(values.astype(np.complex64), ones, origin, np.zeros((1, 2)), 64, 32, "physical")


def test_identical_pictures_correlate_wholly_on_every_ring() -> None:
    found = ring_correlation(white(0), white(0), EVERYWHERE)
    np.testing.assert_allclose(found.correlation, 1, atol=1e-12)
    assert (found.frequency[0], found.frequency[-1]) == (pytest.approx(1 / SIDE), pytest.approx(0.5))
    assert found.crossing(found.half_bit) is None
    assert found.resolution_px(ONE_SEVENTH) == 2.0


def test_independent_noise_correlates_as_little_as_its_number_of_coefficients_lets_it() -> None:
    found = ring_correlation(white(1), white(2), EVERYWHERE)
    # The real part of the correlation of n independent complex coefficients has a variance of 1/(2n).
    deviations = found.correlation * np.sqrt(2 * found.n_independent)
    assert abs(deviations.mean()) < 4 / np.sqrt(deviations.size)
    assert 0.7 < deviations.std() < 1.3
    assert np.all(found.correlation[10:] < found.half_bit[10:])


def test_two_noisy_copies_correlate_as_signal_and_noise_say() -> None:
    # The object is white up to a fifth of a cycle per pixel, the noise is white everywhere: S/(S + N) and then nothing.
    copies = [filtered(white(3), 0.2) + 0.5 * white(seed) for seed in (4, 5)]
    found = ring_correlation(copies[0], copies[1], EVERYWHERE)
    inside, outside = (found.frequency > 0.02) & (found.frequency < 0.18), found.frequency > 0.22
    assert found.correlation[inside].mean() == pytest.approx(1 / 1.25, abs=0.02)
    assert abs(found.correlation[outside].mean()) < 0.02
    for threshold in (ONE_SEVENTH, found.half_bit):
        assert found.resolution_px(threshold) == pytest.approx(5.0, rel=0.04)


def test_against_a_plain_sum_over_coefficients() -> None:
    size = (24, 30)
    a, b = white(6, 30)[:24], white(6, 30)[:24] + white(7, 30)[:24]
    shown = np.ones(size, bool)
    shown[:3, :5] = False
    found = ring_correlation(a, b, shown)
    from ptycho_engine.diagnostics.registration import soft_window

    window = soft_window(shown)
    rows, columns = np.arange(24), np.arange(30)
    sums: dict[int, list[complex]] = {}
    pictures = [(each - np.sum(each * window) / window.sum()) * window for each in (a, b)]
    for u in range(-12, 12):
        for v in range(-15, 15):
            wave = np.exp(-2j * np.pi * (u * rows[:, None] / 24 + v * columns[None, :] / 30))
            first, second = (complex(np.sum(picture * wave)) for picture in pictures)
            ring = round(float(np.hypot(u / 24, v / 30)) * 24)
            entry = sums.setdefault(ring, [0, 0, 0])
            entry[0] += first * second.conjugate()
            entry[1] += abs(first) ** 2
            entry[2] += abs(second) ** 2
    expected = [(sums[r][0] / np.sqrt(sums[r][1] * sums[r][2])).real for r in range(1, 13)]
    np.testing.assert_allclose(found.correlation, expected, atol=1e-10)


def test_the_half_bit_curve_at_known_points() -> None:
    found = ring_correlation(white(0), white(1), EVERYWHERE)
    n = found.n_independent
    # At very many coefficients it nears 0.1716, the correlation of a signal-to-noise ratio of 0.2071.
    assert found.half_bit[-1] == pytest.approx((0.2071 + 1.9102 / n[-1] ** 0.5) / (1.2071 + 0.9102 / n[-1] ** 0.5))
    assert found.half_bit[-1] > 0.2071 / 1.2071


def test_a_shared_outline_alone_does_not_correlate() -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    disc = np.hypot(y, x) < 70
    found = ring_correlation(5 + white(8), 5 + white(9), disc)
    assert np.abs(found.correlation[15:]).max() < 0.35
    assert abs(found.correlation[15:].mean()) < 0.03


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.37, -1.61), (-0.25, 0.5)])
def test_registration_finds_shift_ramp_and_factor(shift: tuple[float, float]) -> None:
    truth = filtered(1 + 0.3 * white(10), 0.2)
    slope, factor = (0.021, -0.013), 2.5 * np.exp(1.2j)
    # What has to be done to `other` is to move it by `shift`, then to add the ramp, then to multiply.
    other = shifted(truth / (ramp(truth.shape, slope) * factor), (-shift[0], -shift[1]))
    inner = np.zeros(truth.shape, bool)
    inner[12:-12, 12:-12] = True
    found = register(truth, other, inner)
    assert found.shift_px == pytest.approx(shift, abs=0.03)
    assert found.slope_rad_per_px == pytest.approx(slope, abs=1e-3)
    assert abs(found.factor) == pytest.approx(2.5, rel=0.01)
    left = np.abs(applied(found, other) - truth)[20:-20, 20:-20]
    assert left.mean() < 0.05


def test_agreement_with_a_moved_copy_is_near_perfect_after_registration_only() -> None:
    truth = make_object("cells", (160, 180), seed=5).astype(np.complex128)
    canvas = canvas_of(shifted(truth, (1.4, -0.7))[20:140, 25:150] * 3j, origin=(20, 25))
    plain = compare_reconstructions(canvas, truth.astype(np.complex64), shifts=False)
    found = compare_reconstructions(canvas, truth.astype(np.complex64))
    assert found.registration.shift_px == pytest.approx((1.4, -0.7), abs=0.05)
    assert found.metrics.complex_correlation > 0.9995 > plain.metrics.complex_correlation
    assert found.metrics.psnr_db > plain.metrics.psnr_db + 10
    shown = np.isfinite(found.aligned.real)
    np.testing.assert_allclose(found.aligned[shown], canvas.object_[shown], atol=0.6)
    assert found.frc.correlation[:10].min() > 0.99


def test_two_canvases_are_compared_where_both_show_something() -> None:
    truth = make_object("cells", (120, 120), seed=6).astype(np.complex128)
    found = compare_reconstructions(canvas_of(truth[:80], (0, 0)), canvas_of(truth[40:] * 2, (40, 0)))
    assert found.metrics.n_pixels == 40 * 120
    assert found.registration.factor == pytest.approx(0.5, rel=1e-3)
    with pytest.raises(InputError, match="10 x 120 pixels in common"):
        compare_reconstructions(canvas_of(truth[:50], (0, 0)), canvas_of(truth[40:], (40, 0)))
