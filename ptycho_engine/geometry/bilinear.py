"""Values between pixels, and back: reading bilinearly and its adjoint, one axis after the other."""

import torch


def read_between(wide: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return values read off between pixels.

    Parameters
    ----------
    wide
        (K, H+1, W+1, c) real.
    down, right
        (K, 1, 1, 1) by what part of a pixel each lies below and right of whole pixels.

    Returns
    -------
    torch.Tensor
        (K, H, W, c).
    """
    tall = wide[:, :-1] + down * (wide[:, 1:] - wide[:, :-1])
    return tall[:, :, :-1] + right * (tall[:, :, 1:] - tall[:, :, :-1])


def share_out(values: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Share values out between pixels: the adjoint of :func:`read_between`, (K, H, W, c) to (K, H+1, W+1, c)."""
    return _share_along(_share_along(values, down, 1), right, 2)


def _share_along(values: torch.Tensor, fraction: torch.Tensor, axis: int) -> torch.Tensor:
    nothing = torch.zeros_like(values.narrow(axis, 0, 1))
    return torch.cat((values * (1.0 - fraction), nothing), axis) + torch.cat((nothing, values * fraction), axis)
