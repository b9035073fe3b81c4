"""The Statistics panel: training against inference, from this window and from documents."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.controller import Controller
from app.jobs.verbs import EngineVerbs
from app.panels.explorer import entries
from app.panels.statistics import StatisticsPanel
from app.run_queue import RunQueue
from app.state.app_events import DocumentChosen, DocumentClosed, JobBegan, JobEnded
from app.state.app_state import JobState
from app.state.session import Session
from app.wiring import connect_intents, intents_of
from ptycho_engine import events
from ptycho_engine.artefacts.patch_stats_file import read_patch_stats, write_patch_stats
from ptycho_engine.diagnostics.patch_stats import patch_stats
from ptycho_engine.documents import PatchStats

if TYPE_CHECKING:
    from app.display.exports import Export


def described(level: float, phase: str, batch: int = 0) -> PatchStats:
    rng = np.random.default_rng(batch)
    return patch_stats(level * (1 + 0.3 * rng.standard_normal((4, 1, 16, 16))).clip(0.01), phase, batch)


def measured(stats: PatchStats) -> events.StatsMeasured:
    return events.StatsMeasured(stats.batch_idx, stats)


class Bench:
    """The panel, wired as in the window, with the engine's own way to open files."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot = qtbot
        self.session = Session()
        self.controller = Controller(self.session, folder, EngineVerbs())
        self.panel = StatisticsPanel(self.session)
        qtbot.addWidget(self.panel)
        connect_intents(self.panel, intents_of(self.controller, RunQueue(self.session, self.controller.train)))
        self.panel.show()

    def open(self, *paths: Path) -> None:
        self.controller.open_files(paths)
        self.settle()

    def settle(self) -> None:
        runner = self.controller.runner
        self.qtbot.waitUntil(lambda: not runner.busy and not runner.reading, timeout=20_000)

    def row(self, number: int) -> list[str]:
        return [self.panel.table.text_at(number, column) for column in range(4)]


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path)
    yield made
    made.settle()
    made.controller.watching.watches.stop_all()
    made.controller.watching.watches.wait(20_000)


def test_without_statistics_it_says_how_to_get_some(bench: Bench) -> None:
    assert "Run an inference" in bench.panel.pages.hint


def test_a_training_stays_beside_the_inference_that_follows(bench: Bench) -> None:
    bench.session.apply(JobBegan(JobState("train-1", "train", "")), measured(described(1.0, "train")))
    bench.session.apply(measured(described(2.0, "train", 1)))
    bench.session.apply(JobBegan(JobState("infer-1", "infer", "")), measured(described(9444.0, "inference")))
    training, inference, ratio, factor = bench.row(0)
    last = described(2.0, "train", 1)
    assert training == f"{last.global_mean:.7g}"
    assert float(ratio.removeprefix("× ")) == pytest.approx(float(inference) / float(training), rel=1e-3)
    variance = bench.row(2)
    assert float(variance[3].removeprefix("× ")) ** 2 == pytest.approx(float(variance[2].removeprefix("× ")), rel=1e-3)
    assert factor == ratio
    assert "not at the level of the training" in bench.panel.cause.text()
    assert bench.panel.timeline.series_names == ("training", "inference")
    bench.session.apply(JobBegan(JobState("train-2", "train", "")))
    assert bench.row(0)[0] == "–"
    assert bench.row(0)[1] == inference
    assert not bench.panel.report_button.isEnabled()


def test_a_growing_course_is_drawn_once_in_a_while_and_whole_at_the_end(bench: Bench) -> None:
    bench.session.apply(JobBegan(JobState("train-1", "train", "")), measured(described(1.0, "train")))

    def drawn() -> int:
        return bench.panel.timeline.drawn_points("training")

    bench.session.apply(measured(described(2.0, "train", 1)))
    assert drawn() == 2
    for batch in (2, 3, 4):
        bench.session.apply(measured(described(2.0, "train", batch)))
        assert drawn() == 3
    assert bench.row(0)[0] == f"{described(2.0, 'train', 4).global_mean:.7g}"
    bench.session.apply(JobEnded("train-1", "completed"))
    assert drawn() == 5


def test_a_run_of_this_window_can_be_reported(bench: Bench, tmp_path: Path) -> None:
    asked: list[tuple[Path, Path]] = []
    bench.panel.report_asked.disconnect()
    bench.panel.report_asked.connect(lambda folder, path: asked.append((folder, path)))
    folder = tmp_path / "run"
    job = JobState("train-1", "train", "", run_folder=folder)
    started = events.JobStarted("train", "CPU", 1, "steps", folder)
    bench.session.apply(JobBegan(job), started, measured(described(1.0, "train")))
    assert not bench.panel.report_button.isEnabled()
    bench.session.apply(JobEnded("train-1", "completed"))
    bench.session.apply(measured(described(1.0, "train", 1)))
    bench.panel.report(str(tmp_path / "report"))
    assert asked == [(folder, tmp_path / "report.html")]


