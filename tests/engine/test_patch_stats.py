import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_engine.artefacts.patch_stats_file import PatchStatsLog, read_patch_stats
from ptycho_engine.diagnostics.patch_stats import patch_stats
from ptycho_engine.errors import InputError


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for key in value for item in _flat(value[key])]
    if isinstance(value, list):
        return [item for one in value for item in _flat(one)]
    return [value]


def test_file_equals_the_reference(golden_dir: Path, tmp_path: Path) -> None:
    vectors = np.load(golden_dir / "vectors" / "patch_stats.npz")
    log = PatchStatsLog(limit=2)
    assert log.add(patch_stats(vectors["amp_a"], "train", 0))
    assert log.add(patch_stats(vectors["amp_b"], "val", 5))
    assert not log.add(patch_stats(vectors["amp_b"], "val", 6))
    assert log.save(tmp_path / "analysis" / "torch_patch_stats.json")
    written = json.loads((tmp_path / "analysis" / "torch_patch_stats.json").read_text())
    expected = json.loads(str(vectors["torch_patch_stats_json"]))
    assert [list(entry) for entry in written] == [list(entry) for entry in expected]
    assert [entry["phase"] for entry in written] == ["train", "val"]
    for entry in (*written, *expected):
        del entry["phase"]
    np.testing.assert_allclose(_flat(written), _flat(expected), rtol=1e-5)


def test_file_reads_back(tmp_path: Path) -> None:
    stats = patch_stats(np.random.default_rng(0).random((6, 2, 5, 5)), "inference", 3)
    log = PatchStatsLog()
    log.add(stats)
    log.save(tmp_path / "stats.json")
    assert read_patch_stats(tmp_path / "stats.json") == [stats]


def test_a_single_element_is_null_in_the_file(tmp_path: Path) -> None:
    log = PatchStatsLog()
    log.add(patch_stats(np.ones((1, 1, 1, 1), np.float32), "train", 0))
    log.save(tmp_path / "stats.json")
    text = (tmp_path / "stats.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)[0]["global_std"] is None
    assert math.isnan(read_patch_stats(tmp_path / "stats.json")[0].global_std)


def test_limit_of_zero_logs_and_writes_nothing(tmp_path: Path) -> None:
    log = PatchStatsLog(limit=0)
    assert not log.add(patch_stats(np.ones((1, 1, 2, 2)), "train", 0))
    assert not log.save(tmp_path / "stats.json")
    assert not (tmp_path / "stats.json").exists()


def test_variance_within_patches_ignores_their_means() -> None:
    amplitude = np.stack([np.full((1, 4, 4), 1.0), np.full((1, 4, 4), 5.0)])
    stats = patch_stats(amplitude, "train", 0)
    assert stats.var_zero_mean == 0.0
    assert stats.global_std > 2.0


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"phase": "train"}]'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=r"x\.json: is not a list"):
        read_patch_stats(tmp_path / "x.json")
