"""Each diagnosis of a scan: a file that raises it through ``inspect``, and healthy ones that do not."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.arrays import frozen_array
from ptycho_engine.diagnostics.diagnoses import DIAGNOSES, diagnose
from ptycho_engine.diagnostics.diagnoses.scan_axes import unexplained
from ptycho_engine.diagnostics.diagnoses.scan_evidence import CountEvidence, PatternEvidence, PositionEvidence
from ptycho_engine.diagnostics.illumination import probe_diameter
from ptycho_engine.diagnostics.patterns import level_kind, sampled_patterns, survey
from ptycho_engine.documents import ArrayInfo, Dataset
from ptycho_engine.events import DiagnosisFound, Progressed
from ptycho_engine.examination import examine_dataset, findings
from ptycho_engine.formats.frames import ArrayFrames
from tests.benchmarks.diagnosis_counts import BROKEN, simulated
from tests.helpers.scan_files import inspected, told, written

SHARED = Path(os.environ.get("PTYCHOSCOPE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
BRIGHT = 8
"""A scan of cells at 5e6 photons under a Gaussian, plain roots of counts aside: every way of breaking it shows."""


@pytest.fixture(scope="module")
def scan() -> Dataset:
    return simulated(BRIGHT).dataset


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_scan_is_named(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, broken = BROKEN[kind]
    found = inspected(capsys, written(broken(simulated(BRIGHT)), tmp_path / "scan.npz"))
    assert name in found
    assert any(character.isdigit() for character in found[name]["message"])
    assert found[name]["hint"].endswith(".")
    assert found[name]["values"]
    assert found[name]["place"] in ("dataset", "scan")


@pytest.mark.parametrize("number", range(9))
def test_a_healthy_scan_raises_nothing_above_info(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = inspected(capsys, written(simulated(number).dataset, tmp_path / "scan.npz"))
    assert [one["id"] for one in found.values() if one["severity"] != "info"] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference data is not beside the checkout")
@pytest.mark.parametrize("part", ["train", "test", "val"])
def test_a_real_scan_raises_nothing_above_info(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = inspected(capsys, SHARED / "data" / f"run1084_{part}.npz")
    assert [one["id"] for one in found.values() if one["severity"] != "info"] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference data is not beside the checkout")
def test_a_real_scan_with_swapped_axes_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(SHARED / "data" / "run1084_train.npz") as file:
        arrays = {key: file[key] for key in ("diff3d", "xcoords", "ycoords", "probeGuess")}
    arrays["xcoords"], arrays["ycoords"] = arrays["ycoords"], arrays["xcoords"]
    np.savez(tmp_path / "swapped.npz", **arrays)
    assert inspected(capsys, tmp_path / "swapped.npz")["swapped-axes"]["severity"] == "error"


@pytest.mark.parametrize("number", [42, 96])
def test_counting_noise_hides_no_negated_axis(number: int) -> None:
    """Few photons: the right placement leaves much too, so that the wrong one is not 1.5 times worse."""
    scan = simulated(number).dataset
    negated = replace(scan, scan_positions=frozen_array(scan.scan_positions * [1, -1], np.float64))
    (found,) = (one for one in findings(examine_dataset(negated)) if one.id == "swapped-axes")
    at_best, as_given = found.values["left_at_best"], found.values["left_as_given"]
    assert isinstance(at_best, float)
    assert isinstance(as_given, float)
    assert as_given < 1.5 * at_best
    assert "swapped-axes" not in {one.id for one in findings(examine_dataset(scan))}


def test_deflections_of_noise_tell_of_no_axis() -> None:
    """Patterns of nothing but the probe and counting noise."""
    scan = simulated(BRIGHT).dataset
    light = np.square(np.abs(np.fft.fftshift(np.fft.fft2(scan.probe[0]))))
    for seed in range(8):
        counts = np.random.default_rng(seed).poisson(1e3 * light / light.sum(), (scan.n_scan, 64, 64))
        noise = replace(scan, frames=ArrayFrames(np.sqrt(counts).astype(np.float32)))
        assert "swapped-axes" not in {one.id for one in findings(examine_dataset(noise))}


def test_one_position_too_few_is_named_and_the_file_is_bad(
    scan: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    y, x = scan.scan_positions.T
    lines = told(capsys, "inspect", str(written(scan, tmp_path / "s.npz", ycoords=y[1:], xcoords=x[1:])), status=3)
    assert [line["event"] for line in lines] == ["error", "result"]
    (finding,) = lines[0]["diagnoses"]
    assert finding["id"] == "positions-mismatch"
    assert finding["severity"] == "error"
    assert finding["values"] == {"n_patterns": len(y), "n_y": len(y) - 1, "n_x": len(y) - 1}


def test_another_mistake_of_the_file_is_an_error_and_no_diagnosis(
    scan: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(scan, tmp_path / "scan.npz", probeGuess=np.ones((3, 4)))
    assert told(capsys, "inspect", str(path), status=3)[0]["event"] == "error"


def test_integers_whose_squares_overflow_are_named(
    scan: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = scan.frames.read(slice(None))
    top = values.max()
    small = np.rint(values * (200 / top)).astype(np.uint16)
    assert "integer-overflow-risk" not in inspected(capsys, written(scan, tmp_path / "small.npz", diff3d=small))
    large = np.rint(values * (300 / top)).astype(np.uint16)
    found = inspected(capsys, written(scan, tmp_path / "large.npz", diff3d=large))
    assert found["integer-overflow-risk"]["values"] == {"greatest": 300.0, "limit": 65535.0}


def test_amplitudes_that_are_called_counts_are_named(
    scan: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = np.array('{"physics_parameters": {"measurement_domain": "count_intensity"}}')
    found = inspected(capsys, written(scan, tmp_path / "scan.npz", _metadata=words))
    assert found["intensity-not-amplitude"]["values"]["looks_like"] == "amplitude"
    counts = simulated(BRIGHT).counts
    assert "intensity-not-amplitude" not in inspected(
        capsys, written(scan, tmp_path / "counts.npz", diff3d=counts, _metadata=words)
    )


def test_repeated_positions_are_a_remark(scan: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    y, x = (part.copy() for part in scan.scan_positions.T)
    y[7], x[7] = y[8], x[8]
    found = inspected(capsys, written(scan, tmp_path / "scan.npz", ycoords=y, xcoords=x))
    assert found["duplicate-positions"]["severity"] == "info"
    assert found["duplicate-positions"]["values"]["n_repeated"] == 1


def test_every_registered_diagnosis_of_a_scan_is_tested_here() -> None:
    elsewhere = {"positions-mismatch", "integer-overflow-risk", "duplicate-positions"}
    kinds = (CountEvidence, PositionEvidence, PatternEvidence)
    assert {check.id for check in DIAGNOSES if check.evidence in kinds} == elsewhere | {
        name for name, _ in BROKEN.values()
    }


def test_positions_are_told_of_before_the_patterns_are_read(scan: Dataset) -> None:
    broken = replace(scan, scan_positions=frozen_array(scan.scan_positions * 1e-9, np.float64))
    events = list(examine_dataset(broken))
    assert isinstance(events[0], DiagnosisFound)
    counts = [(event.n_done, event.n_total) for event in events if isinstance(event, Progressed)]
    assert counts[-1] == (scan.n_scan, scan.n_scan)
    assert counts[0][0] < scan.n_scan


def test_the_diameter_of_a_disk_and_of_a_gaussian() -> None:
    axis = np.arange(128) - 64
    radius = np.hypot(axis[:, None], axis[None])
    assert probe_diameter((radius < 20)[None].astype(np.complex64)) == pytest.approx(40, rel=0.01)
    # |P|² = exp(-r²/w²) has the diameter 2 sqrt(2) w.
    gaussian = np.exp(-(radius**2) / (2 * 9.0**2))[None].astype(np.complex64)
    assert probe_diameter(gaussian) == pytest.approx(2 * math.sqrt(2) * 9.0, rel=0.01)


def test_a_gradient_is_explained_by_a_potential_and_a_curl_is_not() -> None:
    positions = np.random.default_rng(0).uniform(0, 60, (120, 2))
    y, x = 2 * np.pi * positions[:, 0] / 60, np.pi * positions[:, 1] / 60
    # Of a product of cosines, up to a factor.
    gradient = np.stack([2 * np.sin(y) * np.cos(x), np.cos(y) * np.sin(x)], axis=1)
    assert unexplained(positions, gradient) < 0.01
    curl = np.stack([-gradient[:, 1], gradient[:, 0]], axis=1)
    assert unexplained(positions, curl) > 0.3
    assert unexplained(positions, gradient[:, ::-1]) > 0.15
    assert unexplained(1e-9 * positions, gradient) == pytest.approx(unexplained(positions, gradient))


def test_the_steps_of_counting_are_told_from_their_roots() -> None:
    counts = np.arange(1, 40, dtype=float)
    assert level_kind(0.37 * counts) == "intensity"
    assert level_kind(0.37 * np.sqrt(counts)) == "amplitude"
    assert level_kind(np.sqrt(counts + 100)) == "unknown"
    assert level_kind(np.random.default_rng(1).uniform(1, 9, 200)) == "unknown"


def test_a_long_scan_is_sampled_where_it_is_dense_and_everywhere() -> None:
    class Frames(ArrayFrames):
        @property
        def shape(self) -> tuple[int, int, int]:
            return 40_000, 64, 64

    positions = np.random.default_rng(0).uniform(0, 2000, (40_000, 2))
    long = Dataset(
        "long", None, Frames(np.zeros((1, 64, 64), np.float32)), positions, np.ones((1, 64, 64), np.complex64)
    )
    chosen = sampled_patterns(long)
    assert 300 < len(chosen) <= 400
    assert (chosen[0], chosen[-1]) == (0, 39_999)
    inside = np.hypot(*(positions[chosen] - 1000).T) < 100
    assert inside.sum() > 150
    compressed = replace(long, arrays=(ArrayInfo("diff3d", (40_000, 64, 64), "float32", 1 << 30, True, "diffraction"),))
    assert sampled_patterns(compressed).tolist() == list(range(400))


def test_dark_patterns_alone_do_not_break_the_examination(scan: Dataset) -> None:
    dark = replace(scan, frames=ArrayFrames(np.zeros(scan.frames.shape, np.float32)))
    reading = survey(dark)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            figures = end.value
            break
    assert [one.id for one in diagnose(PatternEvidence(dark, figures))] == ["unusable-patterns"]
