"""Each diagnosis of a bundle and of a result: a case that raises it through the headless program, and healthy ones."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles import write as bundle_writer
from ptycho_engine.cli import main
from ptycho_engine.diagnostics.canvas_fit import predict_from_canvas
from ptycho_engine.diagnostics.diagnoses import DIAGNOSES, diagnose
from ptycho_engine.diagnostics.diagnoses.bundle import BundleEvidence
from ptycho_engine.diagnostics.diagnoses.pairing import PairEvidence
from ptycho_engine.diagnostics.diagnoses.placements import PLACEMENTS
from ptycho_engine.diagnostics.diagnoses.result import noise_r_factor
from ptycho_engine.diagnostics.diagnoses.result_evidence import ResultEvidence
from ptycho_engine.documents import Bundle, Dataset
from ptycho_engine.formats import read_dataset
from ptycho_engine.formats.frames import ArrayFrames
from ptycho_engine.geometry.canvas import CanvasStitcher, extract_patches, stitch_weights
from ptycho_engine.physics.scaling import dataset_input_scale
from tests.helpers.scan_files import inspected, told, written

DEMO = Path(__file__).resolve().parents[2] / "resources" / "demo" / "wts.h5.zip"
SHARED = Path(os.environ.get("PTYCHOSCOPE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ALL = ("--test-fraction", "0")
HEAD = "model.autoencoder.decoder_amp.head.conv3"
PHASE_HEAD = "model.autoencoder.decoder_phase.head.conv3"
needs_golden = pytest.mark.skipif(not SHARED.is_dir(), reason="the reference data is not beside the checkout")


@pytest.fixture(scope="module")
def scan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of a specimen like those that the shipped network has learned."""
    path = tmp_path_factory.mktemp("scan") / "scan.npz"
    words = ["simulate", str(path), "--n-scan", "40", "--object", "cells", "--seed", "7", *ALL, "--quiet"]
    assert main(words) == 0
    return path


@pytest.fixture(scope="module")
def scan(scan_path: Path) -> Dataset:
    return read_dataset(scan_path)


def _inferred(
    capsys: pytest.CaptureFixture[str], scan: Path, out: Path, *words: str, bundle: Path = DEMO
) -> dict[str, dict[str, Any]]:
    lines = told(
        capsys,
        "infer",
        *("--bundle", str(bundle), "--data", str(scan), "--out", str(out), "--accelerator", "cpu"),
        *("--neighbor-count", "6"),
        *words,
    )
    found = {one["id"]: one for one in lines[-1]["diagnoses"]}
    printed = {line["diagnosis"]["id"] for line in lines if line["event"] == "diagnosis_found"}
    assert printed == set(found)
    return found


def _serious(found: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, one in found.items() if one["severity"] != "info"}


