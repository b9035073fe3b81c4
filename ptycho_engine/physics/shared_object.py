"""One object for all patches of a batch: merged where they overlap, then seen again at every position.

A pattern alone does not decide its patch: many patches explain it equally well, noise included. Only one object
explains all the patterns that overlap, which is what ptychography rests on. A training that predicts each pattern from
the merged object, not from the patch drawn for it, is bound by this; a patch that disagrees with its neighbours then
raises the loss of all of them.

A pattern may be predicted from what the *other* patches of the batch say of its place. A network that has seen the
noise of a pattern can lower the loss by drawing this noise into its patch; what others draw knows nothing of it, so
that only what all of them see lowers the loss (the idea of Batson and Royer, Noise2Self, ICML 2019: predict each
measurement from the others, and noise that is independent cannot be learned).

The object is kept as tiles of the side of a patch, only where patches lie: memory depends on the number of patches and
not on how far apart they are.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ptycho_engine.arrays import PositionArray
from ptycho_engine.geometry.bilinear import read_between, share_out
from ptycho_engine.transfers import send

_LEAST_WEIGHT = 1e-6
"""Added to the sum of weights, in parts of the own weight and of the brightest pixel of the probe: where no light
falls, nothing is there."""


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the pixels of patches lie among the tiles of the object."""

    pixels: torch.Tensor
    """(K * (N+1)^2,) int64 number of the object pixel under each pixel of the patch enlarged by one."""
    down: torch.Tensor
    right: torch.Tensor
    """(K, 1, 1, 1) float32 part of a pixel by which each patch lies below and right of whole pixels."""
    n_pixels: int


def see_shared_object(
    patches: torch.Tensor, positions: PositionArray, probe: torch.Tensor, own_weight: float = 1.0
) -> torch.Tensor:
    """Return what the probe sees at each position of the object that all patches of a batch are merged into.

    A pixel of the object is the mean of the patches over it, weighted by the light that fell on them:
    ``sum w O / sum w`` with w the intensity of the probe summed over its modes; patches are placed at **plus** their
    positions and cut out again there, both with bilinear weights. A patch without neighbours comes back as it was, up
    to the interpolation.

    Parameters
    ----------
    patches
        (B, C, N, N) complex64.
    positions
        (B, C, 2) float64 [px] on the host, ``(y, x)``.
    probe
        (n_modes, N, N) complex64; its scale does not matter.
    own_weight
        What a patch counts at its own position, in parts of what others count; above 0. Much below 1, others decide
        what is seen wherever they lie.

    Returns
    -------
    torch.Tensor
        (B, C, N, N) complex64; gradients flow to the patches. Nothing waits for the device.
    """
    n = patches.shape[-1]
    places = _places(positions.reshape(-1, 2), n, patches.device)
    light = torch.view_as_real(probe).square().sum(dim=-1).sum(dim=0)
    light = light / light.max().clamp(min=torch.finfo(light.dtype).tiny)
    parts = torch.view_as_real(patches.reshape(-1, n, n)) * light[..., None]
    weighted = torch.cat((parts, light.expand(len(parts), n, n)[..., None]), dim=-1)
    own = share_out(weighted, places.down, places.right)
    sums = torch.zeros(places.n_pixels, 3, device=patches.device).index_add(0, places.pixels, own.reshape(-1, 3))
    others = sums.index_select(0, places.pixels).reshape(own.shape) - (1.0 - own_weight) * own
    # Where nothing lies, a difference of equal sums may come out below zero.
    wide = others[..., :2] / (others[..., 2:].clamp(min=0.0) + own_weight * _LEAST_WEIGHT)
    seen = read_between(wide, places.down, places.right)
    return torch.view_as_complex(seen.contiguous()).reshape(patches.shape)


def _places(positions: PositionArray, n: int, device: torch.device) -> _Places:
    whole = np.floor(positions).astype(np.int64)
    fraction = send((positions - whole).astype(np.float32), device)
    # A patch of n + 1 pixels lies on at most two tiles of n pixels along each axis.
    tiles = whole // n
    corners = tiles[:, None, None, :] + np.array([[[0, 0], [0, 1]], [[1, 0], [1, 1]]])
    known, slots = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
    slot = send(slots.reshape(-1, 4), device)
    inside = send(whole - tiles * n, device)
    steps = torch.arange(n + 1, device=device)
    rows, columns = inside[:, :1] + steps, inside[:, 1:] + steps
    of_tile = (2 * (rows // n))[:, :, None] + (columns // n)[:, None, :]
    tile = torch.gather(slot, 1, of_tile.reshape(len(slot), -1))
    within = ((rows % n) * n)[:, :, None] + (columns % n)[:, None, :]
    pixels = tile * (n * n) + within.reshape(len(slot), -1)
    down, right = fraction[:, 0, None, None, None], fraction[:, 1, None, None, None]
    return _Places(pixels.reshape(-1), down, right, len(known) * n * n)