def test_a_preview_stands_for_a_training_that_logs_nothing(bench: Bench) -> None:
    patches = np.full((3, 8, 8), 2.0 + 0j, np.complex64)
    patches[:, 0, 0] = 4
    empty = np.zeros((3, 8, 8), np.float32)
    preview = events.PatchPreview(
        "train", 7, patches, empty, None, np.arange(3), np.zeros((3, 2)), network_per_physical=1.0, intensity_scale=1.0
    )
    bench.session.apply(JobBegan(JobState("train-1", "train", "")), preview)
    assert bench.row(0)[0] == f"{np.abs(patches).mean():.7g}"
    assert "shown last" in bench.panel.boxes["train"].currentText()
    bench.panel.tabs.setCurrentWidget(bench.panel.spread)
    assert bench.panel.histogram.series_names == ("training",)
    counts = bench.panel.histogram._series["training"][0].getOriginalDataset()[1]
    assert np.count_nonzero(counts) == 2
    bench.session.apply(measured(described(1.0, "train")))
    assert "shown last" not in bench.panel.boxes["train"].currentText()


def test_two_files_of_statistics_are_held_against_each_other(bench: Bench, tmp_path: Path) -> None:
    for level, phase in ((1.0, "train"), (1.02, "inference")):
        write_patch_stats([described(level, phase)], tmp_path / phase / "torch_patch_stats.json")
        bench.open(tmp_path / phase / "torch_patch_stats.json")
    assert [entry.facts for entry in entries(bench.session.state)] == ["statistics: train", "statistics: inference"]
    assert bench.row(0)[2] == "× 1.02"
    assert "same level" in bench.panel.cause.text()
    asked: list[Export] = []
    bench.panel.export_asked.connect(asked.append)
    bench.panel.export(str(tmp_path / "both"))
    bench.settle()
    assert [one.phase for one in read_patch_stats(tmp_path / "both.json")] == ["train", "inference"]
    assert asked[0].path == tmp_path / "both.json"


def test_the_golden_runs_open_with_figures_dump_and_cause(bench: Bench, golden_dir: Path) -> None:
    bench.open(golden_dir / "gs1")
    state = bench.session.state
    assert (list(state.runs), list(state.bundles)) == ([f"run:{golden_dir / 'gs1'}"], [state.bundle_id])
    train = json.loads((golden_dir / "gs1" / "train_analysis" / "torch_patch_stats.json").read_text())
    assert bench.row(0)[:3] == [f"{train[0]['global_mean']:.7g}", "2.451118", "× 3.159"]
    assert "stitched canvas" in bench.panel.cause.text()
    rows = bench.panel.run_table.shown_rows()
    assert ("debug dump debug_dump", "canvas.canvas_size", "116") in rows
    assert bench.panel.report_button.isEnabled()
    bench.panel.report(str(bench.controller.runs_folder / "report"))
    bench.settle()
    assert "gs1" in (bench.controller.runs_folder / "report.html").read_text()
    bench.open(golden_dir / "gs2")
    assert bench.row(0)[0] == "0.7720898"
    bench.session.apply(DocumentChosen(f"run:{golden_dir / 'gs1'}"))
    assert bench.row(0)[0] == "0.7758773"
    # What was picked by hand stays until another document is chosen.
    box = bench.panel.boxes["train"]
    other = next(row for row in range(box.count()) if box.itemText(row).startswith("gs2"))
    box.setCurrentIndex(other)
    box.activated.emit(other)
    assert bench.row(0)[0] == "0.7720898", [box.itemText(row) for row in range(box.count())]
    bench.session.apply(DocumentClosed(f"run:{golden_dir / 'gs2'}"))
    assert bench.row(0)[0] == "0.7758773"


def test_a_debug_dump_is_a_document(bench: Bench, golden_dir: Path) -> None:
    bench.open(golden_dir / "gs1" / "debug_dump" / "canvas.json")
    (entry,) = entries(bench.session.state)
    assert (entry.name, entry.facts, entry.current) == ("debug_dump", "debug dump", True)
    assert ("debug dump", "offsets.count", "271") in bench.panel.run_table.shown_rows()
    assert not bench.panel.report_button.isEnabled()
    bench.session.apply(DocumentClosed(entry.key))
    assert "Run an inference" in bench.panel.pages.hint


def test_a_run_with_a_broken_part_opens_with_the_rest(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "run" / "analysis").mkdir(parents=True)
    (tmp_path / "run" / "wts.h5.zip").write_bytes(b"PK\x03\x04")
    write_patch_stats([described(1.0, "train")], tmp_path / "run" / "analysis" / "torch_patch_stats.json")
    bench.open(tmp_path / "run")
    assert bench.row(0)[0] != "–"
    assert any("wts.h5.zip" in entry.text for entry in bench.session.state.log)
    assert bench.panel.run_table.shown_rows()[-1][0] == "could not be read"


@pytest.mark.parametrize(("used", "other"), [("bundle:/runs/one/wts.h5.zip", False), ("bundle:/else.h5.zip", True)])
def test_an_inference_with_another_network_is_not_blamed_on_the_input(bench: Bench, used: str, other: bool) -> None:
    train = JobState("train-1", "train", "Training", run_folder=Path("/runs/one"))
    infer = JobState("infer-1", "infer", "Inferring", bundle_id=used)
    bench.session.apply(JobBegan(train), measured(described(1.0, "train")), JobEnded("train-1", "completed"))
    bench.session.apply(JobBegan(infer), measured(described(1000.0, "inference")), JobEnded("infer-1", "completed"))
    assert ("another network" in bench.panel.cause.text()) == other
