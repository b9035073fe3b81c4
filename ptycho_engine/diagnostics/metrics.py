"""Agreement of a stitched canvas with a known object.

Compared is every covered pixel of the canvas that lies on the object, the rim included. None of the figures depends on
the scale of the canvas or on a constant phase.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray
from ptycho_engine.documents import Canvas, ReconstructionMetrics
from ptycho_engine.going_on import GoOn, always

_SSIM_WINDOW = 7
_BAND_PIXELS = 1 << 20
"""Of the pictures whose SSIM is computed in one piece: some tenths of a second, and a bounded amount of memory."""


def compare_with_object(canvas: Canvas, object_: ComplexArray, go_on: GoOn = always) -> ReconstructionMetrics:
    """Compare the covered part of a canvas with the object it should show.

    Amplitude and phase are compared by Pearson's correlation; the phase after the constant that fits best (the argument
    of the complex inner product) is removed, wrapped about the mean phase of the object. PSNR and SSIM are those of the
    amplitude after the factor that fits best in least squares. SSIM is averaged over the pixels whose window of 7 x 7
    pixels is covered as a whole, with the range of the true amplitude as range of values.

    Parameters
    ----------
    canvas
        What was stitched, on any scale.
    object_
        (H, W) complex, the truth.
    go_on
        Called between the blocks of the work.

    Returns
    -------
    ReconstructionMetrics
        A figure that is not defined (of a constant image, of no common pixel) is NaN.
    """
    return compare_areas(*common_area(canvas, object_), go_on)


def compare_areas(
    ours: ComplexArray, truth: ComplexArray, common: NDArray[np.bool_], go_on: GoOn = always
) -> ReconstructionMetrics:
    """Compare two pictures of one shape on the pixels that both show, as :func:`compare_with_object` says.

    Parameters
    ----------
    ours, truth
        (H, W) complex.
    common
        (H, W) which pixels are compared.
    go_on
        Called between the blocks of the work.
    """
    go_on()
    n_pixels = int(np.count_nonzero(common))
    a, b = ours[common].astype(np.complex128), truth[common].astype(np.complex128)
    if n_pixels == 0 or not a.any() or not b.any():
        return ReconstructionMetrics(np.nan, np.nan, np.nan, np.nan, np.nan, n_pixels)
    of_amplitude, of_phase, of_both = correlations(a, b)
    go_on()
    amplitude, true_amplitude = np.abs(a), np.abs(b)
    factor = float(amplitude @ true_amplitude / (amplitude @ amplitude))
    return ReconstructionMetrics(
        amplitude_correlation=of_amplitude,
        phase_correlation=of_phase,
        complex_correlation=of_both,
        psnr_db=_psnr(factor * amplitude, true_amplitude),
        ssim=_ssim(factor * np.abs(ours), np.abs(truth), common, go_on),
        n_pixels=n_pixels,
    )


def correlations(a: NDArray[np.complexfloating], b: NDArray[np.complexfloating]) -> tuple[float, float, float]:
    """Return the correlations of amplitude, of phase and of both, as :func:`compare_with_object` defines them.

    Parameters
    ----------
    a, b
        (n,) complex values of the same pixels, ``b`` the truth; NaN comes back for no pixel, or for only zeros.
    """
    a, b = np.asarray(a, np.complex128), np.asarray(b, np.complex128)
    inner = complex(np.vdot(b, a))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norms == 0:
        return np.nan, np.nan, np.nan
    middle = _direction(complex(b.sum()))
    phase = np.angle(a * np.conj(_direction(inner) * middle))
    return (
        _correlation(np.abs(a), np.abs(b)),
        _correlation(phase, np.angle(b * np.conj(middle))),
        min(1.0, abs(inner) / norms),
    )


def common_area(canvas: Canvas, object_: ComplexArray) -> tuple[ComplexArray, ComplexArray, NDArray[np.bool_]]:
    """Return canvas and object on their common rectangle, and which of its pixels are covered."""
    row, column = canvas.origin_px
    height, width = canvas.object_.shape
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + height, object_.shape[0]), min(column + width, object_.shape[1])
    here = (slice(top - row, max(top, bottom) - row), slice(left - column, max(left, right) - column))
    there = (slice(top, max(top, bottom)), slice(left, max(left, right)))
    if bottom <= top or right <= left:
        nothing = np.zeros((0, 0), np.complex64)
        return nothing, nothing, np.zeros((0, 0), bool)
    return canvas.object_[here], object_[there], canvas.covered[here]


def _direction(value: complex) -> complex:
    return value / abs(value) if value else 1.0 + 0.0j


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.linalg.norm(a) * np.linalg.norm(b))
    tiny = 1e-12 * a.size
    return float(a @ b) / spread if spread > tiny else float("nan")


def _psnr(ours: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    error = float(np.mean(np.square(ours - truth)))
    peak = float(truth.max())
    return float(10 * np.log10(peak**2 / error)) if error > 0 else float("inf")


def _ssim(ours: NDArray[np.floating], truth: NDArray[np.floating], common: NDArray[np.bool_], go_on: GoOn) -> float:
    from scipy.ndimage import binary_erosion

    if min(common.shape) < _SSIM_WINDOW:
        return float("nan")
    whole = binary_erosion(common, np.ones((_SSIM_WINDOW, _SSIM_WINDOW), bool))
    values = truth[common]
    reach = float(values.max() - values.min())
    count = np.count_nonzero(whole)
    if not count or reach == 0:
        return float("nan")
    from skimage.metrics import structural_similarity

    compare: Any = structural_similarity
    height, width = common.shape
    around, rows = _SSIM_WINDOW // 2, max(_SSIM_WINDOW, _BAND_PIXELS // width)
    total = 0.0
    for first in range(0, height, rows):
        go_on()
        last = min(first + rows, height)
        # With the rows around it: a window that is covered as a whole then lies in the band as a whole.
        low, high = max(0, min(first, height - _SSIM_WINDOW) - around), min(height, max(last, _SSIM_WINDOW) + around)
        pair = (each[low:high].astype(np.float64) for each in (ours, truth))
        _, local = compare(*pair, win_size=_SSIM_WINDOW, data_range=reach, full=True)
        total += float(local[first - low : last - low][whole[first:last]].sum())
    return total / int(count)
