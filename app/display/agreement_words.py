"""How well two pictures of an object agree, in words."""

import numpy as np

from app.display.lengths import length_text
from ptycho_engine.diagnostics.agreement import Agreement
from ptycho_engine.diagnostics.frc import ONE_SEVENTH, Curve, RingCorrelation
from ptycho_engine.documents import ReconstructionMetrics


def agreement_texts(metrics: ReconstructionMetrics | None, of: str = "the known object") -> tuple[str, str]:
    """Return the correlations in one line, PSNR and SSIM in another."""
    if metrics is None:
        return ("", "")
    return (
        f"Correlation: amp {_correlation(metrics.amplitude_correlation)}, "
        f"phase {_correlation(metrics.phase_correlation)}, complex {_correlation(metrics.complex_correlation)}",
        f"PSNR {metrics.psnr_db:.1f} dB · SSIM {metrics.ssim:.3f} · {metrics.n_pixels} px of {of}",
    )


def registration_text(agreement: Agreement, *, shifts: bool) -> str:
    """Return what was done to the second picture."""
    found = agreement.registration
    factor = f"B × {abs(found.factor):.3g}, turned by {np.angle(found.factor):.2f} rad"
    if not shifts:
        return f"{factor}; not moved"
    (y, x), slope = found.shift_px, found.slope_rad_per_px
    if not any((y, x, *slope)):
        return f"{factor}; no shift makes the two more alike"
    return f"B moved by y {y:+.2f}, x {x:+.2f} px; ramp y {slope[0]:+.4f}, x {slope[1]:+.4f} rad/px; {factor}"


def resolution_text(frc: RingCorrelation, pixel_size_m: float | None) -> str:
    """Return where the ring correlation first falls below each threshold, as a full period."""
    thresholds: tuple[tuple[str, Curve | float], ...] = (("half-bit", frc.half_bit), ("1/7", ONE_SEVENTH))
    parts = []
    if all(frc.crossing(threshold) is None for _, threshold in thresholds):
        return f"FRC resolution (full period): at or below {length_text(2.0, pixel_size_m)}, the finest there is"
    for name, threshold in thresholds:
        frequency = frc.crossing(threshold)
        if frequency is None:
            parts.append(f"{name}: at or below {length_text(2.0, pixel_size_m)}, the finest there is")
        elif frequency == 0:
            parts.append(f"{name}: none, no ring agrees")
        else:
            parts.append(f"{name}: {length_text(1 / frequency, pixel_size_m)}")
    return f"FRC resolution (full period) at {' · '.join(parts)}"


def _correlation(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.3f}"
