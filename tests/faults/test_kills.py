"""kill -9 at every call that writes: the old file or the new one, and a resumed training equals the unbroken one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.long_form import LONG

ROOT = Path(__file__).resolve().parents[2]
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
SAVE_AND_KILL = """
import os, signal, sys
from itertools import count
from pathlib import Path
from ptycho_engine.bundles import atomic, read_bundle, save_bundle
from ptycho_engine.bundles.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from tests.helpers.save_again_and_again import two_bundles

one, other = two_bundles()
folder = Path(sys.argv[1])
name = next(iter(one.state))
known = {bundle.state[name].tobytes() for bundle in (one, other)}

def save(bundle):
    save_checkpoint(Checkpoint(bundle.state, {}, {}), folder / "a.ckpt")
    save_bundle(bundle, folder / "wts.h5.zip")

def arm(number):
    calls = count(1)
    def dying(real):
        def call(*arguments, **named):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)
        return call
    for function in ("open", "fsync", "replace", "close"):
        setattr(os, function, dying(getattr(os, function)))
    opened = atomic._open
    class Stream:
        def __init__(self, inner):
            self.inner = inner
            self.write = dying(inner.write)
        def __getattr__(self, name):
            return getattr(self.inner, name)
        def __enter__(self):
            return self
        def __exit__(self, *_):
            self.inner.close()
    atomic._open = lambda path: Stream(dying(opened)(path))

save(one)
for number in count(1):
    child = os.fork()
    if child == 0:
        arm(number)
        save(other if number % 2 else one)
        os._exit(0)
    died = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert read_checkpoint(folder / "a.ckpt").state[name].tobytes() in known
    assert read_bundle(folder / "wts.h5.zip").state[name].tobytes() in known
    atomic.clear_leftovers(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["a.ckpt", "wts.h5.zip"]
    if not died:
        break
print(number)
"""


def run(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@FORKS
def test_a_kill_at_every_call_of_a_save_loses_nothing(tmp_path: Path) -> None:
    assert int(run("-c", SAVE_AND_KILL, str(tmp_path))) > 12


@FORKS
@pytest.mark.timeout(1600)
def test_a_training_killed_at_a_call_resumes_to_the_unbroken_one(tmp_path: Path) -> None:
    # Quick: one kill, in the first checkpoint.
    words = ("1", "1", "1000") if LONG else ("13", "1", "1")
    lines = [json.loads(line) for line in run("-m", "tests.faults.killed_training", str(tmp_path), *words).splitlines()]
    assert len(lines) >= (20 if LONG else 1)
    assert [line for line in lines if not line["equal"] or line["left"]] == []
