"""Checkpoints come back bit for bit; damaged and foreign ones are told."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles.checkpoint import Checkpoint, prune_checkpoints, read_checkpoint, save_checkpoint
from ptycho_engine.config import ModelConfig
from ptycho_engine.errors import BundleError, OutputError
from ptycho_engine.models.pinn import build_network, load_state, state_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUES = {
    "epoch": 3,
    "best": math.inf,
    "losses": [0.1, 1e-300, float("nan")],
    "random": {"state": 2**127 + 1},
    "name": "Überschall",
}


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(1)
    network = build_network(ModelConfig(gridsize=1, n_filters_scale=1, batch_norm=True))
    moments: dict[str, NDArray[Any]] = {
        "x/exp_avg": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)[:, ::2],
        "x/step": np.array(7.0, np.float32),
        "generator": np.arange(5000, dtype=np.uint8),
        "empty": np.zeros((0, 3)),
    }
    return Checkpoint(state_of(network), moments, VALUES)


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path, checkpoint: Checkpoint) -> None:
    path = tmp_path / "epoch-0003.ckpt"
    save_checkpoint(checkpoint, path)
    back = read_checkpoint(path)
    for part in ("state", "optimiser"):
        before, after = getattr(checkpoint, part), getattr(back, part)
        assert list(before) == list(after)
        for name, array in before.items():
            assert array.dtype == after[name].dtype
            assert array.shape == after[name].shape
            assert np.array_equal(array, after[name])
    assert repr(back.values) == repr(VALUES)
    load_state(build_network(ModelConfig(gridsize=1, n_filters_scale=1, batch_norm=True)), back.state)
    first = path.read_bytes()
    save_checkpoint(back, path)
    assert path.read_bytes() == first


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def _header(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0:8] = (2**60).to_bytes(8, "little")
    path.write_bytes(bytes(data))


def _bundle(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + bytes(100))


def _foreign(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.ones(3)}, path)


def _newer(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'{\\"format\\": 1,', b'{\\"format\\": 9,'))


def _renamed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"optimiser/empty"', b'"optimiser/emptz"'))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_cut, "damaged"),
        (_header, "damaged"),
        (_bundle, "or a bundle, not a checkpoint"),
        (_foreign, "not a checkpoint of Ptychoscope"),
        (_newer, "newer Ptychoscope"),
        (_renamed, "does not hold the tensors that it lists"),
        (_empty, "damaged"),
        (Path.unlink, "no such checkpoint"),
    ],
)
def test_damaged_and_foreign_files_are_told(
    tmp_path: Path, checkpoint: Checkpoint, spoil: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "a.ckpt"
    save_checkpoint(checkpoint, path)
    spoil(path)
    with pytest.raises(BundleError, match=message) as caught:
        read_checkpoint(path)
    assert caught.value.file == str(path)


def test_a_checkpoint_opened_as_a_bundle_says_what_it_is(tmp_path: Path, checkpoint: Checkpoint) -> None:
    save_checkpoint(checkpoint, tmp_path / "a.ckpt")
    with pytest.raises(BundleError, match="this is a checkpoint"):
        read_bundle(tmp_path / "a.ckpt")


def test_what_does_not_read_back_leaves_the_old_one(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ckpt"
    save_checkpoint(checkpoint, path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"rot")
    with pytest.raises(OutputError, match="did not read back"):
        save_checkpoint(Checkpoint(checkpoint.state), path)
    monkeypatch.undo()
    assert path.read_bytes() == before


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    paths = [tmp_path / f"epoch-{number:04d}.ckpt" for number in range(6)]
    for path in paths:
        path.write_bytes(b"")
    assert prune_checkpoints(paths, best=paths[1]) == (paths[0], paths[2], paths[3])
    assert sorted(tmp_path.iterdir()) == [paths[1], paths[4], paths[5]]
    assert prune_checkpoints([paths[4], paths[5]]) == ()
