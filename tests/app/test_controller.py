import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.controller import Controller, new_run_folder
from app.display.exports import Export
from app.jobs.verbs import holds_a_bundle
from app.state.app_state import AppState
from app.state.requests import RefineRequest, TrainRequest
from app.state.session import Session
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Diagnosis
from ptycho_engine.events import DiagnosisFound
from tests.app.fake_verbs import FakeVerbs

SCAN = Path("/nowhere/scan.npz")
BUNDLE = Path("/nowhere/net.h5.zip")
REQUEST = TrainRequest(TrainConfig(epochs=2))


class Bench:
    """A controller with prepared verbs."""

    def __init__(self, qtbot: QtBot, folder: Path, verbs: FakeVerbs | None = None) -> None:
        self.qtbot = qtbot
        self.verbs = verbs if verbs is not None else FakeVerbs()
        self.session = Session()
        self.controller = Controller(self.session, folder, self.verbs)

    @property
    def state(self) -> AppState:
        return self.session.state

    def settle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.controller.runner.busy, timeout=30_000)

    def messages(self) -> list[str]:
        return [notice.message for notice in self.state.notices]


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Bench:
    return Bench(qtbot, tmp_path)


@pytest.fixture
def pausing(qtbot: QtBot, tmp_path: Path) -> Bench:
    return Bench(qtbot, tmp_path, FakeVerbs(pausing=True))


def test_several_files_are_opened_one_after_the_other(bench: Bench) -> None:
    opened: list[Path] = []
    bench.controller.file_opened.connect(opened.append)
    bench.controller.open_files([SCAN, BUNDLE, Path("/nowhere/other.npz")])
    bench.settle()
    assert [dataset.name for dataset in bench.state.datasets.values()] == ["scan", "other"]
    assert bench.state.bundle is not None
    assert opened == [SCAN, BUNDLE, Path("/nowhere/other.npz")]


@pytest.mark.usefixtures("expects_notice")
def test_a_bad_file_gives_one_clear_notice_and_leaves_the_rest_open(bench: Bench) -> None:
    bench.controller.open_files([SCAN])
    bench.settle()
    before = bench.state
    bench.controller.open_files(["/nowhere/bad.npz"])
    bench.settle()
    bench.controller.open_files(["/nowhere/bad.npz"])
    bench.settle()
    assert bench.messages() == ["/nowhere/bad.npz: this is neither a scan nor a bundle. Choose another file."]
    assert "Traceback" in bench.state.notices[0].details
    assert bench.state.notices[0].count == 2
    assert bench.state.datasets is before.datasets
    assert bench.state.dataset_id == before.dataset_id


@pytest.mark.usefixtures("expects_notice")
@pytest.mark.parametrize("intent", ["train", "infer", "refine", "resume", "save_bundle", "export_canvas"])
def test_what_cannot_be_done_is_said_in_words(bench: Bench, intent: str, tmp_path: Path) -> None:
    arguments: dict[str, list[object]] = {
        "train": [REQUEST],
        "refine": [RefineRequest(3)],
        "save_bundle": [tmp_path / "a"],
        "export_canvas": [tmp_path / "a"],
    }
    getattr(bench.controller, intent)(*arguments.get(intent, []))
    assert len(bench.messages()) == 1
    assert not bench.controller.runner.busy


def test_training_keeps_its_run_in_a_new_folder_and_gives_the_bundle(bench: Bench, tmp_path: Path) -> None:
    bench.controller.open_files([SCAN])
    bench.settle()
    bench.controller.train(REQUEST)
    bench.settle()
    (_, call) = bench.verbs.calls[-1]
    assert call["out"].parent == tmp_path
    assert call["out"].name.endswith("-scan")
    assert call["test"] is None
    assert bench.state.bundle is not None
    assert bench.state.bundle.path == call["out"] / "wts.h5.zip"
    assert bench.state.run is not None
    assert bench.state.run.state == "completed"
    assert len(bench.state.losses.steps) == 10


def test_a_second_scan_is_a_test_scan_only_if_chosen(bench: Bench) -> None:
    bench.controller.open_files([SCAN, Path("/nowhere/test.npz")])
    bench.settle()
    train, test = bench.state.datasets
    bench.controller.train(TrainRequest(TrainConfig(), dataset_id=train, test_dataset_id=test))
    bench.settle()
    assert bench.verbs.calls[-1][1]["test"] is bench.state.datasets[test]


