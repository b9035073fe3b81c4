import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_engine.artefacts.debug_dump import DebugDump, offset_figures
from ptycho_engine.documents import Canvas

FILES = {
    "canvas.json",
    "offsets.json",
    "stats.json",
    "pred_patches_amp_grid.png",
    "pred_patches_amp_grid_normalized.png",
}


def _canvas(object_: NDArray[np.complex64], positions: NDArray[np.float64]) -> Canvas:
    return Canvas(object_, np.ones(object_.shape, np.float32), (0, 0), positions, 16, 16)


def test_files_equal_the_reference(golden_dir: Path, tmp_path: Path) -> None:
    vectors = np.load(golden_dir / "vectors" / "patch_stats.npz")
    patches, offsets_xy = vectors["dump_patches"], vectors["dump_offsets"]
    positions = offsets_xy[:, ::-1].astype(np.float64) + np.array([100.0, 50.0])
    dump = DebugDump()
    dump.add(patches[:4], positions[:4])
    dump.add(patches[4:], positions[4:])
    dump.write(tmp_path, _canvas(vectors["dump_canvas"], positions))
    assert {path.name for path in tmp_path.iterdir()} == FILES
    for name in ("stats", "canvas", "offsets"):
        written = json.loads((tmp_path / f"{name}.json").read_text())
        expected = json.loads(str(vectors[f"{name}_json"]))
        for key, value in expected.items():
            if key == "first_offsets_px":
                pairs = [[(one["dx"], one["dy"]) for one in source[key]] for source in (written, expected)]
                np.testing.assert_allclose(pairs[0], pairs[1], rtol=1e-5)
            elif isinstance(value, dict):
                assert written[key] == pytest.approx(value, rel=1e-5)
            else:
                assert written[key] == pytest.approx(value, rel=1e-5, abs=1e-9)


def test_memory_does_not_grow_with_the_patches() -> None:
    dump = DebugDump()
    for _ in range(10):
        dump.add(np.ones((8, 4, 4), np.complex64), np.zeros((8, 2)))
    assert len(dump.first) == 16
    assert dump.stats(np.ones((2, 2), np.complex64))["patch_amplitude"]["mean"] == 1.0


def test_offsets_list_names_at_most_sixteen() -> None:
    figures = offset_figures(np.random.default_rng(0).normal(size=(40, 2)))
    assert figures["count"] == 40
    assert len(figures["first_offsets_px"]) == 16
