"""Bilinear translation of images on the device.

A bilinear shift acts on rows and columns one after the other, and on each it is a matrix with two diagonals. So it is
two matrix products: differentiable (in the offsets as well), the same bits in every run, for a different offset of each
image, and padding or cropping is only a matter of the matrix's shape.
"""

import torch


def shift_matrices(offsets: torch.Tensor, n_out: int, n_in: int, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the matrices that place images, moved by their offsets, in larger or smaller ones.

    Parameters
    ----------
    offsets
        (K, 2) float32 [px] by which the content of each image moves, ``(dy, dx)``.
    n_out, n_in
        Sides of the results and of the images [px].
    pad
        Row and column of the result where an image with offset 0 begins.

    Returns
    -------
    tuple of torch.Tensor
        (K, n_out, n_in) for rows and for columns; zero where the image has no pixel.
    """
    places = torch.arange(n_out, device=offsets.device, dtype=offsets.dtype)[:, None]
    sources = torch.arange(n_in, device=offsets.device, dtype=offsets.dtype)[None, :] + pad
    apart = (places - sources) - offsets[..., None, None]
    matrices = torch.clamp(1.0 - apart.abs(), min=0.0)
    return matrices[:, 0], matrices[:, 1]


def place(images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Apply ``rows @ image @ columns.T`` to complex images.

    Parameters
    ----------
    images
        (K, n_in, n_in) complex64.
    rows, columns
        (K, n_out, n_in) float32, as :func:`shift_matrices` makes them.

    Returns
    -------
    torch.Tensor
        (K, n_out, n_out) complex64.
    """
    count, n_in = images.shape[0], images.shape[-1]
    n_out = rows.shape[-2]
    # Real and imaginary part side by side: one real product instead of a complex one with a real matrix.
    parts = torch.stack((images.real, images.imag), dim=2).reshape(count, n_in, 2 * n_in)
    moved = torch.bmm(rows, parts).reshape(count, n_out * 2, n_in)
    placed = torch.bmm(moved, columns.transpose(1, 2)).reshape(count, n_out, 2, n_out)
    return torch.complex(placed[:, :, 0], placed[:, :, 1])


def translate(images: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Move the content of images by sub-pixel offsets, with zeros where nothing comes in.

    Parameters
    ----------
    images
        (K, N, N) complex64.
    offsets
        (K, 2) float32 [px] ``(dy, dx)``; content moves by **plus** this.

    Returns
    -------
    torch.Tensor
        (K, N, N) complex64.
    """
    side = images.shape[-1]
    return place(images, *shift_matrices(offsets, side, side, 0))