@pytest.mark.usefixtures("expects_notice")
def test_further_scans_are_trained_on_after_the_current_one(bench: Bench) -> None:
    bench.controller.open_files([SCAN, Path("/nowhere/more.npz")])
    bench.settle()
    first, more = bench.state.datasets
    bench.controller.train(TrainRequest(TrainConfig(), dataset_id=first, further_dataset_ids=(more,)))
    bench.settle()
    assert bench.verbs.calls[-1][1]["scans"] == ["scan", "more"]
    calls = len(bench.verbs.calls)
    bench.controller.train(TrainRequest(TrainConfig(), dataset_id=first, further_dataset_ids=("dataset:/gone.npz",)))
    bench.settle()
    assert len(bench.verbs.calls) == calls
    assert "not open any more" in bench.state.notices[-1].message


def test_cancel_then_resume_goes_on_in_the_same_run(pausing: Bench) -> None:
    pausing.controller.open_files([SCAN])
    pausing.settle()
    pausing.controller.train(REQUEST)
    assert pausing.verbs.paused.wait(5)
    pausing.controller.cancel()
    assert pausing.state.job is not None
    assert pausing.state.job.state == "cancelling"
    pausing.verbs.go_on.set()
    pausing.settle()
    assert pausing.verbs.saved_at_stop
    assert pausing.state.run is not None
    assert pausing.state.run.state == "stopped"
    folder = pausing.verbs.calls[-1][1]["out"]
    pausing.controller.resume()
    pausing.settle()
    assert (pausing.verbs.calls[-1][1]["out"], pausing.verbs.calls[-1][1]["resume"]) == (folder, True)
    assert [run.state for run in pausing.state.runs.values()] == ["completed"]
    np.testing.assert_array_equal(pausing.state.losses.steps.column("step"), np.arange(10))


def test_files_open_while_a_training_runs(pausing: Bench) -> None:
    pausing.controller.open_files([SCAN])
    pausing.settle()
    pausing.controller.train(REQUEST)
    assert pausing.verbs.paused.wait(5)
    pausing.controller.open_files([Path("/nowhere/other.npz")])
    pausing.qtbot.waitUntil(lambda: len(pausing.state.datasets) == 2, timeout=30_000)
    assert pausing.state.busy
    pausing.verbs.go_on.set()
    pausing.settle()
    assert pausing.state.preview_dataset_id is None
    assert pausing.state.run is not None


@pytest.mark.usefixtures("expects_notice")
def test_a_second_computing_job_is_refused(pausing: Bench) -> None:
    pausing.controller.open_files([SCAN, BUNDLE])
    pausing.settle()
    pausing.controller.train(REQUEST)
    assert pausing.verbs.paused.wait(5)
    pausing.controller.infer()
    assert pausing.messages() == ["Another job is running. Wait for its end, or stop it."]
    pausing.controller.close_document(next(iter(pausing.state.datasets)))
    assert len(pausing.state.datasets) == 1
    pausing.verbs.go_on.set()
    pausing.settle()
    assert [name for name, _ in pausing.verbs.calls].count("infer") == 0


def test_inference_shows_its_canvas_and_results_can_be_written(bench: Bench, tmp_path: Path) -> None:
    bench.controller.open_files([SCAN, BUNDLE])
    bench.settle()
    bench.controller.infer()
    bench.settle()
    assert bench.state.canvas is not None
    assert len(bench.state.canvases) == 1
    bench.controller.save_bundle(tmp_path / "copy.h5.zip")
    bench.controller.export_canvas(tmp_path / "reconstruction.npz")
    bench.controller.export(Export(tmp_path / "note.txt", b"1.5"))
    bench.settle()
    assert [name for name, _ in bench.verbs.calls][-2:] == ["save", "export"]
    assert (tmp_path / "note.txt").read_bytes() == b"1.5"
    export = bench.verbs.calls[-1][1][0]
    assert (export.dataset, export.bundle, export.intensity_scale) == ("scan", "net", 988.21)


def test_frames_are_read_beside_everything_else(bench: Bench) -> None:
    bench.controller.open_files([SCAN])
    bench.settle()
    key = bench.state.dataset_id
    assert key is not None
    bench.controller.scan_reader.summarise(key)
    for index in range(6):
        bench.controller.scan_reader.read_frame(key, index)
    bench.controller.scan_reader.read_frame(key, 99)
    bench.qtbot.waitUntil(lambda: bench.state.frame is not None and bench.state.frame.index == 5, timeout=30_000)
    bench.qtbot.waitUntil(lambda: key in bench.state.summaries, timeout=30_000)
    bench.qtbot.waitUntil(lambda: not bench.controller.runner.reading, timeout=30_000)


