"""What differs is found, nothing else is, and the worst comes first."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_engine.artefacts.reconstruction import Reconstruction, write_reconstruction
from ptycho_engine.bundles import save_bundle
from ptycho_engine.bundles.checkpoint import Checkpoint, save_checkpoint
from ptycho_engine.cli import main
from ptycho_engine.comparison import Comparison, Difference, compare_files
from ptycho_engine.comparison.differences import array_difference, value_distance
from ptycho_engine.documents import Bundle, Canvas
from ptycho_engine.errors import InputError
from ptycho_engine.physics.simulate import make_object
from tests.helpers.hostile_datasets import scan
from tests.helpers.save_again_and_again import two_bundles


def by_name(found: Comparison) -> dict[str, Difference]:
    return {each.name: each for each in found.differences}


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (1, 1, 0), (1, 1.0, 0), (2, 1, 0.5), (-1, 1, 2), (0, 0.0, 0), (0, 3, 1), ("a", "a", 0), ("a", "b", 1),
        (None, None, 0), (None, 0, 1), (True, 1, 1), ([1, 2], [1, 2], 0), ([1, 2], [1, 3], 1),
    ],
)  # fmt: skip
def test_values_have_a_distance(a: Any, b: Any, distance: float) -> None:
    assert value_distance(a, b) == distance
    assert value_distance(b, a) == distance


def test_arrays_have_the_distance_of_their_norms() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 3, 500)) + 1j * random.normal(size=(2, 3, 500))
    found = array_difference("tensors", "t", a, b)
    assert found is not None
    expected = np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b))
    assert found.distance == pytest.approx(expected, rel=1e-12)
    assert f"greatest {np.abs(a - b).max():.4g}" in found.detail
    assert array_difference("tensors", "t", a, a.copy()) is None


def test_what_is_not_finite_is_the_worst_unless_it_is_so_in_both() -> None:
    a = np.array([1.0, np.nan, np.inf, 2.0])
    assert array_difference("t", "t", a, a.copy()) is None
    b = np.array([1.0, np.nan, 5.0, 2.0])
    found = array_difference("t", "t", a, b)
    assert found is not None
    assert found.distance == math.inf
    assert "1 values finite in one only" in found.detail
    only = array_difference("t", "t", None, b)
    assert only is not None
    assert (only.a, only.detail) == ("absent", "only in the second")


@pytest.fixture
def bundles(tmp_path: Path) -> tuple[Path, Path, Bundle]:
    one = two_bundles()[0]
    names = list(one.state)
    changed = dict(one.state)
    changed[names[0]] = changed[names[0]] * np.float32(1.001)
    changed[names[1]] = changed[names[1]] * np.float32(1.5)
    other = replace(one, state=changed, intensity_scale=494.1, n_photons=2.5e8)
    save_bundle(replace(one, n_photons=1e9), tmp_path / "a.zip")
    save_bundle(other, tmp_path / "b.zip")
    return tmp_path / "a.zip", tmp_path / "b.zip", one


def test_two_bundles_differ_where_they_were_changed(bundles: tuple[Path, Path, Bundle]) -> None:
    a, b, one = bundles
    found = compare_files(a, b)
    assert found.kind == "bundle"
    distances = [each.distance for each in found.differences]
    assert distances == sorted(distances, reverse=True)
    tensors = {each.name: each for each in found.differences if each.part == "tensors"}
    names = list(one.state)
    assert list(tensors) == [names[1], names[0]]
    assert tensors[names[1]].distance == pytest.approx(1 - 1 / 1.5, rel=1e-5)
    assert tensors[names[0]].distance == pytest.approx(1 - 1 / 1.001, rel=1e-3)
    assert found.n_same["tensors"] == len(names) - 2
    assert (by_name(found)["n_photons"].a, by_name(found)["n_photons"].b) == (1e9, 2.5e8)
    vector = np.concatenate([value.ravel() for value in one.state.values()])
    assert found.figures["norms"][0] == pytest.approx(float(np.linalg.norm(vector.astype(np.float64))), rel=1e-6)
    assert "diffraction_to_obj/model.pth" in found.figures["members_of_other_content"]


def test_a_bundle_does_not_differ_from_its_copy(bundles: tuple[Path, Path, Bundle], tmp_path: Path) -> None:
    a = bundles[0]
    copy = tmp_path / "copy.zip"
    copy.write_bytes(a.read_bytes())
    found = compare_files(a, copy)
    assert found.differences == ()
    assert found.figures["relative_norm"] == 0
    assert found.figures["sha256"][0] == found.figures["sha256"][1]


def test_two_scans_differ_where_they_were_changed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a = scan()(tmp_path / "a")
    patterns = np.load(a)["diff3d"]
    patterns[3] *= 2
    b = scan(diff3d=patterns, xcoords=np.linspace(10, 20, 5) + 0.5, more=np.zeros(3))(tmp_path / "b")
    found = by_name(compare_files(a, b))
    assert set(found) == {"amplitude", "scan_positions [px]", "more"}
    assert "1 of 5 patterns differ; the worst is 3 (0.5)" in found["amplitude"].detail
    assert "greatest 0.5" in found["scan_positions [px]"].detail
    assert (found["more"].a, found["more"].b) == ("absent", "3 float64")


def test_two_checkpoints_and_two_kinds(tmp_path: Path, bundles: tuple[Path, Path, Bundle]) -> None:
    for name, step in (("a.ckpt", 3), ("b.ckpt", 4)):
        save_checkpoint(Checkpoint({"w": np.ones(3, np.float32)}, {}, {"progress": {"step": step}}), tmp_path / name)
    found = compare_files(tmp_path / "a.ckpt", tmp_path / "b.ckpt")
    assert [(each.part, each.name) for each in found.differences] == [("values", "progress.step")]
    with pytest.raises(InputError, match=r"is a checkpoint, and .* is a bundle"):
        compare_files(bundles[0], tmp_path / "a.ckpt")
    (tmp_path / "canvas.json").write_text('{"patch_size": 64}')
    with pytest.raises(InputError, match="is a dump, which cannot be compared"):
        compare_files(tmp_path, tmp_path)


@pytest.mark.shared_data
def test_the_reference_runs_differ_in_gridsize_and_losses(golden_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", str(golden_dir / "gs1"), str(golden_dir / "gs2")]
    assert main([*words, "--json"]) == 0
    compared, result = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert result["n_differences"] == len(compared["differences"]) == compared["n_differences"]
    found = {(each["part"], each["name"]): each for each in compared["differences"]}
    assert (found["model", "gridsize"]["a"], found["model", "gridsize"]["b"]) == (1, 2)
    first = found["tensors", "model.autoencoder.encoder.blocks.0.conv1.weight"]
    assert first["distance"] == "infinite"
    # The last row of each metrics.csv.
    assert found["losses", "poisson_train_loss_epoch.last"]["a"] == 599236672.0
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "gridsize: 1 | 2" in text
    assert "smaller ones (--limit 0 shows all)" in text


def test_reconstructions_are_compared_after_registration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = make_object("cells", (96, 96), seed=3)
    weight, positions = np.ones(truth.shape, np.float32), np.zeros((1, 2))
    files = []
    for name, values in (("a", truth), ("b", np.roll(truth, (2, -1), (0, 1)) * np.complex64(4j))):
        canvas = Canvas(values.astype(np.complex64), weight, (0, 0), positions, 64, 32)
        files.append(tmp_path / f"{name}.npz")
        write_reconstruction(Reconstruction(canvas, None, 1.0, "scan", "net"), files[-1])
    found = compare_files(*files)
    assert found.kind == "reconstruction"
    assert found.figures["shift_px"] == pytest.approx([-2, 1], abs=0.05)
    assert found.figures["factor"] == pytest.approx(0.25, rel=0.01)
    assert found.figures["angle_rad"] == pytest.approx(-np.pi / 2, abs=0.02)
    assert found.figures["complex_correlation"] > 0.99
    assert main(["compare", *map(str, files), "--json"]) == 0
    assert '"frc"' in capsys.readouterr().out
