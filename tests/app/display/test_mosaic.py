"""Many patches as one picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.display.mosaic import best_columns, make_mosaic, mosaic_geometry

SIZES = st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(1, 6), st.integers(1, 8))


@given(SIZES)
def test_each_patch_lies_where_the_geometry_says(sizes: tuple[int, int, int, int]) -> None:
    n, height, width, columns = sizes
    patches = np.arange(n * height * width, dtype=np.float32).reshape(n, height, width)
    geometry = mosaic_geometry(n, height, width, columns)
    picture = make_mosaic(patches, geometry)
    assert picture.shape == geometry.shape
    for index in range(n):
        box = geometry.rectangle(index)
        cell = picture[box.row : box.row + box.height, box.column : box.column + box.width]
        np.testing.assert_array_equal(cell, patches[index])
    assert int(np.isfinite(picture).sum()) == patches.size


@given(SIZES)
def test_a_pixel_tells_its_patch_and_a_gap_tells_none(sizes: tuple[int, int, int, int]) -> None:
    n, height, width, columns = sizes
    geometry = mosaic_geometry(n, height, width, columns)
    numbers = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None], (n, height, width))
    picture = make_mosaic(numbers, geometry)
    for (row, column), value in np.ndenumerate(picture):
        expected = None if np.isnan(value) else int(value)
        assert geometry.index_at(row, column) == expected
        assert geometry.index_at(row + 0.9, column + 0.9) == expected


def test_nothing_lies_outside_the_picture() -> None:
    geometry = mosaic_geometry(3, 4, 4, 2)
    assert geometry.index_at(-1, 0) is None
    assert geometry.index_at(0, -0.5) is None
    assert geometry.index_at(0, 10) is None
    assert geometry.index_at(99, 0) is None
    with pytest.raises(IndexError, match="no patch 3 among 3"):
        geometry.rectangle(3)


def test_patches_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match="laid out for patches"):
        make_mosaic(np.zeros((4, 2, 2), np.float32), mosaic_geometry(3, 2, 2))


def test_no_patches_give_no_picture() -> None:
    geometry = mosaic_geometry(0, 4, 4)
    assert geometry.shape == (0, 0)
    assert geometry.index_at(0, 0) is None


@pytest.mark.parametrize(
    ("n", "width", "height", "columns"), [(36, 400, 400, 6), (36, 900, 100, 18), (8, 100, 800, 1), (5, 0, 0, 1)]
)
def test_columns_follow_the_shape_of_the_view(n: int, width: float, height: float, columns: int) -> None:
    assert best_columns(n, width, height) == columns
