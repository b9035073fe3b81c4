"""A stitching loop in C, compiled on the spot where there is a compiler: what a machine can be made to do."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import ComplexArray, PositionArray

_SOURCE = """
#include <math.h>
void stitch(const float *patches, const double *corners, long count, long side, long width, float *canvas,
            float *weight) {
    for (long k = 0; k < count; k++) {
        const double row = floor(corners[2 * k]), column = floor(corners[2 * k + 1]);
        const float down = (float)(corners[2 * k] - row), right = (float)(corners[2 * k + 1] - column);
        const float *patch = patches + 2 * k * side * side;
        for (long i = 0; i <= side; i++) {
            float *out = canvas + 2 * (((long)row + i) * width + (long)column);
            float *sum = weight + ((long)row + i) * width + (long)column;
            const float upper = i < side ? 1 - down : 0, lower = i > 0 ? down : 0;
            const float *here = patch + 2 * (i < side ? i : side - 1) * side;
            const float *above = patch + 2 * (i > 0 ? i - 1 : 0) * side;
            for (long j = 0; j < 2 * side; j++) {
                const float value = upper * here[j] + lower * above[j];
                out[j] += (1 - right) * value;
                out[j + 2] += right * value;
            }
            for (long j = 0; j < side; j++) {
                sum[j] += (1 - right) * (upper + lower);
                sum[j + 1] += right * (upper + lower);
            }
        }
    }
}
"""


class CStitch:
    """The compiled loop.

    Parameters
    ----------
    library
        With the function ``stitch``.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._function: Any = library.stitch
        self._function.restype = None

    @classmethod
    def build(cls) -> "CStitch | None":
        """Compile it; ``None`` where there is no compiler, or it does not work."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            return None
        # Once it is loaded, the file may go.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            source, library = Path(folder) / "stitch.c", Path(folder) / "stitch.so"
            source.write_text(_SOURCE, encoding="ascii")
            command = [
                compiler,
                "-O3",
                "-march=native",
                # What -ffast-math allows to reorder; itself it would flush small numbers to zero in the whole process.
                "-fno-math-errno",
                "-fno-trapping-math",
                "-fno-signed-zeros",
                "-fassociative-math",
                "-shared",
                "-fPIC",
                "-o",
                str(library),
                str(source),
                "-lm",
            ]
            try:
                subprocess.run(command, check=True, capture_output=True)
                return cls(ctypes.CDLL(str(library)))
            except (OSError, subprocess.CalledProcessError):
                return None

    def stitch(
        self, patches: ComplexArray, corners: PositionArray, height: int, width: int
    ) -> tuple[ComplexArray, NDArray[np.float32]]:
        """Return the sum of patches (k, c, c) with pixel ``[0, 0]`` at (k, 2) ``corners`` [px], and their weights."""
        canvas, weight = np.zeros((height, width), np.complex64), np.zeros((height, width), np.float32)
        places = np.ascontiguousarray(corners, np.float64)
        self._function(
            patches.ctypes.data_as(ctypes.c_void_p),
            places.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_long(len(patches)),
            ctypes.c_long(patches.shape[-1]),
            ctypes.c_long(width),
            canvas.ctypes.data_as(ctypes.c_void_p),
            weight.ctypes.data_as(ctypes.c_void_p),
        )
        return canvas, weight
