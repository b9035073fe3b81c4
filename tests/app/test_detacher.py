import json
import sys
from pathlib import Path

import pytest

from app.jobs import detacher
from app.jobs.detacher import DetachedTraining, start_detached
from ptycho_engine.bundles import read_bundle
from ptycho_engine.config import TrainConfig
from ptycho_engine.errors import OutputError
from ptycho_engine.events import MessageLogged
from ptycho_engine.runs.detached import train_command

CHILD = "import os, sys; print(os.getsid(0) == os.getpid(), repr(sys.stdin.read()), os.getcwd()); import ptycho_engine"


def _training(folder: Path) -> DetachedTraining:
    return DetachedTraining(folder, TrainConfig(epochs=3), (Path("/a.npz"),))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such sessions")
def test_the_process_has_a_session_of_its_own_and_prints_into_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    usual = train_command

    def command(*arguments: object, **named: object) -> list[str]:
        assert usual(*arguments, **named)[3:6] == ["-m", "ptycho_engine", "train"]  # type: ignore[arg-type]
        return [sys.executable, "-c", CHILD]

    monkeypatch.setattr(detacher, "train_command", command)
    before = set(detacher._started)
    told = list(start_detached(_training(folder)))
    (process,) = detacher._started - before
    assert process.wait(60) == 0
    assert (folder / "console.txt").read_text() == f"True '' {folder}\n"
    assert json.loads((folder / "detached.json").read_text())["pid"] == process.pid
    assert isinstance(told[0], MessageLogged)
    assert str(process.pid) in told[0].text
    list(start_detached(_training(tmp_path / "another")))
    assert process not in detacher._started, "one that has ended is forgotten"
    for other in detacher._started - before:
        other.wait(60)


def test_a_process_that_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detacher, "train_command", lambda *_, **__: [str(tmp_path / "none")])
    with pytest.raises(OutputError, match="does not start"):
        list(start_detached(_training(tmp_path)))
    assert not (tmp_path / "detached.json").exists()


def test_a_bundle_to_go_on_from_is_kept_with_the_run(
    golden_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Path] = []

    def command(*_: object, start_from: Path, **__: object) -> list[str]:
        given.append(start_from)
        return [str(tmp_path / "none")]

    monkeypatch.setattr(detacher, "train_command", command)
    bundle = read_bundle(golden_dir / "gs1" / "wts.h5.zip")
    training = DetachedTraining(tmp_path, TrainConfig(), (Path("/a.npz"),), start_from=bundle)
    with pytest.raises(OutputError):
        list(start_detached(training))
    assert given == [tmp_path / "start.h5.zip"]
    assert read_bundle(given[0]).n_parameters == bundle.n_parameters
