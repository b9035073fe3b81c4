"""Many patches as one picture: where each lies, and which one lies under a pixel.

One picture instead of one per patch keeps the window live: painting a grid then costs what a picture costs.
"""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from ptycho_engine.arrays import FloatArray
from ptycho_engine.documents import Rectangle

GAP_PX = 1
"""Width of the line between two patches [px]."""


@dataclass(frozen=True, slots=True)
class MosaicGeometry:
    """Where ``n`` equal patches lie in a picture, row by row from the top left."""

    n: int
    height: int
    width: int
    """Size of one patch [px]."""
    columns: int

    @property
    def rows(self) -> int:
        """Number of rows of patches."""
        return ceil(self.n / self.columns) if self.n else 0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture [px]."""
        if self.n == 0:
            return (0, 0)
        return (
            self.rows * (self.height + GAP_PX) - GAP_PX,
            self.columns * (self.width + GAP_PX) - GAP_PX,
        )

    def rectangle(self, index: int) -> Rectangle:
        """Return the pixels of one patch."""
        if not 0 <= index < self.n:
            raise IndexError(f"there is no patch {index} among {self.n}")
        row, column = divmod(index, self.columns)
        return Rectangle(row * (self.height + GAP_PX), column * (self.width + GAP_PX), self.height, self.width)

    def index_at(self, row: float, column: float) -> int | None:
        """Return the patch under a pixel of the picture, ``None`` in a gap or outside."""
        if row < 0 or column < 0 or self.n == 0:
            return None
        cell_row, inner_row = divmod(row, self.height + GAP_PX)
        cell_column, inner_column = divmod(column, self.width + GAP_PX)
        index = int(cell_row) * self.columns + int(cell_column)
        inside = inner_row < self.height and inner_column < self.width and cell_column < self.columns
        return index if inside and index < self.n else None


def mosaic_geometry(n: int, height: int, width: int, columns: int | None = None) -> MosaicGeometry:
    """Return the arrangement of ``n`` patches; a square one unless ``columns`` is given."""
    if columns is None:
        columns = ceil(sqrt(n)) if n else 1
    return MosaicGeometry(n, height, width, max(1, min(columns, max(n, 1))))


def best_columns(n: int, view_width: float, view_height: float) -> int:
    """Return the number of columns that makes square patches as large as the view allows."""
    if n <= 0 or view_width <= 0 or view_height <= 0:
        return 1
    return max(range(1, n + 1), key=lambda columns: min(view_width / columns, view_height / ceil(n / columns)))


def make_mosaic(patches: NDArray[np.floating], geometry: MosaicGeometry) -> FloatArray:
    """Return the picture of ``(n, height, width)`` patches; gaps and empty cells are NaN."""
    n, height, width = geometry.n, geometry.height, geometry.width
    if patches.shape != (n, height, width):
        raise ValueError(f"the mosaic was laid out for patches {(n, height, width)}, not {patches.shape}")
    picture = np.empty(geometry.shape, dtype=np.float32)
    step_y, step_x = height + GAP_PX, width + GAP_PX
    for gap in range(GAP_PX):
        picture[height + gap :: step_y] = np.nan
        picture[:, width + gap :: step_x] = np.nan
    whole, rest = divmod(n, geometry.columns)
    if rest:
        picture[whole * step_y :] = np.nan
    # The patches as (rows, height, columns, width), the gaps between them left out: whole rows, and what is left.
    down, right = picture.strides
    strides = (down * step_y, down, right * step_x, right)
    for row, rows, columns in ((0, whole, geometry.columns), (whole, 1, rest)):
        some = patches[row * geometry.columns :][: rows * columns].reshape(rows, columns, height, width)
        shape = (rows, height, columns, width)
        cells = np.lib.stride_tricks.as_strided(picture[row * step_y :], shape, strides)
        cells[:] = some.transpose(0, 2, 1, 3)
    return picture
