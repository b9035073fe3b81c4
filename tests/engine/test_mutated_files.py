"""A file of any kind that was changed at random opens or is refused, nothing else."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.bundles.checkpoint import Checkpoint, save_checkpoint
from ptycho_engine.bundles.safety import safety_report
from ptycho_engine.errors import InputError
from ptycho_engine.inspection import inspect_file
from tests.helpers.hostile_bundles import members, packed, stored
from tests.helpers.hostile_datasets import reconstruction, scan

N_FILES = int(os.environ.get("PTYCHOSCOPE_FILES", "100"))
"""Of each kind. The whole series is 4000: PTYCHOSCOPE_FILES=4000."""


def _bundle(folder: Path) -> Path:
    return stored(folder, packed(members()))


def _checkpoint(folder: Path) -> Path:
    values = {"progress": {"epoch": 1, "step": 4}, "configuration": {"epochs": 3}, "input_scale": 0.5}
    save_checkpoint(Checkpoint({"w": np.ones((3, 4), np.float32)}, {"m": np.zeros(3)}, values), folder / "a.ckpt")
    return folder / "a.ckpt"


def _statistics(folder: Path) -> Path:
    row = {"patch_idx": 0, "mean": 0.1, "std": 0.2, "min": 0.0, "max": 1.0}
    entry = {"phase": "train", "batch_idx": 0, "batch_size": 4, "global_mean": 0.002, "global_std": 0.003,
             "var_zero_mean": 1e-5, "per_patch": [row]}  # fmt: skip
    (folder / "a.json").write_text(json.dumps([entry, entry]))
    return folder / "a.json"


def _small_scan(folder: Path) -> Path:
    return scan(packed_small=True, _metadata=np.array('{"physics_parameters": {"nphotons": 1e5}}', dtype=object))(
        folder
    )


@pytest.mark.parametrize("make", [_bundle, scan(), _small_scan, reconstruction(), _checkpoint, _statistics])
@pytest.mark.timeout(60 + N_FILES // 10)
def test_changed_files_open_or_are_refused(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    whole = path.read_bytes()
    random = np.random.default_rng(len(whole))
    n_refused = 0
    for number in range(N_FILES):
        data = bytearray(whole)
        for _ in range(int(random.integers(1, 4))):
            # Half of the changes go to the start and the end, where the structure is.
            edges = np.concatenate([np.arange(min(200, len(data))), len(data) - 1 - np.arange(min(500, len(data)))])
            at = int(random.choice(edges) if number % 2 else random.integers(len(data)))
            match random.integers(4):
                case 0:
                    data[at] ^= int(random.integers(1, 256))
                case 1:
                    data[at] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF]))
                case 2:
                    del data[at : at + int(random.integers(1, 30))]
                case _:
                    data[at:at] = data[at : at + int(random.integers(1, 30))]
        path.write_bytes(data)
        try:
            inspect_file(path, layers=True, frames=True)
        except InputError:
            n_refused += 1
        try:
            safety_report(path)
        except InputError:
            continue
    assert n_refused > N_FILES // 10