def test_run_folders_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "2026-07-01-120000")
    first = new_run_folder(tmp_path, "a scan/of: mine")
    second = new_run_folder(tmp_path, "a scan/of: mine", {first})
    assert first.name == "2026-07-01-120000-a-scan-of-mine"
    assert second.name == f"{first.name}-2"


def test_bundles_are_known_by_their_content(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scan.npz", "w") as archive:
        archive.writestr("manifest.dill", b"")
    np.savez(tmp_path / "wts.h5.zip.npz", probe=np.ones(3))
    (tmp_path / "text.zip").write_text("no archive")
    assert holds_a_bundle(tmp_path / "scan.npz")
    assert not holds_a_bundle(tmp_path / "wts.h5.zip.npz")
    assert not holds_a_bundle(tmp_path / "text.zip")
    assert not holds_a_bundle(tmp_path / "missing.zip")


def _inferred(bench: Bench) -> None:
    bench.controller.open_files([SCAN, BUNDLE])
    bench.settle()
    bench.verbs.pausing = False
    bench.controller.infer()
    bench.settle()


def test_refinement_starts_from_the_canvas_shown_and_keeps_that_of_the_network(bench: Bench, tmp_path: Path) -> None:
    _inferred(bench)
    drawn = bench.state.canvas
    bench.controller.refine(RefineRequest(7, refine_probe=True))
    bench.settle()
    name, (dataset, bundle, canvas, config, network) = bench.verbs.calls[-1]
    assert (name, config.refine, config.refine_probe) == ("refine", 7, True)
    assert (dataset, bundle) == (bench.state.dataset, bench.state.bundle)
    assert canvas is network is drawn
    first = bench.state.canvas
    assert first is not drawn
    assert bench.state.refinement is not None
    assert bench.state.refinement.network is drawn
    bench.controller.refine(RefineRequest(2))
    bench.settle()
    *_, (_, (_, _, canvas, _, network)) = bench.verbs.calls
    assert canvas is first
    assert network is drawn
    bench.controller.export_canvas(tmp_path / "a.npz")
    bench.settle()
    export = bench.verbs.calls[-1][1][0]
    assert (export.canvas, export.network_canvas) == (bench.state.canvas, drawn)


def test_a_cancelled_refinement_keeps_what_was_reached(pausing: Bench) -> None:
    _inferred(pausing)
    drawn, pausing.verbs.pausing = pausing.state.canvas, True
    pausing.controller.refine(RefineRequest(7))
    assert pausing.verbs.paused.wait(5)
    pausing.controller.cancel()
    pausing.verbs.go_on.set()
    pausing.settle()
    state = pausing.state
    assert state.job is not None
    assert state.job.state == "stopped"
    assert state.canvas is not None
    assert state.canvas is not drawn
    assert state.canvas_id == f"canvas:{state.job.id}"
    assert state.canvases[state.canvas_id] is state.canvas
    assert len(state.canvases) == 2
    assert state.canvas_refinements[state.canvas_id].network is drawn


@pytest.mark.usefixtures("expects_notice")
def test_a_canvas_whose_scan_was_closed_is_not_refined(bench: Bench) -> None:
    _inferred(bench)
    assert bench.state.dataset_id is not None
    bench.controller.close_document(bench.state.dataset_id)
    bench.controller.refine(RefineRequest(7))
    assert bench.messages() == ["The scan of this canvas is not open any more. Open it again, then infer."]
    assert bench.verbs.calls[-1][0] == "infer"


@pytest.mark.usefixtures("expects_notice")
def test_findings_of_the_job_before_are_told_no_more(bench: Bench) -> None:
    finding = Diagnosis("input-scale-mismatch", "error", "too bright", "Normalise.", {})
    bench.controller.open_files([SCAN, BUNDLE])
    bench.settle()
    bench.controller.infer()
    bench.settle()
    assert bench.state.job is not None
    bench.session.deliver(bench.state.job.id, (DiagnosisFound(finding),))
    assert [notice.message for notice in bench.state.notices] == ["too bright"]
    bench.controller.infer()
    bench.settle()
    assert not bench.state.notices
