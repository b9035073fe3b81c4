"""Small documents and events for tests of the window."""

from pathlib import Path
from typing import Literal

import numpy as np

from ptycho_engine import events
from ptycho_engine.arrays import FloatArray, IndexArray, frozen_array
from ptycho_engine.config import ModelConfig
from ptycho_engine.documents import Bundle, Canvas, Dataset, FitFigures, Rectangle
from ptycho_engine.events import PatchPreview


class Frames:
    """Patterns in memory."""

    def __init__(self, values: FloatArray) -> None:
        self._values = values

    @property
    def shape(self) -> tuple[int, int, int]:
        n_scan, height, width = self._values.shape
        return n_scan, height, width

    @property
    def stored_dtype(self) -> str:
        return str(self._values.dtype)

    def read(self, indices: IndexArray | slice) -> FloatArray:
        return self._values[indices]


def make_dataset(name: str = "scan", n_scan: int = 6, n: int = 64) -> Dataset:
    """A scan of random patterns on a line; its path does not exist."""
    rng = np.random.default_rng(1)
    frames = rng.random((n_scan, n, n), dtype=np.float32)
    positions = np.stack([np.full(n_scan, 40.0), 40.0 + 5.0 * np.arange(n_scan)], axis=1)
    return Dataset(
        name=name,
        path=Path("/nowhere") / f"{name}.npz",
        frames=Frames(frames),
        scan_positions=frozen_array(positions, np.float64),
        probe=frozen_array(np.ones((1, n, n)), np.complex64),
    )


def make_bundle(name: str = "net", folder: str = "/nowhere") -> Bundle:
    """A bundle with two small tensors."""
    state = {
        "model.autoencoder.encoder.blocks.0.conv.weight": np.ones((4, 1, 3, 3), np.float32),
        "model.autoencoder.encoder.blocks.0.conv.bias": np.zeros(4, np.float32),
    }
    return Bundle(
        name=name,
        path=Path(folder) / f"{name}.h5.zip",
        era="2026-07",
        model=ModelConfig(gridsize=1),
        state=state,
        intensity_scale=988.21,
        intensity_scale_origin="sqrt(n_photons)/(N/2) with n_photons = 1e9",
        input_scale=0.0123,
        n_photons=1e9,
        params={"nphotons": 1e9, "N": 64, "gridsize": 1},
    )


def make_canvas(side: int = 32) -> Canvas:
    """An even canvas of three patches."""
    return Canvas(
        object_=frozen_array(np.ones((side, side)), np.complex64),
        weight=frozen_array(np.ones((side, side)), np.float32),
        origin_px=(10, 20),
        scan_positions=frozen_array([[30.0, 40.0], [31.0, 42.0], [33.0, 41.0]], np.float64),
        patch_side=16,
        crop=8,
    )


def canvas_updated(n_done: int, damage: tuple[int, int, int, int] = (0, 0, 4, 4)) -> events.CanvasUpdated:
    return events.CanvasUpdated(make_canvas(), Rectangle(*damage), n_done, 10)


def step_done(step: int, n_steps: int = 100) -> events.StepDone:
    return events.StepDone(step, n_steps, epoch=0, n_epochs=2, seconds_left=1.0)


def loss_measured(step: int, loss: float = 1.0, epoch: int = 0) -> events.LossMeasured:
    return events.LossMeasured(step, epoch, loss, 1e-3, 0.5, 120.0)


def epoch_done(epoch: int, validation: float | None = None) -> events.EpochDone:
    return events.EpochDone(epoch, 2, 10 * (epoch + 1), 1.5, validation, 1e-3, True)


def validation_measured(step: int, r_factor: float = 0.2) -> events.ValidationMeasured:
    """Figures of fit without a known object."""
    nan = float("nan")
    return events.ValidationMeasured(step, 0, FitFigures(r_factor, 0.3, 1.1, 0.9, nan, nan, nan, 64, "training"))


def preview(step: int, n: int = 4, side: int = 16, phase: Literal["train", "inference"] = "train") -> PatchPreview:
    """Patches whose amplitude is the step plus one."""
    return PatchPreview(
        phase=phase,
        step=step,
        patches=frozen_array(np.full((n, side, side), step + 1.0), np.complex64),
        measured=frozen_array(np.ones((n, side, side)), np.float32),
        predicted=frozen_array(np.ones((n, side, side)), np.float32),
        frame_indices=frozen_array(np.arange(n), np.int64),
        scan_positions=frozen_array(np.stack([np.full(n, 40.0), 40.0 + 5.0 * np.arange(n)], axis=1), np.float64),
        network_per_physical=1.0,
        intensity_scale=1.0,
    )
