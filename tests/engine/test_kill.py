"""A process killed while it saves never costs the bundle or the checkpoint that was there."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.bundles import read_bundle, save_bundle
from ptycho_engine.bundles.atomic import clear_leftovers
from ptycho_engine.bundles.checkpoint import read_checkpoint
from ptycho_engine.errors import OutputError
from tests.helpers.save_again_and_again import two_bundles

N_KILLS = int(os.environ.get("PTYCHOSCOPE_KILLS", "8"))
"""The whole series is 40: PTYCHOSCOPE_KILLS=40."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.timeout(30 + 10 * N_KILLS)
def test_kill_at_random_moments_loses_nothing(tmp_path: Path) -> None:
    script = ROOT / "tests" / "helpers" / "save_again_and_again.py"
    expected = {bundle.state[next(iter(bundle.state))].tobytes() for bundle in two_bundles()}
    moments = random.Random(0)
    n_interrupted = 0
    # If no kill hits a save, nothing was shown: more are then made.
    for n_done in range(10 * N_KILLS):
        if n_done >= N_KILLS and n_interrupted:
            break
        with subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"saved\n"
            # One round takes about a quarter of a second; the moment lies anywhere in two of them.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0.0, 0.5))
            process.send_signal(signal.SIGKILL)
            process.wait()
        n_interrupted += len(list(tmp_path.glob(".*.tmp")))
        bundle = read_bundle(tmp_path / "wts.h5.zip")
        assert bundle.state[next(iter(bundle.state))].tobytes() in expected
        checkpoint = read_checkpoint(tmp_path / "epoch-0001.ckpt")
        assert checkpoint.state[next(iter(checkpoint.state))].tobytes() in expected
        clear_leftovers(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"wts.h5.zip", "epoch-0001.ckpt"}
    assert n_interrupted > 0


@pytest.mark.parametrize("call", range(1, 5))
def test_a_failing_call_never_costs_the_old_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    one, other = two_bundles()
    path = tmp_path / "wts.h5.zip"
    save_bundle(one, path)
    before = path.read_bytes()
    count = 0
    real = {"fsync": os.fsync, "replace": os.replace}

    def failing(name: str, *arguments: object) -> None:
        nonlocal count
        count += 1
        if count == call:
            raise OSError(28, "No space left on device")
        real[name](*arguments)  # type: ignore[operator]

    for name in real:
        monkeypatch.setattr(os, name, lambda *arguments, name=name: failing(name, *arguments))
    if call < 4:
        with pytest.raises(OutputError, match="no space left"):
            save_bundle(other, path)
    else:
        save_bundle(other, path)
    monkeypatch.undo()
    assert (path.read_bytes() == before) == (call <= 2)
    assert np.isfinite(read_bundle(path).state[next(iter(one.state))]).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["wts.h5.zip"]
