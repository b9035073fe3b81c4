import numpy as np

from ptycho_engine.geometry.neighbourhood import order_by_neighbourhood


def _spread(points: np.ndarray, order: np.ndarray, size: int) -> float:
    batches = [points[order[first : first + size]] for first in range(0, len(order), size)]
    return float(np.median([np.ptp(batch, axis=0).max() for batch in batches]))


def test_batches_lie_in_one_square_and_every_position_comes_once() -> None:
    points = np.random.default_rng(0).uniform(0, 1000, (1003, 2))
    order = order_by_neighbourhood(points, 8, 100.0, np.random.default_rng(1))
    assert sorted(order) == list(range(1003))
    assert _spread(points, order, 8) <= 100.0
    assert _spread(points, np.random.default_rng(1).permutation(1003), 8) > 500.0


def test_squares_and_order_differ_from_draw_to_draw_but_not_for_the_same_generator() -> None:
    points = np.random.default_rng(0).uniform(0, 300, (200, 2))
    one, again, other = (order_by_neighbourhood(points, 16, 96.0, np.random.default_rng([5, e])) for e in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_few_and_equal_positions_are_a_batch() -> None:
    order = order_by_neighbourhood(np.zeros((5, 2)), 16, 96.0, np.random.default_rng(0))
    assert sorted(order) == [0, 1, 2, 3, 4]
