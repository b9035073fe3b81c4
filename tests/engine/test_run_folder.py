import csv
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ptycho_engine.documents import PatchStats
from ptycho_engine.errors import InputError, OutputError
from ptycho_engine.events import (
    EngineEvent,
    EpochDone,
    JobStarted,
    LossMeasured,
    MessageLogged,
    PatchPreview,
    StatsMeasured,
    StepDone,
)
from ptycho_engine.runs import recorder
from ptycho_engine.runs.folder_lock import LOCK_NAME, hold_folder, owner_of, this_process
from ptycho_engine.runs.recorder import read_events, record
from ptycho_engine.runs.run_folder import RunFolder, list_checkpoints, read_run


def _preview(step: int) -> PatchPreview:
    return PatchPreview(
        "train", step, np.ones((2, 4, 4), np.complex64), np.ones((2, 4, 4), np.float32), None, np.arange(2),
        np.zeros((2, 2)), 3.6, 9.88,
    )  # fmt: skip


def _job(n_steps: int, first: int = 0) -> Iterator[EngineEvent]:
    yield JobStarted("train", "CPU · 1 thread", n_steps, "steps")
    for step in range(first, n_steps):
        yield StepDone(step + 1, n_steps, 0, 1)
        yield LossMeasured(step, 0, 10.0 - step, 1e-3, float("inf"), 20.0)
    yield StatsMeasured(n_steps, PatchStats("train", 0, 2, 1.0, 0.5, 0.1, ((0, 1.0, 0.5, 0.0, 2.0),)))
    yield _preview(n_steps)
    yield EpochDone(0, 1, n_steps - 1, 5.0, None, 1e-3, True)


def _folder(path: Path, *, resume: bool = False, verb: str = "train") -> RunFolder:
    return RunFolder(path, verb, {"configuration": {"epochs": 3}, "seed": 1}, resume=resume)


def _metrics(path: Path) -> list[dict[str, str]]:
    with (path / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_whole_run_leaves_its_files(tmp_path: Path) -> None:
    events = list(record(_job(3), _folder(tmp_path)))
    assert len(events) == 1 + 6 + 3
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["state"], run["verb"], run["device"], run["seed"]) == ("completed", "train", "CPU · 1 thread", 1)
    rows = _metrics(tmp_path)
    assert [row["train_loss"] for row in rows] == ["10.0", "9.0", "8.0", ""]
    assert rows[-1]["epoch_train_loss"] == "5.0"
    lines = list(read_events(tmp_path / "events.jsonl"))
    assert [line["event"] for line in lines if line["event"] != "step_done"] == [
        "job_started", *["loss_measured"] * 3, "stats_measured", "patch_preview", "epoch_done", "ended",
    ]  # fmt: skip
    assert lines[2]["gradient_norm"] is None
    assert (tmp_path / "analysis" / "torch_patch_stats.json").exists()
    assert (tmp_path / "analysis" / "torch_patch_grid.png").exists()
    assert np.load(tmp_path / "previews" / "step-000003.npz")["patches"].shape == (2, 4, 4)
    assert not (tmp_path / LOCK_NAME).exists()
    assert read_run(tmp_path).state == "completed"


def test_counters_are_thinned_in_the_log(tmp_path: Path) -> None:
    list(record(_job(200), _folder(tmp_path)))
    names = [line["event"] for line in read_events(tmp_path / "events.jsonl")]
    assert names.count("loss_measured") == 200
    assert names.count("step_done") < 20


def test_stopping_closes_the_verb_and_says_stopped(tmp_path: Path) -> None:
    closed = []

    def job() -> Iterator[EngineEvent]:
        try:
            yield from _job(5)
        finally:
            closed.append(True)

    events = record(job(), _folder(tmp_path))
    next(events)
    assert read_run(tmp_path).state == "running"
    events.close()
    assert closed == [True]
    assert read_run(tmp_path).state == "stopped"


