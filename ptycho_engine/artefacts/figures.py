"""The pictures that a run leaves behind: patch grids, reconstructed amplitude and phase.

Figures are made with matplotlib's objects, never through ``pyplot``, whose state is shared by all threads. Every
picture says in words what it shows and in which scale.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.documents import Canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

AMPLITUDE_MAP = "inferno"
"""Perceptually uniform, safe for colour-vision deficiency."""
SIGNED_MAP = "RdBu_r"
"""Diverging about zero, for normalised patches."""
PHASE_MAP = "twilight"
"""Cyclic: -pi and pi have the same colour."""
GRID_PATCHES = 16
"""Patches in a grid picture."""
_GAP_PX = 2
_MOST_PIXELS = 1200
"""Side of a drawn canvas: the picture has fewer, and to colour all pixels of a large canvas takes gigabytes."""


def shared_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return the 1st and 99th percentile of all finite values together, as one colour range.

    A range of no width is widened around its value, so that a grid of equal patches shows one middle colour.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(level) for level in np.percentile(finite, (1.0, 99.0)))
    if high > low:
        return low, high
    margin = abs(low) * 1e-3 or 0.5
    return low - margin, high + margin


def z_score(amplitudes: NDArray[Any]) -> NDArray[np.float64]:
    """Return each of ``(n, H, W)`` patches minus its mean, over its standard deviation; a constant one gives zeros."""
    values = np.asarray(amplitudes, np.float64)
    centred = values - values.mean(axis=(1, 2), keepdims=True)
    spread = values.std(axis=(1, 2), keepdims=True)
    # A spread at the level of rounding is no structure: a constant patch must not turn into amplified noise.
    constant = spread <= 1e-6 * np.abs(values).max(axis=(1, 2), keepdims=True)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))


def symmetric_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return one range about zero that holds 99 % of the finite values."""
    finite = np.abs(values[np.isfinite(values)])
    top = float(np.percentile(finite, 99.0)) if finite.size else 1.0
    return (-top, top) if top > 0 else (-1.0, 1.0)


def write_patch_grid(
    amplitudes: NDArray[Any], path: Path, *, n_total: int | None = None, scale: str = "network"
) -> None:
    """Draw patches unnormalized, all on one colour range (1st to 99th percentile of all of them).

    Parameters
    ----------
    amplitudes
        (n, H, W) patch amplitudes; the first 16 are drawn.
    path
        The PNG to write.
    n_total
        How many patches there were, for the caption.
    scale
        Scale of the values in words.
    """
    shown = np.asarray(amplitudes)[:GRID_PATCHES]
    title = f"Patches, unnormalized · {scale} amplitude · one range for all (1st to 99th percentile)"
    _write_mosaic(shown, path, title, shared_range(shown), AMPLITUDE_MAP, f"amplitude ({scale})", n_total)


def write_normalized_patch_grid(amplitudes: NDArray[Any], path: Path, *, n_total: int | None = None) -> None:
    """Draw patches normalized, (a - mean)/std each, all on one symmetric colour range.

    Parameters
    ----------
    amplitudes
        (n, H, W) patch amplitudes; the first 16 are drawn.
    path
        The PNG to write.
    n_total
        How many patches there were, for the caption.
    """
    shown = z_score(np.asarray(amplitudes)[:GRID_PATCHES])
    title = "Patches, normalized · (a − mean)/std per patch · one symmetric range for all"
    _write_mosaic(shown, path, title, symmetric_range(shown), SIGNED_MAP, "standard deviations", n_total)


def write_canvas_pictures(canvas: Canvas, folder: Path) -> tuple[Path, Path]:
    """Draw ``reconstructed_amplitude.png`` and ``reconstructed_phase.png``; pixels without a patch stay blank.

    Of a large canvas every second, third … pixel is drawn.

    Parameters
    ----------
    canvas
        The stitched object.
    folder
        Where the two pictures are written.

    Returns
    -------
    tuple[Path, Path]
        The two files.
    """
    step = max(1, -(-max(canvas.object_.shape) // _MOST_PIXELS))
    covered, drawn = canvas.covered[::step, ::step], canvas.object_[::step, ::step]
    mode = "" if canvas.mode == "none" else f"\nas PtychoPINN {canvas.mode}"
    amplitude = np.where(covered, np.abs(drawn), np.nan)
    phase = np.where(covered, np.angle(drawn), np.nan)
    extent = _extent(canvas)
    files = (folder / "reconstructed_amplitude.png", folder / "reconstructed_phase.png")
    figure = _figure(6.0, 6.0)
    axes = figure.add_subplot()
    low, high = shared_range(amplitude)
    image = axes.imshow(amplitude, cmap=AMPLITUDE_MAP, vmin=low, vmax=high, extent=extent, interpolation="nearest")
    title = f"Reconstructed amplitude · {canvas.scale} scale{mode}"
    _label_canvas(figure, axes, image, title, f"amplitude ({canvas.scale})")
    _save(figure, files[0])
    figure = _figure(6.0, 6.0)
    axes = figure.add_subplot()
    image = axes.imshow(phase, cmap=PHASE_MAP, vmin=-math.pi, vmax=math.pi, extent=extent, interpolation="nearest")
    _label_canvas(figure, axes, image, f"Reconstructed phase · cyclic{mode}", "phase (rad)")
    _save(figure, files[1])
    return files


def _write_mosaic(
    patches: NDArray[Any],
    path: Path,
    title: str,
    levels: tuple[float, float],
    cmap: str,
    label: str,
    n_total: int | None,
) -> None:
    n_patches, height, width = patches.shape
    columns = max(1, min(4, n_patches))
    rows = max(1, math.ceil(n_patches / columns))
    mosaic = np.full((rows * (height + _GAP_PX) - _GAP_PX, columns * (width + _GAP_PX) - _GAP_PX), np.nan)
    figure = _figure(2.2 * columns + 1.6, 2.2 * rows + 0.8)
    axes = figure.add_subplot()
    for index, patch in enumerate(patches):
        top, left = (index // columns) * (height + _GAP_PX), (index % columns) * (width + _GAP_PX)
        mosaic[top : top + height, left : left + width] = patch
        axes.text(left + 0.03 * width, top + 0.09 * height, str(index), fontsize=8, color="0.5", fontweight="bold")
    image = axes.imshow(mosaic, cmap=cmap, vmin=levels[0], vmax=levels[1], interpolation="nearest")
    axes.set_axis_off()
    shown = f"first {n_patches} of {n_total}" if n_total and n_total > n_patches else f"{n_patches}"
    axes.set_title(f"{title}\n{shown}", fontsize=9)
    figure.colorbar(image, ax=axes, label=label, shrink=0.8)
    _save(figure, path)


def _figure(width_in: float, height_in: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _extent(canvas: Canvas) -> tuple[float, float, float, float]:
    (top, left), (height, width) = canvas.origin_px, canvas.object_.shape
    return left - 0.5, left + width - 0.5, top + height - 0.5, top - 0.5


def _label_canvas(figure: "Figure", axes: "Axes", image: "AxesImage", title: str, label: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("x (object px)")
    axes.set_ylabel("y (object px)")
    figure.colorbar(image, ax=axes, label=label, shrink=0.8)


def _save(figure: "Figure", path: Path) -> None:
    make_folder(path.parent)

    def write(file: BinaryIO) -> None:
        figure.savefig(file, format="png")

    atomic_write(path, write, None)