def test_a_healthy_result_raises_nothing_above_info(
    scan_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _serious(_inferred(capsys, scan_path, tmp_path)) == set()


def test_the_story_of_november_2025(
    scan_path: Path, scan: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _inferred(capsys, scan_path, tmp_path, "--compatibility", "2025-11")
    assert {"input-scale-mismatch", "scale-is-fallback", "canvas-coverage"} <= set(found)
    frames = scan.frames.read(slice(None)).astype(np.float64)
    # Raw amplitudes times S, over amplitudes brought to a mean total of (N/2)².
    expected = np.sqrt(1e5) / 32 * np.sqrt(np.square(frames).sum(axis=(1, 2)).mean()) / 32
    assert found["input-scale-mismatch"]["values"]["factor"] == pytest.approx(expected, rel=1e-4)
    assert "the normalisation k is missing: S/k" in found["input-scale-mismatch"]["message"]
    assert found["canvas-coverage"]["values"]["n_shown"] == 1
    assert found["canvas-coverage"]["values"]["n_placed"] == 40


def test_the_story_of_july_2026(scan_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _inferred(capsys, scan_path, tmp_path, "--compatibility", "2026-07")
    assert _serious(found) == {"mirrored-placement"}


@pytest.mark.parametrize(
    ("change", "name"),
    [(lambda yx: -yx, "mirrored-placement"), (lambda yx: yx * [1, -1], "swapped-axes")],
    ids=["both negated", "x negated"],
)
def test_wrong_positions_show_in_the_patches(
    change: Any, name: str, scan: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    y, x = np.asarray(change(scan.scan_positions)).T
    path = written(scan, tmp_path / "scan.npz", ycoords=y, xcoords=x)
    found = _inferred(capsys, path, tmp_path / "out")
    assert found[name]["severity"] == "error"
    assert found[name]["place"] in ("canvas", "scan")


def _changed(path: Path, **values: Any) -> Path:
    """Save the shipped network with some of its tensors changed."""
    bundle = read_bundle(DEMO)
    state = dict(bundle.state)
    for name, value in values.items():
        key = name.replace("__", ".")
        state[key] = np.full_like(state[key], value)
    bundle_writer.save_bundle(replace(bundle, state=state), path)
    return path


def test_a_network_that_draws_nothing_or_a_constant(
    scan_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, phase = HEAD.replace(".", "__"), PHASE_HEAD.replace(".", "__")
    dark = _changed(tmp_path / "dark.h5.zip", **{f"{head}__weight": 0.0, f"{head}__bias": -60.0})
    assert "dead-output" in _serious(_inferred(capsys, scan_path, tmp_path / "dark", bundle=dark))
    flat = {f"{one}__{part}": 0.0 for one in (head, phase) for part in ("weight", "bias")}
    found = _inferred(capsys, scan_path, tmp_path / "flat", bundle=_changed(tmp_path / "flat.h5.zip", **flat))
    assert found["flat-amplitude"]["severity"] == "error"
    assert found["flat-amplitude"]["values"]["amplitude_variation"] < 1e-5


def test_a_scan_that_the_network_cannot_read_is_a_poor_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.npz"
    words = ["simulate", str(other), "--n-scan", "40", "--object", "shapes", "--probe", "gaussian", *ALL, "--quiet"]
    assert main(words) == 0
    finding = _inferred(capsys, other, tmp_path / "out")["poor-fit"]
    assert finding["severity"] == "warning"
    assert finding["values"]["r_factor"] > finding["values"]["empty_r_factor"]


def test_a_scan_of_another_side_is_named_before_it_is_refused(
    scan_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.npz"
    assert main(["simulate", str(other), "--n-scan", "16", "--n", "128", "--quiet"]) == 0
    words = ("infer", "--bundle", str(DEMO), "--data", str(other), "--out", str(tmp_path / "out"))
    lines = told(capsys, *words, "--accelerator", "cpu", status=3)
    found = [line["diagnosis"] for line in lines if line["event"] == "diagnosis_found"]
    assert ("bundle-dataset-mismatch", "error") in {(one["id"], one["severity"]) for one in found}
    assert lines[-1]["event"] == "error"


def test_what_else_does_not_go_together(scan: Dataset) -> None:
    bundle = read_bundle(DEMO)
    assert diagnose(PairEvidence(scan, bundle)) == []
    few = replace(scan, frames=ArrayFrames(scan.frames.read(slice(0, 3))), scan_positions=scan.scan_positions[:3])
    grouped = replace(bundle, model=replace(bundle.model, gridsize=2))
    assert [one.severity for one in diagnose(PairEvidence(few, grouped))] == ["error"]
    counting = replace(
        bundle, params={"measurement_domain": "count_intensity", "physics_forward_mode": "rectangular_scaled"}
    )
    assert [one.severity for one in diagnose(PairEvidence(scan, counting))] == ["warning"]
    assert diagnose(PairEvidence(replace(scan, measurement="intensity"), counting)) == []
    assert [one.severity for one in diagnose(PairEvidence(replace(scan, n_photons=1e9), bundle))] == ["info"]


# Bundles


def test_a_sound_bundle_has_a_remark_on_its_scale_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = inspected(capsys, DEMO)
    assert set(found) == {"scale-is-fallback"}
    assert found["scale-is-fallback"]["severity"] == "info"
    learned = tmp_path / "learned.h5.zip"
    bundle_writer.save_bundle(replace(read_bundle(DEMO), intensity_scale=7.7), learned)
    assert inspected(capsys, learned) == {}


def test_weights_that_are_not_finite_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_writer, "_require_sound", lambda bundle: None)
    found = inspected(capsys, _changed(tmp_path / "bad.h5.zip", **{f"{HEAD.replace('.', '__')}__bias": np.nan}))
    assert found["non-finite-weights"]["values"] == {"n_not_finite": 1, "n_tensors": 1, "first": f"{HEAD}.bias"}


@needs_golden
@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("gs1", True),
        ("gs2", True),
        ("era_nov2025_gs2_untrained", False),
        ("ci_rect_realimag_gs2_untrained", False),
    ],
)
def test_untrained_weights_are_told_from_trained_ones(
    name: str, trained: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    found = inspected(capsys, SHARED / "golden" / name / "wts.h5.zip")
    assert ("weights-untrained" in found) != trained
    assert found["scale-is-fallback"]["severity"] == "info"


@pytest.mark.parametrize("draw", ["torch", "he"])
def test_fresh_draws_and_a_single_step_of_training(draw: str) -> None:
    import torch

    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(4 * 2**i, 8 * 2**i, 3) for i in range(4)]
    state = {}
    for number, layer in enumerate(layers):
        if draw == "he":
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.constant_(layer.get_parameter("bias"), 0.0)
        for part in ("weight", "bias"):
            state[f"layers.{number}.{part}"] = layer.get_parameter(part).detach().numpy()
    bundle = replace(read_bundle(DEMO), state=state)
    assert "weights-untrained" in _ids(bundle)
    # A step of Adam moves each weight by about the learning rate.
    signs = np.random.default_rng(1)
    moved = {name: value + 1e-3 * signs.choice([-1.0, 1.0], value.shape) for name, value in state.items()}
    assert "weights-untrained" not in _ids(replace(bundle, state=moved))


def _ids(bundle: Bundle) -> set[str]:
    return {one.id for one in diagnose(BundleEvidence(bundle))}


# Results, from known patches


def _evidence(scan: Dataset, **changes: Any) -> ResultEvidence:
    """What a perfect network would have drawn."""
    assert scan.object_ is not None
    bundle = read_bundle(DEMO)
    k = dataset_input_scale(scan)
    factor = np.float32(bundle.model.probe_scale * k)
    positions = scan.scan_positions
    patches = extract_patches(scan.object_, positions, scan.n) * factor
    stitcher = CanvasStitcher(positions, scan.n, scan.n // 2, stitch_weights("uniform", scan.n // 2))
    stitcher.add(patches, positions)
    waves = np.fft.fft2(patches * scan.probe[0] / bundle.model.probe_scale, norm="ortho")
    values: dict[str, Any] = {
        "dataset": scan,
        "bundle": bundle,
        "canvas": stitcher.canvas("network", float(factor)),
        "n_placed": len(patches),
        "input_scale": k,
        "normal_scale": k,
        "placed_with": PLACEMENTS["as given"],
        "frame_indices": np.arange(len(patches)),
        "positions": positions,
        "patches": patches,
        "measured": scan.frames.read(slice(None)) * np.float32(k),
        "predicted": np.abs(np.fft.fftshift(waves, axes=(1, 2))).astype(np.float32),
    }
    return ResultEvidence(**(values | changes))


def test_true_patches_raise_nothing(scan: Dataset) -> None:
    evidence = _evidence(scan)
    assert diagnose(evidence) == []
    noise = noise_r_factor(evidence.fit.predicted, evidence.photon_scale)
    assert noise is not None
    assert evidence.fit.r_factor == pytest.approx(noise, rel=0.1)


def test_a_release_that_mirrors_is_told_of_where_patches_agree_nowhere(scan: Dataset) -> None:
    noise = np.random.default_rng(3).standard_normal((2, scan.n_scan, scan.n, scan.n)).astype(np.float32)
    patches = (noise[0] + 1j * noise[1]).astype(np.complex64)
    mirrored = _evidence(scan, patches=patches, placed_with=PLACEMENTS["both axes negated"])
    found = {one.id: one for one in diagnose(mirrored)}
    assert "do not show it" in found["mirrored-placement"].message
    assert "mirrored-placement" not in {one.id for one in diagnose(_evidence(scan, patches=patches))}
    # Of a file that is mirrored itself, the release makes the right canvas.
    y_x = -scan.scan_positions
    twice = _evidence(scan, positions=y_x, placed_with=PLACEMENTS["both axes negated"])
    assert "mirrored-placement" not in {one.id for one in diagnose(twice)}


@pytest.mark.parametrize("name", [name for name in PLACEMENTS if name != "as given"])
def test_true_patches_tell_every_wrong_placement(name: str, scan: Dataset) -> None:
    # Placed at M p where p is right: the inverse of M is what would mend it.
    found = diagnose(_evidence(scan, placed_with=PLACEMENTS[name]))
    wanted = "mirrored-placement" if name == "both axes negated" else "swapped-axes"
    assert [one.id for one in found] == [wanted]
    if wanted == "swapped-axes":
        best = PLACEMENTS[str(found[0].values["best"])]
        np.testing.assert_allclose(best @ PLACEMENTS[name], np.eye(2))


@pytest.mark.parametrize(
    ("used", "words"),
    [
        (lambda k, s: 1.0, "raw patterns went in"),
        (lambda k, s: s, "S/k"),
        (lambda k, s: s * k, "multiplied in as well"),
        (lambda k, s: 2 * k, "N² instead of"),
        (lambda k, s: 17.0 * k, "no known normalisation"),
    ],
)
def test_the_missing_normalisation_is_named(used: Any, words: str, scan: Dataset) -> None:
    evidence = _evidence(scan)
    k, s = evidence.normal_scale, evidence.bundle.intensity_scale
    found = diagnose(replace(evidence, input_scale=used(k, s)))
    assert [one.id for one in found] == ["input-scale-mismatch"]
    assert words in found[0].message
    assert found[0].values["factor"] == pytest.approx(used(k, s) / k)


def test_a_few_lost_patches_are_a_remark_and_many_an_error(scan: Dataset) -> None:
    evidence = _evidence(scan)
    for dropped, placed, severity in ((1, 200, "info"), (10, 64, "warning"), (40, 64, "error")):
        found = diagnose(replace(evidence, canvas=replace(evidence.canvas, dropped=dropped), n_placed=placed))
        assert [(one.id, one.severity) for one in found] == [("canvas-coverage", severity)]


def test_a_patch_that_is_not_finite_is_found(scan: Dataset) -> None:
    evidence = _evidence(scan)
    patches = evidence.patches.copy()
    patches[3, 5, 5] = np.nan
    found = diagnose(replace(evidence, patches=patches))
    assert [one.id for one in found] == ["dead-output"]
    assert found[0].values["n_not_finite"] == 1


def test_a_canvas_predicts_what_it_covers(scan: Dataset) -> None:
    evidence = _evidence(scan)
    far = np.concatenate([scan.scan_positions[:1] + 500.0, scan.scan_positions])
    predicted, good = predict_from_canvas(evidence.canvas, scan.probe, far, evidence.bundle.model.probe_scale)
    assert not good[0]
    assert len(predicted) == np.count_nonzero(good) > 8
    true = evidence.predicted[good[1:]]
    # The canvas is blurred by the stitching of positions between pixels, and ends before the light does.
    assert np.abs(predicted - true).sum() < 0.15 * true.sum()


def test_every_registered_diagnosis_of_a_result_is_tested_here() -> None:
    results = {check.id for check in DIAGNOSES if check.evidence is ResultEvidence}
    assert results == {
        "input-scale-mismatch",
        "dead-output",
        "flat-amplitude",
        "mirrored-placement",
        "swapped-axes",
        "canvas-coverage",
        "poor-fit",
    }