def test_a_failure_is_recorded_and_passed_on(tmp_path: Path) -> None:
    def job() -> Iterator[EngineEvent]:
        yield MessageLogged("info", "begins")
        raise InputError("the scan has gone", "Bring it back.")

    with pytest.raises(InputError, match="has gone"):
        list(record(job(), _folder(tmp_path)))
    assert read_run(tmp_path).state == "failed"
    assert "has gone" in json.loads((tmp_path / "run.json").read_text())["message"]


def test_resuming_continues_the_files_without_repeats(tmp_path: Path) -> None:
    list(record(_job(4), _folder(tmp_path)))
    list(record(_job(6, first=2), _folder(tmp_path, resume=True)))
    steps = [int(row["step"]) for row in _metrics(tmp_path) if row["train_loss"]]
    assert steps == [0, 1, 2, 3, 4, 5]
    names = [line["event"] for line in read_events(tmp_path / "events.jsonl")]
    assert names.count("job_started") == 2


def test_a_training_run_is_never_overwritten(tmp_path: Path) -> None:
    list(record(_job(1), _folder(tmp_path)))
    list(record(_job(1), _folder(tmp_path)))
    (tmp_path / "wts.h5.zip").write_bytes(b"weights")
    for verb in ("train", "infer"):
        with pytest.raises(OutputError, match="would be overwritten"):
            list(record(_job(1), _folder(tmp_path, verb=verb)))
    assert read_run(tmp_path).state == "completed"


def test_two_writers_are_refused(tmp_path: Path) -> None:
    first = record(_job(3), _folder(tmp_path))
    next(first)
    with pytest.raises(OutputError, match="another run writes here"):
        next(record(_job(3), _folder(tmp_path)))
    list(first)


def test_the_lock_of_a_killed_process_is_stale(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ptycho_engine.runs.folder_lock import hold_folder\n"
        "with hold_folder(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(OutputError, match=f"process {process.pid} on"), hold_folder(tmp_path):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / LOCK_NAME).exists()
    with hold_folder(tmp_path):
        assert owner_of(tmp_path) is not None


def test_a_reused_process_number_does_not_hold_the_lock(tmp_path: Path) -> None:
    owner = this_process() | {"pid": os.getppid(), "started": 1.0}
    (tmp_path / LOCK_NAME).write_text(json.dumps(owner))
    assert owner_of(tmp_path) is None
    (tmp_path / LOCK_NAME).write_text(json.dumps(owner | {"host": f"not-{socket.gethostname()}"}))
    with pytest.raises(OutputError, match="on not-"), hold_folder(tmp_path):
        pass


def test_a_full_disk_is_told_once_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder._Recorder, "_metrics_row", fail)
    events = list(record(_job(3), _folder(tmp_path)))
    warnings = [event for event in events if isinstance(event, MessageLogged)]
    assert len(warnings) == 1
    assert "No space left" in warnings[0].text
    assert any(isinstance(event, EpochDone) for event in events)


def test_previews_are_thinned_evenly(tmp_path: Path) -> None:
    clock = iter(range(0, 10**6, 100))
    previews = recorder._Previews(tmp_path / "previews", lambda: float(next(clock)))
    for step in range(100):
        previews.keep(_preview(step))
    kept = sorted(int(path.stem[5:]) for path in (tmp_path / "previews").glob("*.npz"))
    assert recorder.MAX_PREVIEWS // 2 <= len(kept) <= recorder.MAX_PREVIEWS
    assert kept[0] == 0


def test_checkpoints_are_listed_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("epoch-0010.ckpt", "epoch-0009.ckpt", "epoch-0009-step-000123.ckpt", "other.ckpt"):
        (tmp_path / "checkpoints" / name).touch()
    assert [path.name for path in list_checkpoints(tmp_path)] == [
        "epoch-0009.ckpt",
        "epoch-0009-step-000123.ckpt",
        "epoch-0010.ckpt",
    ]


def test_another_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("[1, 2")
    with pytest.raises(InputError, match="not a run folder"):
        read_run(tmp_path)
