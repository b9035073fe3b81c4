"""Kernels as pictures: in the order of outputs and inputs, never too many, whatever the tensor's axes."""

import numpy as np
import pytest

from app.display.kernels import MOST_INPUTS, MOST_KERNELS, kernel_grid


def test_the_kernels_of_one_output_follow_each_other() -> None:
    tensor = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    grid = kernel_grid(tensor)
    assert grid is not None
    assert (grid.inputs, grid.pictures.shape, grid.caption) == (3, (6, 4, 5), "2 outputs × 3 inputs of 4 × 5 px")
    assert np.array_equal(grid.pictures[4], tensor[1, 1])
    assert grid.name_of(4) == "output 1, input 1"


def test_a_kernel_of_tensorflow_is_turned() -> None:
    tensor = np.arange(3 * 3 * 2 * 4, dtype=np.float32).reshape(3, 3, 2, 4)
    grid = kernel_grid(tensor, channels_last=True)
    assert grid is not None
    assert grid.caption == "4 outputs × 2 inputs of 3 × 3 px"
    assert np.array_equal(grid.pictures[2 * 2 + 1], tensor[:, :, 1, 2])


def test_a_large_layer_shows_a_part_and_says_so() -> None:
    grid = kernel_grid(np.zeros((256, 128, 3, 3), np.float32))
    assert grid is not None
    assert len(grid.pictures) == MOST_KERNELS
    assert (
        grid.caption
        == f"the first {MOST_KERNELS // MOST_INPUTS} of 256 outputs × the first 32 of 128 inputs of 3 × 3 px"
    )


@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        (np.ones(7, np.float32), (1, 1, 7)),
        (np.ones((4, 6), np.float32), (1, 4, 6)),
        (np.ones((5, 2, 9), np.complex64), (10, 1, 9)),
        (np.ones((2, 2, 3, 3), np.complex64), (4, 3, 3)),
        (np.ones((2, 2, 3, 3, 3), np.float32), (4, 3, 9)),
    ],
)
def test_every_number_of_axes_has_a_picture(tensor: np.ndarray, shape: tuple[int, ...]) -> None:
    grid = kernel_grid(tensor)
    assert grid is not None
    assert (grid.pictures.shape, grid.signed) == (shape, not np.iscomplexobj(tensor))


def test_one_value_has_none() -> None:
    assert kernel_grid(np.ones(())) is None
    assert kernel_grid(np.ones(1)) is None
