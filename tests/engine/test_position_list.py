import numpy as np
import pytest

from ptycho_engine.geometry.position_list import PositionList


@pytest.mark.parametrize("expected", [0, 1, 7, 100])
def test_positions_are_kept_in_their_order_however_many_were_expected(expected: int) -> None:
    positions = np.random.default_rng(0).uniform(0, 50, (23, 2))
    kept = PositionList(expected)
    assert kept.so_far.shape == (0, 2)
    for part in np.array_split(positions, [2, 2, 3, 11]):
        kept.extend(part)
    np.testing.assert_array_equal(kept.so_far, positions)


def test_the_positions_of_a_list_are_a_copy_of_what_came() -> None:
    positions = np.zeros((3, 2))
    kept = PositionList(3)
    kept.extend(positions)
    positions += 1
    assert not kept.so_far.any()
