import numpy as np
import pytest
import torch

from ptycho_engine.batches import GroupBatches
from ptycho_engine.config import GroupingConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.grouping import group_positions
from ptycho_engine.preview import RateLimit, choose_groups


def _dataset(n_scan: int = 30) -> Dataset:
    rng = np.random.default_rng(0)
    frames = rng.random((n_scan, 8, 8)).astype(np.float32)
    return Dataset("scan", None, ArrayFrames(frames), rng.random((n_scan, 2)) * 40, np.ones((1, 8, 8), np.complex64))


def _batches(resident_bytes: int | None) -> GroupBatches:
    dataset = _dataset()
    grouping = group_positions(dataset.scan_positions, GroupingConfig(2, 20, 6, 3))
    return GroupBatches(dataset, grouping, 1.7, torch.device("cpu"), 8, resident_bytes)


def test_resident_and_streamed_batches_are_equal() -> None:
    resident, streamed = _batches(None), _batches(0)
    assert resident.resident
    assert not streamed.resident
    groups = resident.order(5, 2)[:8]
    one, other = resident.batch(groups), streamed.batch(groups)
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.local_offsets, other.local_offsets)
    assert one.images.shape == (8, 4, 8, 8)
    assert one.images.is_contiguous(memory_format=torch.channels_last)


def test_images_are_amplitudes_times_the_scale_in_float32() -> None:
    batches = _batches(None)
    groups = np.array([3, 0])
    expected = batches.dataset.frames.read(batches.grouping.group_indices[groups].ravel()) * np.float32(1.7)
    np.testing.assert_array_equal(batches.batch(groups).images.numpy().reshape(expected.shape), expected)


def test_order_depends_on_seed_and_epoch_only() -> None:
    batches = _batches(None)
    np.testing.assert_array_equal(batches.order(1, 4), _batches(0).order(1, 4))
    assert not np.array_equal(batches.order(1, 4), batches.order(1, 5))
    assert not np.array_equal(batches.order(1, 4), batches.order(2, 4))
    assert sorted(batches.order(1, 4)) == list(range(20))


def test_slices_continue_where_a_run_was_left() -> None:
    batches = _batches(None)
    order = batches.order(0, 0)
    every, rest = list(batches.slices(order)), list(batches.slices(order, 1))
    assert [len(part) for part in every] == [8, 8, 4] == batches.sizes()
    np.testing.assert_array_equal(np.concatenate(every), order)
    np.testing.assert_array_equal(np.concatenate(rest), order[8:])


@pytest.mark.parametrize(("n_groups", "count"), [(100, 36), (100, 35), (7, 36), (1, 1), (40, 40), (500, 2)])
def test_chosen_groups_are_distinct_and_spread(n_groups: int, count: int) -> None:
    centers = np.random.default_rng(0).random((n_groups, 2)) * 100
    chosen = choose_groups(centers, count)
    assert len(set(chosen.tolist())) == min(n_groups, count)
    if count >= 35 and n_groups == 100:
        for axis in (0, 1):
            assert np.ptp(centers[chosen, axis]) > 70


def test_chosen_groups_lie_as_in_the_scan() -> None:
    y, x = np.mgrid[:12, :12]
    centers = np.stack([y.ravel(), x.ravel()], axis=1).astype(float)
    rows = centers[choose_groups(centers, 36)].reshape(6, 6, 2)
    assert (np.diff(rows[:, :, 0].mean(axis=1)) > 0).all()
    assert (np.diff(rows[:, :, 1], axis=1) >= 0).all()


def test_previews_keep_to_the_interval_and_to_a_tenth_of_the_time() -> None:
    now = [0.0]
    limit = RateLimit(0.5, lambda: now[0])
    assert limit.due()
    limit.begin()
    limit.end()
    now[0] = 0.4
    assert not limit.due()
    now[0] = 0.5
    assert limit.due()
    limit.begin()
    now[0] = 1.5
    limit.end()
    now[0] = 11.4
    assert not limit.due()
    now[0] = 11.5
    assert limit.due()
