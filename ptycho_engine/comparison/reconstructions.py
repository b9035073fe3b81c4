"""Two reconstructions: what was stored of them, and how well they agree after registration."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ptycho_engine.artefacts.inventory import file_digest
from ptycho_engine.artefacts.reconstruction import Reconstruction, read_reconstruction
from ptycho_engine.comparison.differences import Comparison, Found
from ptycho_engine.diagnostics.agreement import Agreement, compare_reconstructions
from ptycho_engine.diagnostics.frc import ONE_SEVENTH
from ptycho_engine.errors import InputError
from ptycho_engine.runs.event_record import canvas_summary


def compare_reconstruction_files(a: Path, b: Path) -> Comparison:
    """Compare two files ``reconstruction.npz``.

    Figures are those of the first against the second after a sub-pixel shift, a ramp of the phase and a factor.

    Raises
    ------
    InputError
        If one of them cannot be read.
    """
    one, other = read_reconstruction(a), read_reconstruction(b)
    found = Found()
    found.tables("reconstruction", _summary(one), _summary(other))
    found.arrays("values", _values(one), _values(other))
    figures: dict[str, Any] = {"sha256": [file_digest(a), file_digest(b)]}
    try:
        figures |= agreement_figures(compare_reconstructions(one.canvas, other.canvas))
    except InputError as reason:
        figures["agreement"] = f"not measured: {reason.message}"
    return found.finish("reconstruction", a, b, figures)


def agreement_figures(agreement: Agreement) -> dict[str, Any]:
    """Return what two reconstructions have in common, as plain data."""
    moved, frc = agreement.registration, agreement.frc
    return {
        "shift_px": list(moved.shift_px),
        "slope_rad_per_px": list(moved.slope_rad_per_px),
        "factor": abs(moved.factor),
        "angle_rad": float(np.angle(moved.factor)),
        **asdict(agreement.metrics),
        "frc_resolution_half_bit_px": frc.resolution_px(frc.half_bit),
        "frc_resolution_one_seventh_px": frc.resolution_px(ONE_SEVENTH),
        "frc": {
            "frequency_per_px": [float(f"{value:.6g}") for value in frc.frequency],
            "correlation": [float(f"{value:.6g}") for value in frc.correlation],
            "half_bit": [float(f"{value:.6g}") for value in frc.half_bit],
        },
    }


def _summary(each: Reconstruction) -> dict[str, Any]:
    names = {"dataset": each.dataset, "bundle": each.bundle, "pixel_size_m": each.pixel_size_m}
    return canvas_summary(each.canvas) | names | {"intensity_scale": each.intensity_scale}


def _values(each: Reconstruction) -> dict[str, Any]:
    canvas = each.canvas
    return {"canvas": canvas.object_, "weight": canvas.weight, "scan_positions [px]": canvas.scan_positions}
