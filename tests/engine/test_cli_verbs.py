import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ptycho_engine
from ptycho_engine.artefacts.reconstruction import read_reconstruction
from ptycho_engine.bundles import read_bundle
from ptycho_engine.cli import main
from ptycho_engine.formats import read_dataset

SMALL = ("--gridsize", "1", "--n-groups", "6", "--batch-size", "3", "--n-filters-scale", "1", "--accelerator", "cpu")


def _json(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no strict JSON")

    return [json.loads(line, parse_constant=refuse) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated scan, a run trained on it, and its reconstruction."""
    folder = tmp_path_factory.mktemp("cli")
    scan, test = str(folder / "scan.npz"), str(folder / "scan_test.npz")
    assert main(["simulate", scan, "--n-scan", "16", "--object", "cells", "--quiet"]) == 0
    words = ["train", "--data", scan, "--test-data", test, "--out", str(folder / "run"), *SMALL, "--epochs", "2"]
    assert main([*words, "--log-patch-stats", "--patch-stats-limit", "2", "--deterministic", "--quiet"]) == 0
    words = ["infer", "--bundle", str(folder / "run" / "wts.h5.zip"), "--data", test, "--out", str(folder / "result")]
    words += ["--debug-dump", str(folder / "dump"), "--log-patch-stats", "--patch-stats-limit", "2"]
    assert main([*words, "--accelerator", "cpu", "--n-groups", "all", "--crop", "auto", "--quiet"]) == 0
    return folder


def test_simulate_splits_off_a_test_scan(made: Path) -> None:
    whole = read_dataset(made / "scan.npz").n_scan
    part = read_dataset(made / "scan_test.npz").n_scan
    assert (whole, part) == (12, 4)


def test_the_recorded_flags_give_every_artefact(made: Path) -> None:
    expected = {
        "run": ["run.json", "events.jsonl", "metrics.csv", "wts.h5.zip", "analysis/torch_patch_stats.json",
                "analysis/torch_patch_grid.png", "checkpoints/epoch-0002.ckpt"],
        "result": ["run.json", "events.jsonl", "reconstruction.npz", "reconstructed_amplitude.png", "metrics.json",
                   "reconstructed_phase.png", "analysis/torch_patch_stats_inference.json",
                   "analysis/torch_patch_grid_inference.png"],
        "dump": ["canvas.json", "offsets.json", "stats.json", "pred_patches_amp_grid.png",
                 "pred_patches_amp_grid_normalized.png"],
    }  # fmt: skip
    missing = [f"{folder}/{name}" for folder, names in expected.items() for name in names
               if not (made / folder / name).is_file()]  # fmt: skip
    assert not missing
    assert len(json.loads((made / "run" / "analysis" / "torch_patch_stats.json").read_text())) == 2
    assert read_bundle(made / "run" / "wts.h5.zip").model.gridsize == 1
    assert read_reconstruction(made / "result" / "reconstruction.npz").dataset == "scan_test"


def test_metrics_table_holds_steps_and_epochs(made: Path) -> None:
    with (made / "run" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    told = [next(name for name in ("train_loss", "epoch_train_loss", "r_factor") if row[name]) for row in rows]
    assert told == ["train_loss", "train_loss", "epoch_train_loss", "r_factor"] * 2
    assert rows[2]["epoch_validation_loss"]
    assert float(rows[3]["poisson_deviance"]) > 0


def test_json_tells_all_events_and_ends_with_the_result(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = str(made / "scan.npz")
    assert main(["train", "--data", scan, "--out", str(tmp_path / "run"), *SMALL, "--epochs", "1", "--json"]) == 0
    lines = _json(capsys)
    names = [line["event"] for line in lines]
    assert {"job_started", "step_done", "loss_measured", "patch_preview", "epoch_done", "bundle_saved"} <= set(names)
    assert names[-2:] == ["training_completed", "result"]
    assert lines[-1]["bundle"] == str(tmp_path / "run" / "wts.h5.zip")
    words = ["infer", "--bundle", lines[-1]["bundle"], "--data", scan, "--out", str(tmp_path / "o"), "--json"]
    assert main([*words, "--ground-truth", "none", "--accelerator", "cpu"]) == 0
    lines = _json(capsys)
    assert lines[-1]["event"] == "result"
    assert lines[-1]["metrics"] is None


def test_text_is_for_people(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, scan = str(made / "run" / "wts.h5.zip"), str(made / "scan.npz")
    assert main(["infer", "--bundle", bundle, "--data", scan, "--out", str(tmp_path), "--accelerator", "cpu"]) == 0
    text = capsys.readouterr().out
    assert "12 patches on a canvas" in text
    assert "against the known object: amplitude correlation" in text
    assert "{" not in text


def test_ground_truth_can_come_from_another_file(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, scan = str(made / "run" / "wts.h5.zip"), str(made / "scan.npz")
    words = ["infer", "--bundle", bundle, "--data", scan, "--out", str(tmp_path), "--accelerator", "cpu", "--json"]
    assert main([*words, "--ground-truth", str(made / "scan_test.npz")]) == 0
    assert _json(capsys)[-1]["metrics"]["n_pixels"] > 0


def test_resume_and_refusal_to_overwrite(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--data", str(made / "scan.npz"), "--test-data", str(made / "scan_test.npz")]
    words += ["--out", str(made / "run"), *SMALL]
    assert main([*words, "--epochs", "2"]) == 4
    assert "would be overwritten" in capsys.readouterr().err
    assert main([*words, "--epochs", "3", "--resume", "--quiet"]) == 0
    assert main([*words, "--epochs", "3", "--batch-size", "2", "--resume"]) == 3


def test_inspect_tells_kinds_by_content(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = made / "network.bin"
    odd.write_bytes((made / "run" / "wts.h5.zip").read_bytes())
    checkpoint = next((made / "run" / "checkpoints").glob("*.ckpt"))
    files = [made / "scan.npz", odd, checkpoint, made / "run", made / "dump", made / "result" / "reconstruction.npz"]
    assert main(["inspect", *map(str, files), "--json", "--layers", "--frames"]) == 0
    lines = _json(capsys)
    kinds = ["dataset", "bundle", "checkpoint", "run", "dump", "reconstruction"]
    assert [line["kind"] for line in lines[:-1]] == kinds
    dataset, bundle = lines[0]["summary"], lines[1]
    assert dataset["frames"]["total_mean"] > 0
    assert bundle["summary"]["layers"][0]["shape"]
    assert bundle["diagnoses"][0]["id"] == "scale-is-fallback"
    assert "sqrt(n_photons)/(N/2)" in bundle["diagnoses"][0]["message"]
    assert lines[-1]["event"] == "result"


def test_a_bad_file_does_not_stop_the_rest(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, empty = tmp_path / "bad.zip", tmp_path / "empty"
    bad.write_bytes(b"no archive")
    empty.mkdir()
    files = [str(bad), str(empty), str(made / "scan.npz"), str(tmp_path / "missing")]
    assert main(["inspect", *files, "--json"]) == 3
    lines = _json(capsys)
    assert [line["event"] for line in lines] == ["error", "error", "inspected", "error", "result"]
    assert [line["file"] for line in lines if line["event"] == "error"] == [files[0], files[1], files[3]]
    assert main(["inspect", str(made / "scan.npz"), str(made / "run" / "wts.h5.zip")]) == 0
    assert "scan.npz: dataset" in capsys.readouterr().out


def test_public_names_load_and_work(made: Path) -> None:
    assert set(ptycho_engine.__all__) <= set(dir(ptycho_engine))
    for name in ptycho_engine.__all__:
        assert getattr(ptycho_engine, name) is not None
    with pytest.raises(AttributeError):
        _ = ptycho_engine.no_such_name
    dataset = ptycho_engine.read_dataset(made / "scan.npz")
    bundle = ptycho_engine.read_bundle(made / "run" / "wts.h5.zip")
    model = ptycho_engine.build_model(bundle, device="cpu")
    assert bundle.input_scale is not None
    shown = torch.from_numpy(dataset.diffraction(slice(0, 2))[:, None] * np.float32(bundle.input_scale))
    patches = model(shown)
    amplitude = ptycho_engine.predict_amplitude(model, patches, np.zeros((2, 1, 2)), dataset.probe)
    assert amplitude.shape == (2, 1, 64, 64)
    assert amplitude.dtype == torch.float32
