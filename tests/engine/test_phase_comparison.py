"""Training against inference: the figures of the table, and the cause in words."""

import math

import numpy as np
import pytest

from ptycho_engine.config import ModelConfig
from ptycho_engine.diagnostics.patch_stats import patch_stats
from ptycho_engine.diagnostics.phase_comparison import (
    causes,
    comparison_rows,
    inference_figures,
    training_figures,
)
from ptycho_engine.documents import Bundle, PatchStats

RECORDED = (
    PatchStats("train", 0, 16, 0.000416, 0.000803, 6.44e-07, ()),
    PatchStats("inference", 0, 16, 1080.26, 1997.34, 3988776.25, ()),
)
"""The figures of November 2025."""
NETWORK = Bundle("net", None, "2026-07", ModelConfig(), {}, 988.21, "computed", input_scale=0.0123)


def stats(values: np.ndarray, phase: str, batch: int = 0) -> PatchStats:
    return patch_stats(values, phase, batch)


def patches(level: float, contrast: float = 0.3, n: int = 8) -> np.ndarray:
    rng = np.random.default_rng(3)
    return level * (1 + contrast * rng.standard_normal((n, 1, 16, 16))).clip(0.01)


def test_the_recorded_case_is_a_factor_of_millions_not_of_billions() -> None:
    rows = {row.name: row for row in comparison_rows(training_figures(RECORDED[:1]), inference_figures(RECORDED[1:]))}
    assert rows["mean"].ratio == pytest.approx(1080.26 / 0.000416)
    assert rows["var(zero-mean)"].ratio == pytest.approx(6.19375e12, rel=1e-4)
    assert rows["var(zero-mean)"].amplitude_factor == pytest.approx(math.sqrt(3988776.25 / 6.44e-07))
    assert rows["min"].ratio is None
    square, level = causes(RECORDED[:1], RECORDED[1:])
    assert "6.19e+12" in square
    assert "2.49e+06 times in amplitude" in square
    assert "2.6e+06" in level
    assert "not at the level of the training" in level


def test_the_batches_of_an_inference_are_described_as_one() -> None:
    whole = patches(2.0, n=12) * np.linspace(1, 2, 12)[:, None, None, None]
    parts = [stats(whole[:8], "inference", 0), stats(whole[8:], "inference", 1)]
    figures, one = inference_figures(parts), stats(whole, "inference")
    assert figures is not None
    assert figures.mean == pytest.approx(one.global_mean, rel=1e-12)
    assert figures.std == pytest.approx(one.global_std, rel=1e-3)
    assert figures.var_zero_mean == pytest.approx(one.var_zero_mean, rel=1e-12)
    assert figures.described == "2 batches, 12 groups"


def test_a_training_is_described_as_it_was_at_its_end() -> None:
    entries = [stats(patches(9.0), "train", 0), stats(patches(1.0), "train", 63)]
    figures = training_figures(entries)
    assert figures is not None
    assert figures.mean == entries[1].global_mean
    assert "batch 63" in figures.described


@pytest.mark.parametrize(
    ("inference", "words"),
    [
        (patches(1.05), "same level"),
        (patches(988.21), "photon amplitude"),
        (patches(1 / (4 * 0.0123)), "physical amplitude"),
        (patches(9444.0), "not at the level of the training"),
        (patches(1.0, 0.001), "collapsed"),
        (np.zeros((4, 1, 16, 16)), "exactly zero"),
        (np.full((4, 1, 16, 16), np.nan), "not finite"),
        (np.full((4, 1, 16, 16), 2.0), "a constant"),
    ],
)
def test_the_cause_is_told_in_words(inference: np.ndarray, words: str) -> None:
    found = causes([stats(patches(1.0), "train")], [stats(inference, "inference")], NETWORK)
    assert words in found[-1]
    assert sum("same level" in line for line in found) == (words == "same level")


def test_a_training_and_an_inference_without_contrast_are_named() -> None:
    flat = [stats(patches(2.0, 0.004), phase) for phase in ("train", "inference")]
    level, contrast = causes(flat[:1], flat[1:], NETWORK)
    assert "same level" in level
    assert "hardly absorbs" in contrast


def test_ones_in_place_of_a_known_object_are_named() -> None:
    (line,) = causes([stats(np.ones((4, 1, 8, 8)), "train")], [])
    assert "no known object" in line


def test_a_canvas_is_not_taken_for_patches() -> None:
    canvas = np.zeros((1, 1, 40, 40))
    canvas[..., 8:32, 8:32] = 2.4
    described = [stats(canvas, "inference")]
    first, *rest = causes([stats(patches(0.78), "train")], described, NETWORK)
    assert "stitched canvas" in first
    assert not any("level of the training" in line for line in rest)
    # A group of one patch without an empty border is a patch.
    assert "stitched canvas" not in causes([stats(patches(1.0), "train")], [stats(patches(1.0, n=1), "inference")])[0]
    assert causes([], [])[:1] == ()


def test_nothing_is_concluded_from_two_networks() -> None:
    training, inference = [stats(patches(1.0), "train")], [stats(patches(1000.0), "inference")]
    assert "input" in " ".join(causes(training, inference))
    (line,) = causes(training, inference, one_network=False)
    assert "another network" in line
