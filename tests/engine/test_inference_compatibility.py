"""The verb ``infer`` in the way of older releases: what each does, and what it says of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_engine.artefacts.reconstruction import read_reconstruction
from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.cli import main
from ptycho_engine.config import InferConfig, ModelConfig, options_of
from ptycho_engine.documents import Bundle, Canvas, Dataset, PatchStats
from ptycho_engine.errors import ConfigError, GroupingError
from ptycho_engine.events import EngineEvent, InferenceCompleted, MessageLogged, StatsMeasured
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.grouping import subsets_of_neighbors
from ptycho_engine.inference import infer
from ptycho_engine.inference_compatibility import MODES
from ptycho_engine.inference_job import inference_groups, prepare_inference
from ptycho_engine.models.pinn import build_model, build_network, state_of
from ptycho_engine.physics.scaling import dataset_input_scale
from tests.helpers.tiny_scan import tiny_scan

CPU = InferConfig(accelerator="cpu", batch_size=64, preview_interval_s=3600.0)


def _canvas(events: list[EngineEvent]) -> Canvas:
    completed = events[-1]
    assert isinstance(completed, InferenceCompleted)
    return completed.canvas


def _warnings(events: list[EngineEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, MessageLogged) and event.level == "warning"]


def _stats(events: list[EngineEvent]) -> list[PatchStats]:
    return [event.stats for event in events if isinstance(event, StatsMeasured)]


def _tiny_bundle(gridsize: int = 1, *, probe_big: bool = True) -> Bundle:
    model = ModelConfig(gridsize=gridsize, n_filters_scale=1, probe_big=probe_big)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        state = state_of(build_network(model))
    return Bundle("tiny", None, "2026-07", model, state, 9.88, "made up", input_scale=1.0, n_photons=1e5)


def _infer(bundle: Bundle, dataset: Dataset | None = None, **settings: Any) -> list[EngineEvent]:
    keywords = {name: settings.pop(name) for name in ("debug_dump",) if name in settings}
    return list(infer(dataset or tiny_scan(), bundle, replace(CPU, **settings), **keywords))


# --- the barycentric route of July 2026 ---


@pytest.mark.parametrize("recorded", [None, (0.0, 0.5), "?"])
def test_the_barycentric_route_takes_the_bounds_that_a_bundle_records(recorded: Any) -> None:
    dataset, data = tiny_scan(), {"n_subsample": 2} | ({} if recorded is None else {"x_bounds": recorded})
    bundle = replace(_tiny_bundle(), provenance={"upstream_records": {"data_config": data}})
    low, high = recorded if isinstance(recorded, tuple) else (0.1, 0.9)
    y, x = dataset.scan_positions.T
    inside = (x >= x.min() + low * np.ptp(x)) & (x <= x.min() + high * np.ptp(x))
    inside &= (y >= y.min() + 0.1 * np.ptp(y)) & (y <= y.min() + 0.9 * np.ptp(y))
    assert 0 < inside.sum() < len(inside)
    groups = inference_groups(dataset, bundle, replace(CPU, compatibility="2026-07-barycentric"))
    np.testing.assert_array_equal(groups.group_indices[:, 0], np.repeat(np.flatnonzero(inside), 2))


def test_groups_around_a_position_hold_neighbours_and_itself() -> None:
    positions = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    chosen = np.arange(0, 36, 2)
    drawn = subsets_of_neighbors(positions, chosen, channels=4, neighbor_count=6, n_subsets=50, seed=1)
    assert drawn.group_indices.shape == (18 * 50, 4)
    for index, position in enumerate(chosen):
        apart = np.hypot(*(positions[chosen] - positions[position]).T)
        members = np.unique(drawn.group_indices[50 * index : 50 * index + 50])
        assert position in members
        assert len(members) == 7
        assert set(members) <= set(chosen[apart <= np.sort(apart)[6] + 1e-9])
    with pytest.raises(GroupingError, match="needs 4 positions"):
        subsets_of_neighbors(positions, chosen[:3], channels=4, neighbor_count=6, n_subsets=1, seed=1)


# --- November 2025 ---

REACH = (43.94439697265625, 91.17556762695312)
"""Greatest (|dy|, |dx|) of the recorded run of 14 November 2025 [px]."""


def _wide_scan() -> Dataset:
    """Return a scan with the recorded reach of offsets about its mean, its first position a whole pixel from there."""
    dy, dx = REACH
    offsets = np.array([[-9.0, 17.0], [dy, dx], [-dy, -dx], [3.5, -60.25], [5.5, 43.25], [0.0, 0.0]])
    small = tiny_scan()
    return Dataset(
        name="wide",
        path=None,
        frames=ArrayFrames(small.diffraction(np.arange(len(offsets)))),
        scan_positions=offsets - offsets.mean(axis=0) + 200.0,
        probe=small.probe,
    )


@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_canvas_of_november_2025_holds_the_first_patch_alone(gridsize: int, tmp_path: Path) -> None:
    # Networks of that release drew the middle of a patch only.
    bundle, dataset = _tiny_bundle(gridsize, probe_big=False), _wide_scan()
    events = _infer(
        bundle,
        dataset,
        compatibility="2025-11",
        batch_size=2,
        log_patch_stats=True,
        debug_dump=tmp_path,
    )
    canvas = _canvas(events)
    assert canvas.object_.shape == (247, 247)
    job = prepare_inference(dataset, bundle, replace(CPU, compatibility="2025-11"), torch.device("cpu"))
    (predicted,) = job.predictions()
    raw = torch.from_numpy(dataset.diffraction(slice(0, 1)) * np.float32(bundle.intensity_scale))
    with torch.inference_mode():
        copies = raw[None].expand(1, gridsize**2, 64, 64)
        first = build_model(bundle)(copies)[0].numpy()
    np.testing.assert_allclose(predicted.patches[0], first, atol=1e-5)
    amplitude = float(np.abs(first[0]).mean())
    assert np.abs(canvas.object_).mean() == pytest.approx(amplitude * 64**2 / 247**2, rel=1e-5)
    # At plus its offset: (-9, 17) from the middle, a patch being put at floor((247 - 64)/2) = 91.
    np.testing.assert_allclose(canvas.object_[82:146, 108:172], first[0], atol=1e-5)
    slots = len(dataset.scan_positions) * gridsize**2
    assert canvas.dropped == slots - 1
    figures = json.loads((tmp_path / "canvas.json").read_text())
    assert (figures["patch_size"], figures["canvas_size"], figures["num_patch_slots"]) == (64, 247, slots)
    assert (figures["max_abs_dy"], figures["max_abs_dx"]) == pytest.approx(REACH, abs=1e-9)
    (stats,) = _stats(events)
    amplitudes = np.abs(predicted.patches).astype(np.float64)
    assert (stats.batch_idx, stats.batch_size) == (0, len(dataset.scan_positions))
    assert stats.global_mean == pytest.approx(amplitudes.mean())
    assert stats.global_std == pytest.approx(amplitudes.std(ddof=1))
    spread = amplitudes - amplitudes.mean(axis=(2, 3), keepdims=True)
    assert stats.var_zero_mean == pytest.approx(np.mean(spread**2))
    expected = [(index, one.mean(), one.std(ddof=1), one.min(), one.max()) for index, one in enumerate(amplitudes[:4])]
    np.testing.assert_allclose(stats.per_patch, expected, rtol=1e-5)


@pytest.mark.shared_data
def test_a_network_of_november_2025_makes_its_canvas(golden_dir: Path) -> None:
    bundle = read_bundle(golden_dir / "era_nov2025_gs2_untrained" / "wts.h5.zip")
    dataset = _wide_scan()
    events = _infer(bundle, dataset, compatibility="2025-11", log_patch_stats=True)
    canvas = _canvas(events)
    (stats,) = _stats(events)
    # All its members have one amplitude, so the first group's mean is that of the first patch.
    assert canvas.object_.shape == (247, 247)
    assert np.abs(canvas.object_).mean() == pytest.approx(stats.per_patch[0][1] * 64**2 / 247**2, rel=1e-5)
    assert canvas.network_per_physical == pytest.approx(bundle.model.probe_scale * bundle.intensity_scale)


# --- what is said ---


def test_every_choice_has_its_release() -> None:
    assert options_of(InferConfig)["compatibility"][0].choices == ("none", *MODES)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("2025-11", ("only the first patch", "times as bright as in training")),
        ("2026-07", ("point-mirrored",)),
        ("2026-07-barycentric", ("patterns twice as bright", "outer tenth")),
    ],
)
def test_the_result_names_the_mode_and_what_it_does(mode: str, words: tuple[str, ...]) -> None:
    events = _infer(_tiny_bundle(2), compatibility=mode)
    assert _canvas(events).mode == mode
    (warning,) = _warnings(events)
    assert all(word in warning for word in words)
    assert "Phases are left as drawn, nothing is refined" in warning


def test_how_much_too_bright_the_patterns_are_is_told() -> None:
    dataset = tiny_scan()
    factor = 9.88 / dataset_input_scale(dataset)
    assert f"{factor:.4g} times as bright" in _warnings(_infer(_tiny_bundle(), compatibility="2025-11"))[0]
    assert "times as bright" not in _warnings(_infer(_tiny_bundle(), compatibility="2026-07"))[0]


def test_settings_without_effect_are_named() -> None:
    events = _infer(_tiny_bundle(), compatibility="2026-07", weights="probe", seed=1, crop=16)
    assert _warnings(events)[1] == "Compatibility 2026-07 has no use for weights, seed"
    assert _canvas(events).crop == 16


@pytest.mark.parametrize("mode", list(MODES))
def test_refinement_is_refused(mode: str) -> None:
    with pytest.raises(ConfigError, match="refined nothing"):
        _infer(_tiny_bundle(), compatibility=mode, refine=1)


def test_a_number_of_groups_is_refused_where_the_whole_scan_is_taken() -> None:
    with pytest.raises(ConfigError, match="takes every pattern"):
        _infer(_tiny_bundle(), compatibility="2026-07-barycentric", n_groups=3)


def test_no_ramp_is_fitted() -> None:
    same = [_canvas(_infer(_tiny_bundle(), compatibility="2026-07", fit_ramp=align)) for align in (True, False)]
    assert np.array_equal(same[0].object_, same[1].object_)


def test_the_command_line_names_the_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan, bundle, out = tmp_path / "scan.npz", tmp_path / "wts.h5.zip", tmp_path / "result"
    assert main(["simulate", str(scan), "--n-scan", "12", "--object", "cells", "--test-fraction", "0", "--quiet"]) == 0
    save_bundle(_tiny_bundle(), bundle)
    words = ["infer", "--bundle", str(bundle), "--data", str(scan), "--out", str(out), "--accelerator", "cpu"]
    capsys.readouterr()
    assert main([*words, "--compatibility", "2025-11", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["canvas"]["mode"] == "2025-11"
    assert json.loads((out / "metrics.json").read_text())["mode"] == "2025-11"
    assert read_reconstruction(out / "reconstruction.npz").canvas.mode == "2025-11"
    assert main([*words, "--compatibility", "2026-07", "--refine", "3"]) == 3
    assert "refined nothing" in capsys.readouterr().err
