"""The benchmark's references do the same work, its ratios are right, and its table tells all of it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_engine.benchmarks.c_stitch import CStitch
from ptycho_engine.benchmarks.data import first_frame, first_frame_by_numpy, write_frames
from ptycho_engine.benchmarks.grouping import groups_by_loop, own_groups, raster_like, tree_query
from ptycho_engine.benchmarks.growth import growth_row, slope
from ptycho_engine.benchmarks.inference import engine_job, engine_patches, plain_images, plain_patches
from ptycho_engine.benchmarks.measuring import Timing, in_turns, peak_bytes
from ptycho_engine.benchmarks.row import OWN, Limit, Row, at_most, faster, within
from ptycho_engine.benchmarks.samples import simulated_scan, untrained_bundle
from ptycho_engine.benchmarks.settings import BenchSettings
from ptycho_engine.benchmarks.stitching import move_whole_canvases, random_patches, scatter_corners, stitch
from ptycho_engine.benchmarks.suite import BENCHMARKS
from ptycho_engine.benchmarks.table import figures_text, row_text
from ptycho_engine.benchmarks.training import PlainLoop, training_parts
from ptycho_engine.benchmarks.window import window
from ptycho_engine.cli import bench, main
from ptycho_engine.models.pinn import build_model


class _Clock:
    """CPU time that only the work itself moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def take(self, *seconds: float) -> "_Work":
        return _Work(self, seconds)


class _Work:
    def __init__(self, clock: _Clock, seconds: tuple[float, ...]) -> None:
        self.clock, self.seconds, self.runs = clock, seconds, 0

    def __call__(self) -> None:
        self.clock.now += self.seconds[self.runs % len(self.seconds)]
        self.runs += 1


def test_ways_take_turns_and_ratios_are_of_the_same_round() -> None:
    clock = _Clock()
    own, other = clock.take(1.0, 1.0, 1.0, 2.0, 4.0), clock.take(3.0, 3.0, 6.0, 6.0, 6.0)
    timings = in_turns({OWN: own, "other": other}, 3, clock)
    assert timings[OWN].seconds == (1.0, 2.0, 4.0)
    assert timings["other"].seconds == (6.0, 6.0, 6.0)
    figure = faster(">= 2x", 2, timings[OWN], timings["other"])
    assert (figure.value, figure.low, figure.high, figure.verdict) == (3.0, 1.5, 6.0, "yes")
    assert within("<= 0.3x", 0.3, timings[OWN], timings["other"]).verdict == "no"
    assert faster(">= 9x", 9, timings[OWN], timings["other"], applies=False).verdict == "-"


def test_short_work_is_repeated_and_its_repeats_divided_out() -> None:
    clock = _Clock()
    quick = clock.take(0.001)
    assert in_turns({OWN: quick}, 2, clock)[OWN].seconds == pytest.approx((0.001, 0.001))
    assert quick.runs == 2 + 2 * 10


def test_peak_memory_counts_what_is_held_at_once() -> None:
    def work() -> float:
        return sum(float(np.ones(1 << 20, np.uint8)[0]) for _ in range(8))

    assert 1 << 20 <= peak_bytes(work) < 3 << 20


def test_all_ways_to_stitch_give_the_same_canvas() -> None:
    patches, positions = random_patches(24, 16, 60)
    stitcher = stitch(patches, positions, 16)
    canvas = stitcher.canvas("network", 1.0)
    height, width = canvas.object_.shape
    corners = positions - 8 - np.array(stitcher.origin_px)
    total = canvas.object_ * canvas.weight
    for way in (scatter_corners, move_whole_canvases):
        real, imaginary, weight = way(patches, corners, height, width).numpy().reshape(3, height, width)
        np.testing.assert_allclose(real + 1j * imaginary, total, atol=2e-4)
        np.testing.assert_allclose(weight, canvas.weight, atol=2e-4)
    kernel = CStitch.build()
    if kernel is None:
        pytest.skip("needs a C compiler")
    summed, weight = kernel.stitch(patches, corners, height, width)
    np.testing.assert_allclose(summed, total, atol=2e-5)
    np.testing.assert_allclose(weight, canvas.weight, atol=2e-5)


def test_the_plain_network_draws_what_the_engine_draws(tmp_path: Path) -> None:
    bundle = untrained_bundle("full_patch_cnn")
    job = engine_job(bundle, simulated_scan(tmp_path, 20), 20)
    plain = plain_patches(build_model(bundle), plain_images(job))
    assert plain.shape == (20, 64, 64)
    np.testing.assert_allclose(engine_patches(job), plain, atol=1e-5)


def test_the_plain_loop_has_the_losses_of_the_engine(tmp_path: Path) -> None:
    trainer, scan, batch = training_parts(simulated_scan(tmp_path, 20), 4, "32")
    plain = PlainLoop(trainer.plan, 42, batch, scan.scene)
    for _ in range(3):
        torch.testing.assert_close(trainer.step(batch).loss, plain.step(), rtol=1e-4, atol=0)


def test_both_ways_to_open_a_scan_give_its_first_pattern(tmp_path: Path) -> None:
    for compressed in (False, True):
        write_frames(tmp_path / "scan.npz", 3, compressed=compressed)
        assert np.array_equal(first_frame(tmp_path / "scan.npz"), first_frame_by_numpy(tmp_path / "scan.npz"))


def test_all_ways_to_group_choose_among_the_nearest() -> None:
    positions = raster_like(200)
    nearest = tree_query(positions)
    for members in (own_groups(positions), groups_by_loop(positions)):
        assert members.shape == (200, 4)
        assert all(set(group) <= set(near) for group, near in zip(members, nearest, strict=True))


def test_growth_tells_the_exponent() -> None:
    assert slope([1, 10, 100], [3.0, 300.0, 30000.0]) == pytest.approx(2.0)
    row = growth_row("copy", 10_000, "numbers", lambda count: np.ones(count).copy, 2)
    assert row.values["exponent_of_memory"] == pytest.approx(1.0, abs=0.05)


def test_a_row_survives_the_way_between_two_processes() -> None:
    timings = {OWN: Timing((1.0, 2.0)), "other": Timing((4.0, 4.0))}
    figures = (faster(">= 3x", 3, *timings.values()), at_most("<= 1 MB", 1, 2.0, "MB"))
    row = Row("window", "case", timings, figures, Limit("memory", 0.5), {"memory_MB": 2.0}, "note")
    assert Row.from_dict(json.loads(json.dumps(row.as_dict()))) == row
    text = row_text(row)
    assert "yes  >= 3x: 3x (2 to 4)" in text
    assert "no   <= 1 MB: 2 MB" in text
    assert "limit: memory" in text
    assert "33 %" in text
    assert figures_text([row]).count("window: case") == 2


def test_a_window_that_does_not_run_is_left_out_with_its_reason() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no PySide6 here')"]
    (row,) = window(BenchSettings(), command)
    assert "no PySide6 here" in row.note
    assert not row.figures


def test_the_verb_writes_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(bench.NAMES) == set(BENCHMARKS)
    out = tmp_path / "bench.json"
    assert main(["bench", "--quick", "--rounds", "2", "--only", "data", "--json", "--out", str(out)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    written = json.loads(out.read_text())
    assert [line["event"] for line in told] == ["message_logged", "measured", "measured", "result"]
    assert written["rows"] == told[-1]["rows"]
    assert written["machine"]["torch"] == torch.__version__
    assert main(["bench", "--rounds", "1"]) == 2
