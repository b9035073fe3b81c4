"""What was opened comes to the front."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog

from app.state.app_events import FiguresOpened, RunOpened
from ptycho_engine.documents import PatchStats, RunRecord
from ptycho_engine.runs.run_contents import StoredStats
from ptycho_engine.runs.run_figures import RunFigures
from tests.app.window import SCAN, Shown

STATS = (StoredStats("torch_patch_stats.json", (PatchStats("train", 0, 4, 1.0, 0.1, 0.01, ()),)),)
FILE = Path("/runs/one/analysis/torch_patch_stats.json")
FOLDER = Path("/runs/one")


def test_statistics_that_are_opened_come_to_the_front(shown: Shown) -> None:
    shown.session.apply(FiguresOpened(RunFigures(FILE, "stats", STATS)))
    assert shown.window.middle.currentWidget() is shown.window.tabs
    assert shown.window._front_panel() == "statistics"


def test_a_run_without_statistics_leaves_what_is_in_front(shown: Shown) -> None:
    shown.open(SCAN)
    front = shown.window._front_panel()
    run = RunRecord(FOLDER, "train", "completed")
    shown.session.apply(RunOpened(run, None, RunFigures(FOLDER, "run")))
    assert shown.window._front_panel() == front
    other = RunRecord(FOLDER.with_name("two"), "train", "completed")
    shown.session.apply(RunOpened(other, None, RunFigures(other.path, "run", STATS)))
    assert shown.window._front_panel() == "statistics"


def test_a_folder_can_be_chosen(shown: Shown, tmp_path: Path) -> None:
    asked: list[list[str]] = []
    shown.window.open_asked.disconnect()
    shown.window.open_asked.connect(asked.append)
    shown.window.actions_by_id["open_folder"].trigger()
    dialog = shown.window.findChild(QFileDialog)
    assert isinstance(dialog, QFileDialog)
    assert dialog.fileMode() is QFileDialog.FileMode.Directory
    dialog.filesSelected.emit([str(tmp_path)])
    dialog.close()
    assert asked == [[str(tmp_path)]]
