import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from ptycho_engine import events
from ptycho_engine.arrays import frozen_array
from ptycho_engine.cli import main
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Diagnosis, FitFigures, PatchStats, ReconstructionMetrics
from ptycho_engine.errors import InputError, OutputError
from ptycho_engine.events import EngineEvent
from ptycho_engine.runs.detached import (
    detached_process,
    interrupt,
    note_process,
    running_runs,
    train_command,
    writer_of,
)
from ptycho_engine.runs.event_record import event_record
from ptycho_engine.runs.folder_lock import LOCK_NAME, hold_folder, is_alive
from ptycho_engine.runs.recorder import record
from ptycho_engine.runs.run_folder import RunFolder
from ptycho_engine.watching.event_reading import event_of, values_of_line
from ptycho_engine.watching.watch import watch
from tests.engine.test_watch_upstream import snapshot

NAN = float("nan")
PREVIEW = events.PatchPreview(
    "train", 2, frozen_array(np.full((2, 4, 4), 1j), np.complex64), frozen_array(np.full((2, 4, 4), 0.5), np.float32),
    frozen_array(np.full((2, 4, 4), 0.25), np.float32), frozen_array([3, 1], np.int64),
    frozen_array(np.ones((2, 2)), np.float64), 3.6, 9.88,
)  # fmt: skip
TOLD: list[EngineEvent] = [
    events.JobStarted("train", "CPU · 1 thread", 4, "steps", Path("run")),
    events.MessageLogged("warning", "a word with\u2028a separator"),
    events.StepDone(1, 4, 0, 2, 0.5),
    events.LossMeasured(0, 0, 5.0, 1e-3, 2.0, 20.0),
    PREVIEW,
    events.StatsMeasured(0, PatchStats("train", 0, 2, 1.0, 0.5, 0.1, ((0, 1.0, 0.5, 0.0, 2.0),))),
    events.ValidationMeasured(1, 0, FitFigures(0.1, 0.3, 1.1, 0.7, 0.9, 0.8, 0.7, 64, "test")),
    events.EpochDone(0, 2, 1, 5.0, 6.0, 1e-3, True),
    events.DiagnosisFound(Diagnosis("plateau", "warning", "no progress", "wait", {"value": 1.0}, "loss")),
    events.DiagnosisWithdrawn("plateau", 2),
    events.CheckpointSaved(Path("run/checkpoints/epoch-0001.ckpt"), 0, 2, True),
    events.BundleSaved(Path("run/wts.h5.zip")),
    events.MetricsMeasured(ReconstructionMetrics(0.9, 0.8, 0.7, 20.0, 0.7, 12)),
    events.Progressed(1, 2, "patches", None),
    events.FileWritten(Path("run/report.html")),
]


def _run(folder: Path, told: list[EngineEvent] = TOLD) -> Generator[EngineEvent, None, None]:
    return record(
        iter(told), RunFolder(folder, "train", {"configuration": {"epochs": 2}, "dataset": {"path": "/a.npz"}})
    )


def _same(one: EngineEvent, other: EngineEvent) -> bool:
    if isinstance(one, events.PatchPreview) and isinstance(other, events.PatchPreview):
        names = ("patches", "measured", "predicted", "frame_indices", "scan_positions", "step", "intensity_scale")
        return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
    return one == other


def _without_looks(found: list[EngineEvent]) -> list[EngineEvent]:
    return [event for event in found if not isinstance(event, events.RunObserved)]


def test_a_run_is_followed_event_by_event_while_it_is_written(tmp_path: Path) -> None:
    writer = _run(tmp_path)
    before: list[list[tuple[str, int, int]]] = [snapshot(tmp_path)]

    def wait(seconds: float) -> None:
        assert snapshot(tmp_path) == before[-1], "something was written into the watched folder"
        next(writer, None)
        before.append(snapshot(tmp_path))

    looks = list(watch(tmp_path, wait=wait))
    found = _without_looks(looks)
    assert isinstance(found[0], events.RunFound)
    assert (found[0].written_by, found[0].run.state, found[0].dataset) == ("Ptychoscope", "running", Path("/a.npz"))
    told = found[1:-1]
    assert len(told) == len(TOLD)
    assert all(_same(one, other) for one, other in zip(told, TOLD, strict=True))
    assert isinstance(found[-1], events.RunEnded)
    assert (found[-1].run.state, found[-1].died) == ("completed", False)
    # Each was told soon after it was written, not all at the end.
    steps = [index for index, event in enumerate(looks) if not isinstance(event, events.RunObserved)]
    assert max(steps[i + 1] - steps[i] for i in range(len(steps) - 1)) <= 3


def test_the_record_of_a_run_holds_what_is_found_at_its_end(tmp_path: Path) -> None:
    found = [events.DiagnosisFound(Diagnosis(name, "error", "m", "h")) for name in ("plateau", "overfit")]
    list(_run(tmp_path, [*found, events.DiagnosisWithdrawn("plateau", 3)]))
    record_of = json.loads((tmp_path / "run.json").read_text())
    assert [one["id"] for one in record_of["diagnoses"]] == ["overfit"]


