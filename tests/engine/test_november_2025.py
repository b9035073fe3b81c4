"""The recorded run of 14 November 2025, told again with a reference bundle and a real scan: faults and causes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import InferConfig
from ptycho_engine.diagnostics.metrics import compare_with_object
from ptycho_engine.documents import Bundle, Canvas, Dataset, PatchStats
from ptycho_engine.events import InferenceCompleted, MessageLogged, StatsMeasured
from ptycho_engine.formats import read_dataset
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.canvas import CanvasStitcher, extract_patches
from ptycho_engine.geometry.compatibility import MirroredStitcher
from ptycho_engine.inference import infer
from ptycho_engine.physics.scaling import dataset_input_scale, intensity_scale

pytestmark = pytest.mark.shared_data

RAW_INPUT, TRAINING_INPUT = 430.749084, 0.450746
"""Mean absolute input of the network as the run logged them: raw patterns at inference, normalised ones in training."""
PERSISTED_SCALE = 9.882118
"""What its bundle held and its log announced."""
N_PATTERNS = 16


@dataclass(frozen=True)
class Told:
    """What one inference said."""

    stats: PatchStats
    canvas: Canvas
    warnings: list[str]


@pytest.fixture(scope="module")
def bundle(golden_dir: Path) -> Bundle:
    """A trained gridsize-2 network that persisted the intensity scale of the recorded run."""
    return replace(read_bundle(golden_dir / "gs2" / "wts.h5.zip"), intensity_scale=PERSISTED_SCALE)


@pytest.fixture(scope="module")
def scan(run1084_dir: Path) -> Dataset:
    """The first patterns of a scan, as much brighter than normalised ones as those of the recorded run were."""
    whole = read_dataset(run1084_dir / "run1084_test.npz")
    first = np.arange(N_PATTERNS)
    frames = whole.diffraction(first) * np.float32(dataset_input_scale(whole, first) * RAW_INPUT / TRAINING_INPUT)
    return replace(whole, frames=ArrayFrames(frames), scan_positions=whole.scan_positions[first])


def _told(scan: Dataset, bundle: Bundle, compatibility: str) -> Told:
    config = InferConfig(
        accelerator="cpu", compatibility=compatibility, log_patch_stats=True, fit_ramp=False, neighbor_count=6
    )
    events = list(infer(scan, bundle, config))
    completed = events[-1]
    assert isinstance(completed, InferenceCompleted)
    (stats,) = (event.stats for event in events if isinstance(event, StatsMeasured))
    warnings = [event.text for event in events if isinstance(event, MessageLogged) and event.level == "warning"]
    return Told(stats, completed.canvas, warnings)


@pytest.fixture(scope="module")
def november(scan: Dataset, bundle: Bundle) -> Told:
    return _told(scan, bundle, "2025-11")


def test_the_persisted_scale_was_never_learned(bundle: Bundle) -> None:
    assert bundle.intensity_scale == pytest.approx(intensity_scale(1e5, 64), rel=1e-7)


def test_the_network_was_fed_9444_times_too_bright(november: Told) -> None:
    assert "the network reads patterns 9444 times as bright as in training" in november.warnings[0]


def test_the_variance_explodes_and_brightness_is_the_cause(scan: Dataset, bundle: Bundle, november: Told) -> None:
    right = _told(scan, bundle, "none").stats
    assert november.stats.var_zero_mean > 1e4 * right.var_zero_mean
    assert november.stats.global_mean > 20 * right.global_mean
    # The same release, fed what the network was trained with, draws what the network draws.
    normal = replace(bundle, intensity_scale=dataset_input_scale(scan))
    fed_right = _told(scan, normal, "2025-11").stats
    assert fed_right.var_zero_mean == pytest.approx(right.var_zero_mean, rel=0.2)
    assert fed_right.global_mean == pytest.approx(right.global_mean, rel=0.1)


def test_the_canvas_held_only_the_first_patch(scan: Dataset, november: Told) -> None:
    canvas = november.canvas
    offsets = scan.scan_positions - scan.scan_positions.mean(axis=0)
    assert canvas.object_.shape == (int(np.ceil(64 + 2 * np.abs(offsets).max())),) * 2
    assert (len(canvas.scan_positions), canvas.dropped) == (1, 4 * N_PATTERNS - 1)
    rows, columns = np.nonzero(canvas.object_)
    # The central window, one pixel larger for what falls between pixels, at plus the offset from the middle.
    assert np.ptp(rows) <= 32
    assert np.ptp(columns) <= 32
    # Patches are put at a whole pixel before they are moved, so the middle of an odd canvas is half a pixel off.
    middle = (canvas.object_.shape[0] - 64) // 2 + 32 - 0.5
    assert (rows.mean() - middle, columns.mean() - middle) == pytest.approx(offsets[0], abs=0.51)


def test_the_later_release_placed_true_patches_where_they_do_not_belong(run1084_dir: Path) -> None:
    scan = read_dataset(run1084_dir / "run1084_test.npz")
    assert scan.object_ is not None
    patches = extract_patches(scan.object_, scan.scan_positions, 64)
    mirrored, right = MirroredStitcher(scan.scan_positions, 64), CanvasStitcher(scan.scan_positions, 64, 20)
    mirrored.add(patches, scan.scan_positions)
    right.add(patches, scan.scan_positions)
    correlations = [
        compare_with_object(canvas, scan.object_).amplitude_correlation
        for canvas in (mirrored.canvas("physical"), right.canvas("physical", 1.0))
    ]
    assert correlations[0] < 0.1
    assert correlations[1] > 0.98
