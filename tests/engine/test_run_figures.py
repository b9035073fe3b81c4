"""Runs, dumps and files of statistics as one kind of document; layers, digests and parameters of a bundle."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles.digests import archive_digests
from ptycho_engine.bundles.parameter_meanings import MEANINGS
from ptycho_engine.bundles.parameters import bundle_parameters
from ptycho_engine.comparison.bundles import compare_bundle_files, compare_bundles
from ptycho_engine.diagnostics.layer_figures import BINS, layer_figures
from ptycho_engine.errors import InputError
from ptycho_engine.inspection_folders import inspect_folder
from ptycho_engine.runs.run_figures import read_figures

DEMO = Path(__file__).resolve().parents[2] / "resources" / "demo" / "wts.h5.zip"


@pytest.mark.parametrize("name", ["gs1", "gs2"])
def test_a_run_of_ptychopinn_a_dump_and_its_statistics_are_documents(golden_dir: Path, name: str) -> None:
    run = read_figures(golden_dir / name)
    assert (run.kind, run.name, list(run.dumps), run.problems) == ("run", name, ["debug_dump"], ())
    assert run.losses is not None
    assert [one.name for one in run.of_phase("train")] == ["train_analysis/torch_patch_stats.json"]
    assert [len(one.entries) for one in run.of_phase("inference")] == [1]
    dump = read_figures(golden_dir / name / "debug_dump" / "offsets.json")
    assert (dump.kind, dump.path, list(dump.dumps["."])) == (
        "dump",
        golden_dir / name / "debug_dump",
        list(dump.dumps["."]),
    )
    assert dump.dumps == read_figures(golden_dir / name / "debug_dump").dumps
    stats = read_figures(golden_dir / name / "train_analysis" / "torch_patch_stats.json")
    assert (stats.kind, stats.name) == ("stats", "train_analysis/torch_patch_stats.json")
    written = json.loads((golden_dir / name / "train_analysis" / "torch_patch_stats.json").read_text())
    assert stats.stats[0].entries[0].global_mean == written[0]["global_mean"]
    assert read_figures(golden_dir / name / "train_analysis") == stats
    assert inspect_folder(golden_dir / name / "train_analysis").kind == "stats"


def test_what_is_none_of_these_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a run folder nor a debug dump"):
        read_figures(tmp_path)
    (tmp_path / "canvas.json").write_text('{"other": 1}')
    with pytest.raises(InputError, match="patch statistics"):
        read_figures(tmp_path / "canvas.json")


def test_a_layer_is_described_by_figures_and_a_histogram() -> None:
    values = np.random.default_rng(0).standard_normal((32, 4, 3, 3)).astype(np.float32)
    figures = layer_figures("conv", values)
    counts, edges = np.histogram(values.astype(float), BINS)
    assert np.array_equal(figures.histogram, counts)
    assert np.allclose(figures.edges, edges)
    values[0, 0, 0, :2] = (np.nan, np.inf)
    assert layer_figures("conv", values).n_not_finite == 2
    assert layer_figures("conv", values).histogram.sum() == values.size - 2
    constant = layer_figures("scale", np.array([3.0]))
    assert (constant.histogram.tolist(), constant.edges[0] < 3 < constant.edges[1]) == ([1], True)
    empty = layer_figures("nothing", np.full(3, np.nan))
    assert (empty.mean, empty.histogram.size) == (None, 0)
    both = layer_figures("spectral", np.array([1 + 2j, 3 + 4j], np.complex64))
    assert (both.mean, both.count, both.histogram.sum()) == (2.5, 2, 4)


def test_the_digests_are_those_of_the_bytes() -> None:
    found = archive_digests(DEMO)
    data = DEMO.read_bytes()
    assert (found.n_bytes, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert found.sha1 == hashlib.sha1(data, usedforsecurity=False).hexdigest()
    with zipfile.ZipFile(DEMO) as archive:
        for name, digest in found.members_sha1.items():
            assert digest == hashlib.sha1(archive.read(name), usedforsecurity=False).hexdigest()
    with pytest.raises(InputError):
        archive_digests(DEMO.with_name("gone.zip"))


def test_parameters_carry_meaning_and_default() -> None:
    parameters = bundle_parameters(read_bundle(DEMO))
    of = {(each.kept_in, each.name): each for each in parameters}
    photons = of["params.dill", "nphotons"]
    assert (photons.value, photons.default, photons.is_default, photons.meaning) == (
        1e5,
        1e9,
        False,
        MEANINGS["nphotons"],
    )
    assert of["network", "n"].is_default
    assert of["training", "epochs"].meaning == "Passes over the training groups"
    assert not of["params.dill", "intensity_scale"].has_default
    assert of["origin", "seed"].value == 1


def test_an_older_bundle_is_held_against_the_defaults_of_its_time(golden_dir: Path) -> None:
    parameters = bundle_parameters(read_bundle(golden_dir / "era_nov2025_gs2_untrained" / "wts.h5.zip"))
    of = {each.name: each for each in parameters if each.kept_in == "params.dill"}
    assert (of["nphotons"].default, of["probe.big"].default) == (1e5, False)


def test_open_bundles_compare_as_their_files_do(golden_dir: Path) -> None:
    files = [golden_dir / name / "wts.h5.zip" for name in ("gs1", "gs2")]
    open_ones, from_files = compare_bundles(*(read_bundle(file) for file in files)), compare_bundle_files(*files)
    assert open_ones == from_files
    distances = [each.distance for each in open_ones.differences]
    assert distances == sorted(distances, reverse=True)
