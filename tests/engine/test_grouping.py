"""Groups: upstream's draw number for number, and the cover of inference."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptycho_engine.config import GroupingConfig
from ptycho_engine.errors import GroupingError
from ptycho_engine.geometry.grouping import cover_positions, group_positions

CASES = ["g2k4_seed42", "g2k6_seed1", "g2k5_seq", "g1_seed42", "g1_seq", "g2_over"]


@pytest.mark.parametrize("case", CASES)
def test_the_draw_is_upstreams(case: str, golden_dir: Path) -> None:
    golden = np.load(golden_dir / "vectors" / "grouping_12pts.npz")
    said = json.loads(str(golden["cases"]))[case]
    config = GroupingConfig(
        gridsize=said["gridsize"],
        n_groups=said["nsamples"],
        neighbor_count=said.get("neighbor_pool_size", said["K"]),
        seed=said.get("seed", 7),
        sequential=said.get("sequential_sampling", False),
    )
    grouping = group_positions(np.stack([golden["ycoords"], golden["xcoords"]], axis=1), config)
    np.testing.assert_array_equal(grouping.group_indices, golden[f"{case}__nn_indices"])
    # Theirs: (n, 1, [x, y], C), local offsets with the opposite sign.
    centers = golden[f"{case}__coords_offsets"][:, 0, ::-1, 0]
    np.testing.assert_allclose(grouping.group_centers, centers, rtol=1e-12)
    offsets = -golden[f"{case}__coords_relative"][:, 0, ::-1].transpose(0, 2, 1)
    np.testing.assert_allclose(grouping.local_offsets, offsets, atol=1e-12)


def test_the_draw_does_not_touch_the_global_generator() -> None:
    state = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    group_positions(np.random.default_rng(0).random((20, 2)), GroupingConfig(2, 10))
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], state)  # noqa: NPY002


def test_one_group_for_each_position_when_no_number_is_given() -> None:
    positions = np.random.default_rng(0).random((30, 2))
    assert group_positions(positions, GroupingConfig(1, None)).group_indices[:, 0].tolist() == list(range(30))
    assert group_positions(positions, GroupingConfig(1, 99)).n_groups == 30
    assert group_positions(positions, GroupingConfig(2, None)).group_indices.shape == (30, 4)


@pytest.mark.parametrize(
    ("n_scan", "config", "words"),
    [
        (3, GroupingConfig(2, 3), "needs 4 positions but the scan has only 3"),
        (0, GroupingConfig(1, 3), "only 0"),
        (50, GroupingConfig(3, 10, neighbor_count=6), "6 is smaller than the 9 members"),
    ],
)
def test_what_cannot_be_grouped_is_explained(n_scan: int, config: GroupingConfig, words: str) -> None:
    with pytest.raises(GroupingError, match=words) as caught:
        group_positions(np.random.default_rng(0).random((n_scan, 2)), config)
    assert caught.value.hint


@settings(max_examples=40, deadline=None)
@given(
    n_scan=st.integers(1, 60),
    gridsize=st.integers(1, 3),
    neighbor_count=st.integers(1, 12),
    seed=st.integers(0, 99),
    distinct=st.integers(1, 60),
)
def test_every_position_is_first_in_exactly_one_group(
    n_scan: int, gridsize: int, neighbor_count: int, seed: int, distinct: int
) -> None:
    random = np.random.default_rng(seed)
    positions = random.random((distinct, 2))[random.integers(0, distinct, n_scan)] * 50
    if n_scan < gridsize**2:
        with pytest.raises(GroupingError):
            cover_positions(positions, gridsize, neighbor_count, seed)
        return
    cover = cover_positions(positions, gridsize, neighbor_count, seed)
    assert cover.group_indices.shape == (n_scan, gridsize**2)
    assert cover.group_indices[:, 0].tolist() == list(range(n_scan))
    assert all(len(set(members)) == gridsize**2 for members in cover.group_indices.tolist())
    rebuilt = cover.group_centers[:, None] + cover.local_offsets
    np.testing.assert_allclose(rebuilt, positions[cover.group_indices], atol=1e-9)
    np.testing.assert_allclose(cover.local_offsets.mean(axis=1), 0, atol=1e-9)


def test_partners_are_near_and_drawn_evenly() -> None:
    rows, columns = np.divmod(np.arange(900), 30)
    positions = np.stack([rows, columns], axis=1) * 5.0
    cover = cover_positions(positions, 2, 8, seed=1)
    inner = (rows > 2) & (rows < 27) & (columns > 2) & (columns < 27)
    apart = positions[cover.group_indices[inner, 1:]] - positions[inner][:, None]
    assert np.abs(apart).max() == 5.0
    kinds, counts = np.unique(apart.reshape(-1, 2), axis=0, return_counts=True)
    assert len(kinds) == 8
    assert counts.min() > 0.7 * counts.mean()
    again = cover_positions(positions, 2, 8, seed=1)
    np.testing.assert_array_equal(cover.group_indices, again.group_indices)
    assert not np.array_equal(cover.group_indices, cover_positions(positions, 2, 8, seed=2).group_indices)


@pytest.mark.parametrize("config", [GroupingConfig(n_groups=40), GroupingConfig(n_groups=300), GroupingConfig()])
def test_members_are_the_neighbours_of_their_own_position(config: GroupingConfig) -> None:
    positions = np.random.default_rng(4).uniform(0, 100, (150, 2))
    drawn = group_positions(positions, config)
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1)
    nearest = np.argsort(apart, axis=1)[:, 1 : config.neighbor_count + 1]
    for members in drawn.group_indices:
        assert any(np.isin(members, row).all() for row in nearest)
    members = positions[drawn.group_indices]
    np.testing.assert_allclose(drawn.group_centers, members.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(drawn.local_offsets, members - members.mean(axis=1, keepdims=True), atol=1e-12)


def test_a_grouping_cannot_be_changed() -> None:
    drawn = cover_positions(np.random.default_rng(4).uniform(0, 100, (30, 2)), 2, 6, seed=0)
    for array in (drawn.group_indices, drawn.group_centers, drawn.local_offsets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
