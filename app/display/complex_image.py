"""A complex picture as colour: the hue is the phase, the brightness is the amplitude."""

import numpy as np
from numpy.typing import NDArray

ByteArray = NDArray[np.uint8]


def complex_image(
    values: NDArray[np.complexfloating], full_amplitude: float, shown: NDArray[np.bool_] | None = None
) -> ByteArray:
    """Return ``(height, width, 4)`` RGBA bytes of ``(height, width)`` complex values.

    Parameters
    ----------
    values
        The complex picture.
    full_amplitude
        The amplitude that is painted at full brightness; larger ones are too.
    shown
        Where the picture is painted; elsewhere, and where it is not finite, it is transparent.
    """
    finite = np.isfinite(values.real) & np.isfinite(values.imag)
    safe = np.where(finite, values, 0)
    top = full_amplitude if np.isfinite(full_amplitude) and full_amplitude > 0 else 1.0
    brightness = np.clip(np.abs(safe) / top, 0.0, 1.0).astype(np.float32)
    picture = np.empty((*values.shape, 4), dtype=np.uint8)
    picture[..., :3] = hsv_bytes(phase_hue(np.angle(safe)), brightness)
    picture[..., 3] = np.where(finite if shown is None else finite & shown, 255, 0)
    return picture


def phase_hue(phase: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the hue, 0 to 1, of a phase from -pi to pi: red at zero."""
    return np.asarray((np.asarray(phase) / (2 * np.pi)) % 1.0, dtype=np.float32)


def hsv_bytes(hue: NDArray[np.floating], value: NDArray[np.floating]) -> ByteArray:
    """Return RGB bytes of fully saturated colours of the given hue and value, both 0 to 1."""
    # The distance of the hue from red, green and blue on the wheel, as three ramps.
    sector = np.asarray(hue, dtype=np.float32)[..., None] * 6
    offsets = np.array([5.0, 3.0, 1.0], dtype=np.float32)
    k = (offsets + sector) % 6
    ramp = 1 - np.clip(np.minimum(k, 4 - k), 0, 1)
    return np.asarray(np.round(255 * np.asarray(value)[..., None] * ramp), dtype=np.uint8)
