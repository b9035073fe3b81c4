"""The files of a training meet faults: a full disk, a folder that goes, a scan that changes, two writers."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ptycho_engine import batches
from ptycho_engine.bundles import read_bundle
from ptycho_engine.bundles.checkpoint import read_checkpoint
from ptycho_engine.errors import DatasetError, OutputError
from ptycho_engine.events import CheckpointSaved, EngineEvent, EpochDone, StepDone, TrainingCompleted
from ptycho_engine.formats import read_dataset
from ptycho_engine.runs.run_folder import list_checkpoints, read_run
from ptycho_engine.training_files import SAVE_INTERVAL_S
from tests.faults.long_form import count, long_form
from tests.faults.tiny_training import collect, losses, of, shown, training, weights
from tests.helpers.scan_file import write_tiny_scan

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Let the system refuse larger files, as it does where a quota or a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_keeps_the_old_checkpoint_and_is_tried_again(tmp_path: Path) -> None:
    events: list[EngineEvent] = []
    run = training(tmp_path, epochs=3)
    for event in run:
        events.append(event)
        if isinstance(event, EpochDone) and event.epoch == 0:
            first = list_checkpoints(tmp_path)
            break
    with largest_file(100_000):
        for event in run:
            events.append(event)
            if isinstance(event, EpochDone) and event.epoch == 1:
                break
        assert list_checkpoints(tmp_path) == first
        read_checkpoint(first[0])
        read_bundle(tmp_path / "wts.h5.zip")
    collect(events, run)
    (said,) = shown(events)
    assert said.startswith("The training goes on, but cannot be saved: ")
    assert "the file would be larger than is allowed here. Choose another folder." in said
    assert [event.epoch for event in of(events, CheckpointSaved)] == [1, 3]
    assert read_run(tmp_path).state == "completed"
    assert not list(tmp_path.rglob(".*.tmp"))


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_too_little_space_is_refused_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 10**6, 10**6))
    events: list[EngineEvent] = []
    with pytest.raises(OutputError, match="too little space: 1 MB are free, the training keeps"):
        collect(events, training(tmp_path))
    assert not of(events, StepDone)


def test_a_full_disk_says_how_much_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    from ptycho_engine.bundles.atomic import atomic_write

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12 - 3 * 10**6, 3 * 10**6))
    with pytest.raises(OutputError, match=r"no space left on the disk \(3 MB are free\)"):
        atomic_write(tmp_path / "x", lambda stream: None)


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let the system open no file more."""
    with open(os.devnull) as lowest:
        free = lowest.fileno()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_run_without_free_file_handles_is_refused_before_the_start(tmp_path: Path) -> None:
    events: list[EngineEvent] = []
    run = training(tmp_path)
    with no_more_files(), pytest.raises(OutputError, match="too many files are open"):
        collect(events, run)
    assert not events


