"""The pictures of a canvas, figures of patches, coverage, curves and exports."""

import json

import numpy as np
import pytest

from app.display.canvas_pictures import VIEWS, View, canvas_picture, coverage_count, describe_offsets, truth_on_canvas
from app.display.curves import drawable, running_mean
from app.display.density import PointBins, nearest_point
from app.display.exports import csv_bytes, json_bytes, with_suffix
from app.display.patch_numbers import misfit, patch_numbers, scale_factor, shown_values
from ptycho_engine.arrays import ComplexArray, frozen_array
from ptycho_engine.diagnostics.patch_stats import patch_stats
from ptycho_engine.documents import AmplitudeScale, Canvas

RNG = np.random.default_rng(5)
OBJECT = frozen_array(RNG.uniform(0.5, 1, (20, 24)) * np.exp(1j * RNG.uniform(-1, 1, (20, 24))), np.complex64)
FACTOR = 3.0 * np.exp(0.4j)


def _canvas() -> Canvas:
    part = np.zeros((10, 12), np.complex64)
    part[:8] = OBJECT[4:12, 6:18] * FACTOR
    weight = np.zeros((10, 12), np.float32)
    weight[:8] = 1
    return Canvas(part, weight, (4, 6), np.array([[8.0, 12.0], [9.0, 11.0]]), 8, 4, network_per_physical=3.0)


def _truth() -> ComplexArray:
    truth = truth_on_canvas(_canvas(), OBJECT)
    assert truth is not None
    return truth


@pytest.mark.parametrize("view", list(VIEWS))
def test_every_view_names_what_it_shows(view: View) -> None:
    picture = canvas_picture(_canvas(), view, "network", _truth())
    assert picture is not None
    assert picture.values.shape == (10, 12)
    assert picture.title
    assert picture.label
    assert picture.levels[1] > picture.levels[0]


def test_the_scale_changes_amplitude_by_the_factor_and_its_name() -> None:
    network = canvas_picture(_canvas(), "amplitude", "network", None)
    physical = canvas_picture(_canvas(), "amplitude", "physical", None)
    assert network is not None
    assert physical is not None
    np.testing.assert_allclose(network.values[:8], 3 * physical.values[:8], rtol=1e-6)
    np.testing.assert_allclose(physical.values[:8], np.abs(OBJECT[4:12, 6:18]), rtol=1e-5)
    assert np.isnan(physical.values[8:]).all()
    assert "network" in network.label
    assert "transmission" in physical.label


def test_differences_vanish_where_only_a_constant_factor_differs() -> None:
    for view in ("amplitude difference", "phase difference"):
        picture = canvas_picture(_canvas(), view, "network", _truth())
        assert picture is not None
        np.testing.assert_allclose(picture.values[:8], 0, atol=1e-5)
        assert np.isnan(picture.values[8:]).all()


def test_views_of_a_known_object_need_one() -> None:
    assert canvas_picture(_canvas(), "true phase", "network", None) is None
    assert truth_on_canvas(_canvas(), None) is None


def test_the_known_object_is_cut_at_the_origin_of_the_canvas_and_nan_beyond_its_edge() -> None:
    beyond = Canvas(np.zeros((6, 6), np.complex64), np.zeros((6, 6), np.float32), (-2, 21), np.zeros((0, 2)), 4, 2)
    truth = truth_on_canvas(beyond, OBJECT)
    assert truth is not None
    np.testing.assert_array_equal(truth[2:, :3], OBJECT[:4, 21:])
    assert np.isnan(truth[:2]).all()
    assert np.isnan(truth[:, 3:]).all()


def test_coverage_counts_each_patch_once() -> None:
    positions = RNG.uniform(20, 40, (50, 2))
    count, origin = coverage_count(positions, 8)
    slow = np.zeros_like(count)
    for y, x in np.floor(positions - 4 + 0.5).astype(int) - origin:
        slow[y : y + 8, x : x + 8] += 1
    np.testing.assert_array_equal(count, slow)
    assert coverage_count(np.zeros((0, 2)), 8)[0].size == 0


def test_offsets_are_told_in_words_x_first() -> None:
    text = describe_offsets(np.array([[-3.0, 1.0], [3.0, -1.0]]))
    assert text == "dx 0 ± 1.0, max 1.0 · dy 0 ± 3.0, max 3.0 px"


def test_the_figures_of_patches_are_those_of_the_statistics_file() -> None:
    patches = RNG.random((6, 8, 8)).astype(np.float32)
    numbers, stats = patch_numbers(patches), patch_stats(patches[:, None], "train", 0)
    assert numbers.mean == pytest.approx(stats.global_mean, rel=1e-12)
    assert numbers.std == pytest.approx(stats.global_std, rel=1e-12)
    assert numbers.var_zero_mean == pytest.approx(stats.var_zero_mean, rel=1e-12)
    assert np.isnan(patch_numbers(np.zeros((0, 8, 8), np.float32)).mean)


def test_amplitude_scales_follow_their_definitions() -> None:
    patches = np.full((1, 2, 2), 2j, np.complex64)
    scales: dict[AmplitudeScale, float] = {"network": 2.0, "physical": 0.5, "photon": 20.0}
    for scale, expected in scales.items():
        factor = scale_factor(scale, 4.0, 10.0)
        np.testing.assert_allclose(shown_values(patches, "amplitude", factor), expected)
    np.testing.assert_allclose(shown_values(patches, "phase", 7.0), np.pi / 2)


def test_the_misfit_is_relative_to_what_was_measured() -> None:
    assert misfit(np.array([1.0, 3.0]), np.array([2.0, 2.0])) == pytest.approx(0.5)
    assert np.isnan(misfit(np.ones(2), np.zeros(2)))


def test_points_are_binned_by_their_mean() -> None:
    points = RNG.uniform(0, 10, (5000, 2))
    bins = PointBins(points).mean(points[:, 0])
    rows = np.nanmean(bins.mean, axis=1)
    centres = bins.origin[0] + bins.bin_size[0] * (np.arange(len(rows)) + 0.5)
    np.testing.assert_allclose(rows, centres, atol=bins.bin_size[0])
    assert np.isnan(PointBins(points).mean(np.full(5000, np.nan)).mean).all()


def test_the_nearest_point_is_found_in_row_and_column() -> None:
    points = np.array([[0.0, 10.0], [10.0, 0.0]])
    assert nearest_point(points, 9, 1) == 1
    assert nearest_point(points, 1, 9) == 0
    assert nearest_point(np.zeros((0, 2)), 1, 1) is None


def test_a_running_mean_keeps_its_length_and_passes_over_gaps() -> None:
    values = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    np.testing.assert_allclose(running_mean(values, 3), [1.5, 1.5, 3.0, 4.5, 4.5])
    np.testing.assert_array_equal(running_mean(values, 1), values)
    np.testing.assert_array_equal(drawable(np.array([0.0, -1, 2, np.inf]), log=True), [np.nan, np.nan, 2, np.nan])


def test_exports_are_plain_text_without_nan() -> None:
    assert csv_bytes(("a", "b"), [(1, "x,y")]) == b'a,b\n1,"x,y"\n'
    assert json.loads(json_bytes({"a": float("nan"), "b": [1.5, float("inf")]})) == {"a": None, "b": [1.5, None]}
    assert with_suffix("/tmp/run.1/grid", ".png").name == "grid.png"
    assert with_suffix("grid.PNG", ".png").name == "grid.PNG"
