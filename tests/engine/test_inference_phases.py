"""Phases of squares that are compared while they come, with a ramp that is known only when all are there."""

from itertools import count

import numpy as np
import pytest
import torch

from ptycho_engine import inference_job
from ptycho_engine.config import InferConfig
from ptycho_engine.geometry.canvas import extract_patches, stitch_weights
from ptycho_engine.inference_job import prepare_inference
from ptycho_engine.inference_phases import NeighbourPhases
from ptycho_engine.inference_stitch import LiveStitch
from ptycho_engine.kept_squares import KeptSquares
from ptycho_engine.ranks import ALONE
from tests.engine.test_inference import _bundle
from tests.helpers.tiny_scan import tiny_scan

SIDE = 16
WEIGHTS = stitch_weights("central", SIDE)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.12, -0.09)])
def test_constants_are_found_through_a_ramp(slope: tuple[float, float], at_once: bool) -> None:
    rng = np.random.default_rng(4)
    rows, columns = np.mgrid[:120, :120] / 120
    object_ = (0.8 + 0.2 * np.sin(9 * rows)) * np.exp(1j * (np.sin(5 * rows) + np.cos(7 * columns)))
    positions = rng.uniform(40, 90, (130, 2))
    constants = rng.normal(0, 0.3, 130)
    steps = np.arange(SIDE) - SIDE / 2
    ramp = np.exp(1j * (slope[0] * steps[:, None] + slope[1] * steps))
    # Each square lacks the same ramp about its own middle: turned by it, all show one object.
    shown = object_ * np.exp(1j * (slope[0] * np.arange(120)[:, None] + slope[1] * np.arange(120)))
    squares = extract_patches(shown, positions, SIDE) * ramp.conj() * np.exp(1j * constants)[:, None, None]
    kept, found = KeptSquares(130, SIDE), NeighbourPhases(positions, WEIGHTS, ALONE)
    for first in range(0, 130, 33):
        kept.add(squares[first : first + 33].astype(np.complex64))
        if at_once:
            found.take(kept)
    phases = found.solve(kept, np.array(slope))
    np.testing.assert_allclose(phases, constants - constants.mean(), atol=0.01)


def test_the_time_left_counts_what_comes_after_the_last_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_job, "build_model", lambda *_: torch.nn.Identity())
    dataset = tiny_scan()
    config = InferConfig(accelerator="cpu", batch_size=5, crop=8)
    job = prepare_inference(dataset, _bundle(), config, torch.device("cpu"))
    seconds = count()
    stitch = LiveStitch(job, lambda: float(next(seconds)))
    assert stitch.seconds_to_align() == 0.0
    patches = np.ones((3, dataset.n, dataset.n), np.complex64)
    stitch.add(patches, dataset.scan_positions[:3])
    stitch.add(patches, dataset.scan_positions[3:6])
    # Two batches took a second each: six of twelve patches are stitched, and all of them again later.
    assert 4.0 <= stitch.seconds_to_align() <= 8.0
    left_alone = prepare_inference(
        dataset, _bundle(), InferConfig(accelerator="cpu", align_phases=False), torch.device("cpu")
    )
    plain = LiveStitch(left_alone, lambda: float(next(seconds)))
    plain.add(patches, dataset.scan_positions[:3])
    assert plain.seconds_to_align() == 0.0
