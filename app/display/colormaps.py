"""Colour maps as tables of 256 RGBA colours.

Amplitude maps are perceptually uniform and safe for colour-vision deficiency; phase has a cyclic map whose ends meet;
signed values have a diverging one that is lightest at zero. inferno, viridis and cividis follow the published tables
(CC0) at 33 points; the others are made here, the last two in the OKLab colour space so that equal steps look equal.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.display.complex_image import ByteArray, hsv_bytes, phase_hue

N_COLOURS = 256

_ANCHORS = {
    "inferno": (
        "000004 040312 0b0724 150b37 210c4a 2f0a5b 3d0965 4a0c6b 57106e 64156e 71196e 7d1e6d 8a226a 972766 "
        "a32c61 b0315b bc3754 c63d4d d04545 da4e3c e35933 eb6429 f1711f f67e14 f98c0a fb9b06 fcaa0f fbba1f "
        "f9c932 f5d949 f2e865 f3f586 fcffa4"
    ),
    "viridis": (
        "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e 297a8e "
        "26828e 23898e 21918c 1f978b 1f9f88 21a685 27ad81 31b57b 3dbc74 4cc26c 5cc863 6ece58 81d34d 95d840 "
        "aadc32 c0df25 d5e21a eae51a fde725"
    ),
    "cividis": (
        "00204d 00265a 002c69 00306f 06366e 1f3c6d 2d426c 38486b 414d6b 4a536b 52596c 595f6d 61646f 686a71 "
        "6f7073 767676 7d7c78 848179 8b8779 938e78 9b9477 a39a76 aca174 b4a872 bcaf6f c5b56c cebc68 d7c463 "
        "e0cb5e e9d358 f2da50 fbe248 ffea46"
    ),
}


@lru_cache
def colour_table(name: str) -> ByteArray:
    """Return the ``(256, 4)`` RGBA bytes of a colour map, read-only.

    Raises
    ------
    KeyError
        If there is no such map; the message lists those there are.
    """
    if name not in _MAKERS:
        raise KeyError(f"there is no colour map {name!r}; there are {', '.join(COLOUR_MAPS)}")
    table = np.full((N_COLOURS, 4), 255, dtype=np.uint8)
    table[:, :3] = _MAKERS[name]()
    table.setflags(write=False)
    return table


def _gray() -> ByteArray:
    return np.repeat(np.arange(N_COLOURS, dtype=np.uint8)[:, None], 3, axis=1)


def _published(name: str) -> Callable[[], ByteArray]:
    def make() -> ByteArray:
        anchors = np.array([list(bytes.fromhex(colour)) for colour in _ANCHORS[name].split()], dtype=np.float64)
        at = np.round(np.linspace(0, N_COLOURS - 1, len(anchors)))
        channels = [np.interp(np.arange(N_COLOURS), at, anchors[:, channel]) for channel in range(3)]
        return np.round(np.stack(channels, axis=1)).astype(np.uint8)

    return make


def _hsv() -> ByteArray:
    phase = np.linspace(-np.pi, np.pi, N_COLOURS)
    return hsv_bytes(phase_hue(phase), np.ones(N_COLOURS))


def _twilight() -> ByteArray:
    """Light at ±pi and dark at zero, blue on the negative side and red on the positive one."""
    phase = np.linspace(-np.pi, np.pi, N_COLOURS)
    light = (1 - np.cos(phase)) / 2
    side = np.sin(phase)[:, None]
    tint = np.where(side < 0, -side * [-0.03, -0.12], side * [0.125, 0.055])
    tint = tint + (1 - light[:, None]) * [0.03, -0.05]
    return _oklab_bytes(0.32 + 0.56 * light, tint)


def _diverging() -> ByteArray:
    """Blue below zero, near white at zero, red above."""
    signed = np.linspace(-1, 1, N_COLOURS)
    strength = np.abs(signed)[:, None] ** 0.9
    tint = np.where(signed[:, None] < 0, strength * [-0.03, -0.19], strength * [0.165, 0.085])
    return _oklab_bytes(0.96 - 0.50 * np.abs(signed), tint)


def _oklab_bytes(lightness: NDArray[np.float64], tint: NDArray[np.float64]) -> ByteArray:
    """Return sRGB bytes of OKLab colours (Ottosson 2020), clipped to the gamut."""
    a, b = tint.T
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ],
        axis=1,
    ).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


_MAKERS: dict[str, Callable[[], ByteArray]] = {
    "gray": _gray,
    "inferno": _published("inferno"),
    "viridis": _published("viridis"),
    "cividis": _published("cividis"),
    "twilight": _twilight,
    "hsv": _hsv,
    "blue-white-red": _diverging,
}

COLOUR_MAPS = tuple(_MAKERS)
"""The names of all colour maps."""
CYCLIC_MAPS = ("twilight", "hsv")
"""Those whose ends meet, for phases."""