def test_a_run_that_ended_before_is_told_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list(record(_failing(), RunFolder(tmp_path, "train", {})))
    found = _without_looks(list(watch(tmp_path, wait=_not_again)))
    assert isinstance(found[-1], events.RunEnded)
    assert (found[-1].run.state, found[-1].died) == ("failed", False)
    assert "has gone" in found[-1].message


def _not_again(seconds: float) -> None:
    raise AssertionError("the end is seen at the first look")


def _failing() -> Iterator[EngineEvent]:
    yield TOLD[0]
    raise InputError("the scan has gone", "Bring it back.")


def test_a_line_in_the_making_waits_for_its_end(tmp_path: Path) -> None:
    line = json.dumps(event_record(TOLD[3])) + "\n"
    pieces = iter([line[:20], line[20:-1], line[-1:]])
    (tmp_path / "run.json").write_text(json.dumps({"format": "ptychoscope-run-1", "verb": "train", "state": "running"}))
    log = tmp_path / "events.jsonl"
    with hold_folder(tmp_path):
        told = watch(tmp_path, wait=lambda _: _append(log, next(pieces)))
        found: list[EngineEvent] = []
        while TOLD[3] not in found:
            found.append(next(told))
    assert next(pieces, None) is None


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _gone() -> dict[str, object]:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        started = psutil.Process(process.pid).create_time()
    return {"pid": process.pid, "host": socket.gethostname(), "started": started}


def test_a_run_whose_process_was_killed_is_seen_to_be_dead(tmp_path: Path) -> None:
    run = {"format": "ptychoscope-run-1", "verb": "train", "state": "running"}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "events.jsonl").write_text(json.dumps(event_record(TOLD[3])) + '\n{"event": "loss_mea')
    (tmp_path / LOCK_NAME).write_text(json.dumps(_gone()))
    found = _without_looks(list(watch(tmp_path, wait=_not_again)))
    assert found[1] == TOLD[3]
    ended = found[-1]
    assert isinstance(ended, events.RunEnded)
    assert (ended.run.state, ended.died) == ("stopped", True)
    assert "without saying" in ended.message


@pytest.mark.parametrize(
    ("printed", "cause"),
    [
        ("loading\nFatal Python error: Segmentation fault\n\n  File x\n", "crashed (Segmentation fault; console.txt"),
        ("loading\n", "was ended from outside; the system does so when the memory is short"),
    ],
)
def test_how_a_detached_process_died_is_told(printed: str, cause: str, tmp_path: Path) -> None:
    process = _gone()
    run = {"format": "ptychoscope-run-1", "verb": "train", "state": "running", "process": process}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "detached.json").write_text(json.dumps(process))
    (tmp_path / "console.txt").write_text(printed)
    ended = list(watch(tmp_path, wait=_not_again))[-1]
    assert isinstance(ended, events.RunEnded)
    assert ended.died
    assert cause in ended.message
    # Of another process, whose words are not in this file.
    (tmp_path / "run.json").write_text(json.dumps(run | {"process": process | {"pid": 1}}))
    (tmp_path / "detached.json").write_text(json.dumps(process | {"started": 0.0}))
    assert "without saying" in list(watch(tmp_path, wait=_not_again))[-1].message  # type: ignore[union-attr]


def test_an_ended_child_that_nobody_asked_for_is_no_writer() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        started = psutil.Process(process.pid).create_time()
        assert not is_alive({"pid": process.pid, "host": socket.gethostname(), "started": started})
    finally:
        process.wait()


def test_a_log_begun_anew_is_another_run(tmp_path: Path) -> None:
    run = {"format": "ptychoscope-run-1", "verb": "train", "state": "running"}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "events.jsonl").write_text(json.dumps(event_record(TOLD[3])) + "\n")

    def wait(seconds: float) -> None:
        (tmp_path / "events.jsonl").write_text(json.dumps(event_record(TOLD[2])) + "\n")

    with hold_folder(tmp_path):
        told = watch(tmp_path, wait=wait)
        found: list[EngineEvent] = []
        while TOLD[2] not in found:
            found.append(next(told))
    assert [type(event) for event in _without_looks(found)] == [
        events.RunFound, events.LossMeasured, events.RunFound, events.StepDone,
    ]  # fmt: skip


@pytest.mark.parametrize("event", [one for one in TOLD if one is not PREVIEW], ids=lambda one: type(one).__name__)
def test_an_event_is_read_back_from_its_line(event: EngineEvent) -> None:
    assert event_of(json.loads(json.dumps(event_record(event), default=_plain))) == event


def _plain(value: object) -> object:
    from ptycho_engine.artefacts.strict_json import plain

    return plain(value)


