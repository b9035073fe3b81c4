"""The debug-dump folder of an inference: figures and pictures of all predicted patches, gathered batch by batch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.artefacts.figures import GRID_PATCHES, write_normalized_patch_grid, write_patch_grid
from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.artefacts.json_file import write_json
from ptycho_engine.diagnostics.patch_stats import AmplitudeMoments
from ptycho_engine.documents import Canvas

FIRST_OFFSETS = 16
"""Offsets written one by one."""


@dataclass(slots=True)
class DebugDump:
    """Gathers the predicted patches of an inference and writes the debug-dump folder.

    Memory is bounded: the first 16 patches, running sums, and the positions.
    """

    moments: AmplitudeMoments = field(default_factory=AmplitudeMoments)
    first: list[NDArray[Any]] = field(default_factory=list)
    positions: list[NDArray[np.float64]] = field(default_factory=list)
    patch_side: int = 0

    def add(self, patches: NDArray[Any], positions: NDArray[Any]) -> None:
        """Take in ``(k, N, N)`` complex patches and their ``(k, 2)`` positions [px] ``(y, x)``."""
        amplitudes = np.abs(patches).astype(np.float64)
        self.patch_side = int(patches.shape[-1])
        self.moments.add(amplitudes)
        room = GRID_PATCHES - len(self.first)
        self.first.extend(one.copy() for one in amplitudes[: max(room, 0)])
        self.positions.append(np.asarray(positions, np.float64))

    def write(self, folder: Path, canvas: Canvas) -> None:
        """Write ``stats.json``, ``offsets.json``, ``canvas.json`` and the two grid pictures."""
        make_folder(folder)
        positions = np.concatenate(self.positions) if self.positions else np.zeros((0, 2))
        offsets = positions - positions.mean(axis=0) if len(positions) else positions
        write_json(self.stats(canvas.object_), folder / "stats.json")
        write_json(offset_figures(offsets), folder / "offsets.json")
        write_json(canvas_figures(canvas.object_.shape, self.patch_side, offsets), folder / "canvas.json")
        if self.first:
            first = np.stack(self.first)
            write_patch_grid(first, folder / "pred_patches_amp_grid.png", n_total=len(positions))
            write_normalized_patch_grid(first, folder / "pred_patches_amp_grid_normalized.png", n_total=len(positions))

    def stats(self, object_: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Return the figures of all patches and of the canvas; standard deviations are biased."""
        sums = self.moments
        amplitude = np.abs(object_).astype(np.float64)
        return {
            "patch_amplitude": {
                "mean": sums.mean,
                "std": sums.std(),
                "min": sums.low,
                "max": sums.high,
                "var_zero_mean": sums.var_zero_mean,
            },
            "canvas_amplitude": {
                "mean": float(amplitude.mean()),
                "std": float(amplitude.std()),
                "min": float(amplitude.min()),
                "max": float(amplitude.max()),
            },
        }


def offset_figures(offsets: NDArray[np.float64]) -> dict[str, Any]:
    """Describe ``(n, 2)`` centred offsets ``(dy, dx)`` [px]; standard deviations are biased."""
    count = len(offsets)
    dy, dx = (offsets[:, 0], offsets[:, 1]) if count else (np.zeros(1), np.zeros(1))
    return {
        "count": count,
        "first_offsets_px": [{"dx": float(x), "dy": float(y)} for y, x in offsets[:FIRST_OFFSETS]],
        "mean_dx": float(dx.mean()),
        "mean_dy": float(dy.mean()),
        "std_dx": float(dx.std()),
        "std_dy": float(dy.std()),
        "centered_std_dx": float((dx - dx.mean()).std()),
        "centered_std_dy": float((dy - dy.mean()).std()),
    }


def canvas_figures(shape: tuple[int, ...], patch_side: int, offsets: NDArray[np.float64]) -> dict[str, Any]:
    """Describe the canvas; ``canvas_size`` is its last side, as PtychoPINN writes it, ``canvas_shape`` both."""
    reach = np.abs(offsets).max(axis=0) if len(offsets) else np.zeros(2)
    return {
        "patch_size": patch_side,
        "canvas_size": int(shape[-1]),
        "num_patch_slots": len(offsets),
        "max_abs_dx": float(reach[1]),
        "max_abs_dy": float(reach[0]),
        "canvas_shape": [int(side) for side in shape],
    }
