"""The object under refinement: pixels on the device with room for whole patches, read and moved under positions."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from ptycho_engine.arrays import ComplexArray, PositionArray
from ptycho_engine.documents import Canvas
from ptycho_engine.geometry.bilinear import read_between, share_out


@dataclass(frozen=True, slots=True)
class Places:
    """Where some patches lie in a field."""

    pixels: torch.Tensor
    """(k, N+1, N+1) int64 number of the field's pixel under each pixel of the patch enlarged by one."""
    down: torch.Tensor
    right: torch.Tensor
    """(k, 1, 1, 1) float32 part of a pixel by which each patch lies below and right of whole pixels."""


@dataclass(slots=True)
class ObjectField:
    """The object, with room for whole patches around the canvas."""

    pixels: torch.Tensor
    """(H, W, 2) float32 real and imaginary part, network scale."""
    origin: tuple[int, int]
    """Object pixel ``(y, x)`` of pixel ``[0, 0]``."""
    margin: tuple[int, int]
    """Rows and columns of room before the canvas."""

    @classmethod
    def around(cls, canvas: Canvas, positions: PositionArray, n: int, level: float, device: torch.device) -> Self:
        """Return a canvas with room for whole patches.

        Beyond the canvas, where the probe still falls, the object starts as a plane of the canvas's mean amplitude and
        mean direction: a plane of another phase would be an edge that the patterns do not show. A canvas without any
        finite light on it starts as such a plane altogether.

        Parameters
        ----------
        canvas
            Where the refinement starts.
        positions
            (k, 2) [px] ``(y, x)`` of all patches that will be read.
        n
            Side N of a patch [px].
        level
            Factor that the canvas is multiplied by.
        device
            Where to compute.
        """
        height, width = canvas.object_.shape
        low = np.minimum(np.floor(positions.min(axis=0)).astype(int) - n // 2, canvas.origin_px)
        beyond = np.floor(positions.max(axis=0)).astype(int) - n // 2 + n + 1
        high = np.maximum(beyond, np.array(canvas.origin_px) + np.array((height, width)))
        covered = canvas.covered & np.isfinite(canvas.object_)
        seen = canvas.object_[covered]
        amplitude = float(np.abs(seen).mean(dtype=np.float64)) if seen.size else 0.0
        direction = float(np.angle(seen.sum(dtype=np.complex128)))
        if amplitude == 0.0:
            covered, amplitude, direction = np.zeros_like(covered), 1.0, 0.0
        values = np.full(tuple(high - low), amplitude * np.exp(1j * direction), np.complex64)
        top, left = (int(first) for first in np.array(canvas.origin_px) - low)
        values[top : top + height, left : left + width][covered] = canvas.object_[covered]
        pixels = torch.view_as_real(torch.from_numpy(values * np.float32(level))).to(device).contiguous()
        return cls(pixels, (int(low[0]), int(low[1])), (top, left))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width [px]."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def places(self, positions: PositionArray, n: int) -> Places:
        """Return where (k, N, N) patches at (k, 2) [px] ``(y, x)`` lie; each must lie inside the field."""
        corners = np.asarray(positions, np.float64) - n // 2 - np.array(self.origin)
        whole = np.floor(corners).astype(np.int64)
        device = self.pixels.device
        fraction = torch.from_numpy((corners - whole).astype(np.float32)).to(device)
        first = torch.from_numpy(whole).to(device)
        steps = torch.arange(n + 1, device=device)
        rows, columns = first[:, :1] + steps, first[:, 1:] + steps
        pixels = rows[:, :, None] * self.shape[1] + columns[:, None, :]
        return Places(pixels, fraction[:, 0, None, None, None], fraction[:, 1, None, None, None])

    def cut(self, places: Places) -> torch.Tensor:
        """Return the patches at some places, (k, N, N) complex64, bilinear."""
        wide = self.pixels.reshape(-1, 2).index_select(0, places.pixels.reshape(-1)).reshape(*places.pixels.shape, 2)
        return torch.view_as_complex(read_between(wide, places.down, places.right).contiguous())

    def spread(self, values: torch.Tensor, places: Places, sums: torch.Tensor) -> None:
        """Add (k, N, N, c) values under their places to the (H * W, c) sums: the adjoint of :meth:`cut`."""
        wide = share_out(values, places.down, places.right)
        sums.index_add_(0, places.pixels.reshape(-1), wide.reshape(-1, values.shape[-1]))

    def inside(self, shape: tuple[int, ...]) -> ComplexArray:
        """Return the part under a canvas of this shape, (H, W) complex64 on the host."""
        (top, left), (height, width) = self.margin, shape
        window = self.pixels[top : top + height, left : left + width].cpu().contiguous()
        return torch.view_as_complex(window).numpy()