@pytest.mark.parametrize(
    "line", ["", "{", "[1]", "null", '{"event": 3}', '{"event": "loss_measured", "step": []}', '{"event": "no"}']
)
def test_a_line_that_is_none_gives_no_event(line: str) -> None:
    values = values_of_line(line)
    assert values is None or event_of(values) is None


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        next(watch(tmp_path / "none"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        next(watch(tmp_path / "file"))


def test_the_verb_prints_events_and_a_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list(_run(tmp_path))
    capsys.readouterr()
    assert main(["watch", str(tmp_path), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.split("\n")[:-1]]
    names = [line["event"] for line in lines]
    assert names[0] == "run_found"
    assert names.count("loss_measured") == 1
    assert lines[-1] | {"run_folder": ""} == {
        "event": "result", "verb": "watch", "run_folder": "", "state": "completed", "died": False, "message": "",
        "steps": 1, "loss": 5.0, "bundle": None,
    }  # fmt: skip


def test_the_verb_gives_up_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"1")
    os.utime(tmp_path / "checkpoints" / "last.ckpt", (1e9, 1e9))
    assert main(["watch", str(tmp_path), "--give-up-after", "5", "--every", "0.001"]) == 4
    told = capsys.readouterr()
    assert "no news for" in told.err
    assert "a run of PtychoPINN" in told.out


CHILD = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def child() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_detached_run_is_found_and_asked_to_stop(child: "subprocess.Popen[str]", tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    command = train_command(folder, TrainConfig(epochs=3), [Path("/a.npz")], test_data=Path("/t.npz"), resume=True)
    assert command[1:] == [
        "-X", "faulthandler", "-m", "ptycho_engine", "train", "--data", "/a.npz", "--out", str(folder), "--config",
        str(folder / "settings.json"), "--test-data", "/t.npz", "--resume",
    ]  # fmt: skip
    assert TrainConfig.from_dict(json.loads((folder / "settings.json").read_text())) == TrainConfig(epochs=3)
    note_process(folder, child.pid, command)
    assert [run.path for run in running_runs(folder.parent)] == [folder]
    with pytest.raises(OutputError, match="being written"):
        train_command(folder, TrainConfig(), [Path("/a.npz")])
    assert interrupt(folder) == child.pid
    assert child.wait(20) == 7
    assert writer_of(folder) is None
    assert list(running_runs(folder.parent)) == []


def test_a_number_that_another_process_has_now_gets_no_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(psutil.Process, "send_signal", lambda _, number: sent.append(number))
    note_process(tmp_path, os.getpid(), ["train"])
    process = json.loads((tmp_path / "detached.json").read_text())
    (tmp_path / "detached.json").write_text(json.dumps(process | {"started": process["started"] - 100.0}))
    assert detached_process(tmp_path) is None
    with pytest.raises(OutputError, match="still runs"):
        interrupt(tmp_path)
    (tmp_path / "detached.json").write_text(json.dumps(process | {"host": "elsewhere"}))
    with pytest.raises(OutputError, match="elsewhere"):
        interrupt(tmp_path)
    assert sent == []
    (tmp_path / "detached.json").write_text(json.dumps(process))
    interrupt(tmp_path)
    # A second signal would end it at once, without its checkpoint.
    with pytest.raises(OutputError, match="asked to stop already"):
        interrupt(tmp_path)
    assert sent == [signal.SIGINT]


def test_a_detached_run_that_never_began_is_told_with_its_last_word(tmp_path: Path) -> None:
    (tmp_path / "detached.json").write_text(json.dumps(_gone()))
    (tmp_path / "console.txt").write_text("loading\n/a.npz: there is no such file. Check the path.\n")
    ended = list(watch(tmp_path, wait=_not_again))[-1]
    assert isinstance(ended, events.RunEnded)
    assert (ended.run.state, ended.died) == ("failed", True)
    assert ended.message == "/a.npz: there is no such file. Check the path."


def test_a_detached_run_that_was_refused_is_not_taken_for_the_one_in_its_folder(tmp_path: Path) -> None:
    list(_run(tmp_path))
    (tmp_path / "detached.json").write_text(json.dumps(_gone()))
    (tmp_path / "console.txt").write_text("the folder holds a training run\n")
    ended = list(watch(tmp_path, wait=_not_again))[-1]
    assert isinstance(ended, events.RunEnded)
    assert (ended.run.state, ended.message) == ("failed", "the folder holds a training run")


def test_a_detached_run_that_resumes_is_not_taken_for_the_one_that_ended(tmp_path: Path) -> None:
    list(_run(tmp_path))
    note_process(tmp_path, os.getpid(), ["train"])
    described = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(described | {"process": {"pid": 1}}))
    looks: list[events.RunObserved] = []
    for event in watch(tmp_path, wait=lambda _: None):
        assert not isinstance(event, events.RunEnded)
        if isinstance(event, events.RunObserved):
            looks.append(event)
        if len(looks) == 3:
            break
    assert {look.run.state for look in looks if look.run is not None} == {"running"}