@pytest.mark.parametrize("what", ["a file", "long", "read-only"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_start(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = {"a file": tmp_path / "file" / "run", "long": tmp_path / ("x" * 300), "read-only": tmp_path / "run"}[what]
    if what == "read-only":
        opened = os.open

        def refusing(path: str | Path, flags: int, *rest: int) -> int:
            if flags & os.O_CREAT:
                raise OSError(errno.EROFS, "Read-only file system")
            return opened(path, flags, *rest)

        monkeypatch.setattr(os, "open", refusing)
    events: list[EngineEvent] = []
    with pytest.raises(OutputError, match=r"not a folder|too long|read-only"):
        collect(events, training(out))
    assert not events


@long_form
def test_a_run_folder_that_goes_does_not_cost_the_training(tmp_path: Path) -> None:
    out = tmp_path / "run"
    events = []
    for event in training(out, epochs=2):
        events.append(event)
        if isinstance(event, EpochDone) and event.epoch == 0:
            shutil.rmtree(out)
    assert of(events, TrainingCompleted)[0].bundle.state
    assert read_bundle(out / "wts.h5.zip").state
    # The folder is made again with the next checkpoint, from which the training could be resumed.
    (checkpoint,) = list_checkpoints(out)
    assert read_checkpoint(checkpoint).values["progress"]["epoch"] == 2
    assert shown(events)


def test_a_run_folder_that_goes_for_good_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "disk" / "run"
    events = []
    for event in training(out, epochs=2):
        events.append(event)
        if isinstance(event, EpochDone) and event.epoch == 0:
            shutil.rmtree(tmp_path / "disk")
            (tmp_path / "disk").write_text("an empty mount point")
    completed = of(events, TrainingCompleted)[0]
    assert completed.run_folder is None
    assert completed.bundle.state
    assert any("cannot be saved" in text or "could not be saved" in text for text in shown(events))


@pytest.mark.parametrize(
    "fault",
    ["truncated", pytest.param("replaced", marks=long_form), pytest.param("removed", marks=long_form)],
)
def test_a_scan_that_changes_ends_the_run_and_keeps_its_state(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = tmp_path / "scan.npz"
    write_tiny_scan(scan)
    # As for a scan that does not fit into memory: read batch by batch.
    monkeypatch.setattr(batches, "RESIDENT_FRACTION", 0.0)
    events: list[EngineEvent] = []
    run = training(tmp_path / "run", dataset=read_dataset(scan))
    for event in run:
        events.append(event)
        if isinstance(event, StepDone) and event.step == 3:
            break
    _spoil(scan, fault)
    with pytest.raises(DatasetError) as caught:
        collect(events, run)
    assert str(scan) in str(caught.value)
    assert read_run(tmp_path / "run").state == "failed"
    # Of the step before the fault, not of the last epoch.
    assert list_checkpoints(tmp_path / "run")[-1].name == "epoch-0001-step-000003.ckpt"
    assert len(losses(events)) == 3


def _spoil(scan: Path, fault: str) -> None:
    if fault == "truncated":
        os.truncate(scan, 2000)
    elif fault == "removed":
        scan.unlink()
    else:
        scan.write_bytes(scan.read_bytes() + b"x")


@long_form
def test_a_long_epoch_is_saved_in_its_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken = list(training(epochs=1, n_groups=12))
    now = iter(range(0, 10**9, int(SAVE_INTERVAL_S)))
    monkeypatch.setattr("ptycho_engine.training_files.time.monotonic", lambda: float(next(now)))
    run = training(tmp_path, epochs=1, n_groups=12)
    saved = [event for event in run if isinstance(event, CheckpointSaved)]
    assert [event.step for event in saved] == [1, 2, 3, 3]
    kept = list_checkpoints(tmp_path)
    assert [path.name for path in kept] == ["epoch-0000-step-000003.ckpt", "epoch-0001.ckpt"]
    kept[-1].unlink()
    assert weights(training(tmp_path, epochs=1, n_groups=12, resume=True)) == weights(unbroken)


class FailingCall:
    """Fails the n-th of the calls that flush and rename."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.fired = False

    def arm(self, patch: pytest.MonkeyPatch) -> None:
        for name in ("fsync", "replace"):
            patch.setattr(os, name, partial(self._call, getattr(os, name)))

    def _call(self, real: Callable[..., Any], *arguments: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            self.fired = True
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)


def _with_failing_call(out: Path, fault: FailingCall) -> tuple[list[EngineEvent], OutputError | None]:
    events: list[EngineEvent] = []
    with pytest.MonkeyPatch.context() as patch:
        fault.arm(patch)
        try:
            collect(events, training(out, epochs=1, n_groups=4))
        except OutputError as error:
            return events, error
    return events, None


@long_form
@pytest.mark.timeout(900)
def test_each_failing_call_of_a_training_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """The n-th call that writes fails, n = 1, 2, 3 ... until a run has no fault."""
    silent = []
    for number in range(1, 1000):
        out, fault = tmp_path / f"run-{number}", FailingCall(number)
        events, error = _with_failing_call(out, fault)
        for path in list_checkpoints(out):
            read_checkpoint(path)
        if error is not None:
            # At the very start, before anything is computed.
            assert "no space left" in str(error)
            assert not of(events, StepDone)
            continue
        assert of(events, TrainingCompleted)
        assert (out / "wts.h5.zip").exists()
        if not fault.fired:
            assert not shown(events)
            break
        if not shown(events):
            silent.append(number)
    assert number > 10
    # The last two are those of the record of the end, when nothing can be told any more; the exit status is that of
    # the training, whose result is complete.
    assert all(one >= number - 3 for one in silent), (silent, number)


WRITER = """
import sys, time
from pathlib import Path
from ptycho_engine.errors import OutputError
from ptycho_engine.runs.folder_lock import hold_folder
sys.stdin.readline()
try:
    with hold_folder(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
except OutputError:
    print("refused", flush=True)
"""


def test_of_two_writers_that_start_together_one_is_refused(tmp_path: Path) -> None:
    for _ in range(count(1, 20)):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        said = []
        for writer in writers:
            assert writer.stdout is not None
            said.append(writer.stdout.readline().strip())
        assert sorted(said) == ["held", "refused"]
        for writer in writers:
            # The holder dies in the moment, so that its lock stays behind; the next round must get over it.
            writer.kill()
            writer.communicate()
