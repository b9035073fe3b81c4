"""The command palette, the guide, undoing, and what is open again at the next start."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.display.fuzzy import fuzzy_score
from app.help_window import HelpWindow
from app.jobs.guide_reader import read_pages
from app.panels.registry import PANELS
from app.settings import SettingsStore
from app.state.app_events import DocumentClosed
from app.state.closed_documents import CLOSED_LIMIT
from tests.app.samples import make_canvas
from tests.app.window import BUNDLE, SCAN, Shown

ROOT = Path(__file__).resolve().parents[2]


def best(wanted: str, *names: str) -> str:
    scored = [(score, name) for name in names if (score := fuzzy_score(wanted, name)) is not None]
    return max(scored)[1] if scored else ""


def test_few_letters_find_what_is_meant() -> None:
    assert best("sb", "Save bundle as", "Show Dataset", "Stop") == "Save bundle as"
    assert best("stop", "Set the tool palette", "Stop") == "Stop"
    assert best("diag", "Dataset in a grid", "Show Diagnoses") == "Show Diagnoses"
    assert best("xyz", "Stop") == ""
    assert fuzzy_score("", "Stop") is not None


def test_the_palette_runs_what_is_typed_and_says_why_another_is_off(shown: Shown) -> None:
    palette = shown.application.commands.show_palette()
    QTest.keyClicks(palette.search, "start inf")
    palette.search.setText("infer")
    assert palette.shown()[0] == "Infer"
    assert "Not now: Open a scan first." in palette.words.text()
    QTest.keyClick(palette.search, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.search.setText("layout reset")
    assert palette.shown() == []
    assert palette.words.text() == "Nothing is called so."
    palette.search.setText("show log")
    QTest.keyClick(palette.search, Qt.Key.Key_Return)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    log = shown.window.panels["log"]
    assert log.isVisible()


def test_the_palette_lists_every_action_and_panel_and_the_arrows_move_in_it(shown: Shown) -> None:
    palette = shown.application.commands.show_palette()
    names = palette.shown()
    assert {f"Show {spec.title}" for spec in PANELS} <= set(names)
    assert {"Open", "Undo closing", "Full screen", "Theme: Dark"} <= set(names)
    QTest.keyClick(palette.search, Qt.Key.Key_Down)
    item = palette.list.currentItem()
    assert item is not None
    assert item.text(0) == names[1]
    palette.reject()


def test_closing_a_scan_is_undone_with_all_that_belonged_to_it(shown: Shown) -> None:
    shown.open(SCAN, Path("/nowhere/other.npz"), BUNDLE)
    undo = shown.window.actions_by_id["undo_close"]
    assert not undo.isEnabled()
    scan, other = shown.state.datasets
    before = shown.state.datasets[scan]
    shown.controller.close_document(scan)
    shown.controller.close_document(shown.state.bundle_id or "")
    assert list(shown.state.datasets) == [other]
    undo.trigger()
    assert shown.state.bundle is not None
    undo.trigger()
    assert shown.state.datasets[scan] is before
    assert shown.state.dataset_id == scan
    assert not undo.isEnabled()
    shown.settle()


def test_a_canvas_that_is_nowhere_on_disk_comes_back_too(shown: Shown) -> None:
    shown.open(SCAN, BUNDLE)
    shown.window.actions_by_id["infer"].trigger()
    shown.settle()
    key = shown.state.canvas_id
    assert key is not None
    shown.controller.close_document(key)
    assert not shown.state.canvases
    shown.controller.undo_close()
    assert shown.state.canvas_id == key
    np.testing.assert_array_equal(shown.state.canvases[key].object_, make_canvas().object_)
    assert shown.state.canvas_datasets[key] == shown.state.dataset_id


def test_only_so_many_closed_documents_are_kept(shown: Shown) -> None:
    shown.open(*(Path(f"/nowhere/scan{number}.npz") for number in range(CLOSED_LIMIT + 2)))
    shown.session.apply(*(DocumentClosed(key) for key in tuple(shown.state.datasets)))
    shown.session.apply(DocumentClosed("dataset:/unknown.npz"))
    assert len(shown.state.closed) == CLOSED_LIMIT
    shown.settle()


def test_what_is_open_is_noted_with_the_current_scan_last(shown: Shown, tmp_path: Path) -> None:
    shown.application.open_first_files([tmp_path / "a.npz", tmp_path / "b.npz", tmp_path / "net.h5.zip"])
    shown.settle()
    shown.controller.choose_document(next(iter(shown.state.datasets)))
    shown.controller.select_frame(3)
    shown.window.leave_asked.emit()
    noted = SettingsStore().settings.session
    assert noted["frame"] == 3
    assert noted["files"] == ["/nowhere/net.h5.zip", "/nowhere/b.npz", "/nowhere/a.npz"]
    assert noted["dataset"] == "/nowhere/a.npz"


@pytest.mark.usefixtures("expects_notice")
def test_restoring_opens_what_was_noted_and_tells_what_is_gone(qtbot: QtBot, tmp_path: Path) -> None:
    scan, net = tmp_path / "scan.npz", tmp_path / "net.h5.zip"
    scan.touch()
    net.touch()
    SettingsStore().change(session={"files": [str(net), str(tmp_path / "gone.npz"), str(scan)], "frame": 2})
    shown = Shown(qtbot, tmp_path / "runs")
    shown.application.open_first_files([])
    shown.settle()
    assert [path for verb, path in shown.verbs.calls if verb == "open"] == [net, scan]
    (notice,) = shown.state.notices
    assert "gone.npz" in notice.message
    assert "is gone" in notice.message
    assert shown.state.bundle is not None
    assert shown.state.dataset is not None
    # The fake scan has a path of its own, so its pattern is not that of the last start.
    assert shown.state.selected_frame is None
    shown.end()


def test_the_marked_pattern_comes_back_with_its_scan(qtbot: QtBot, tmp_path: Path) -> None:
    SettingsStore().change(session={"files": [], "dataset": "/nowhere/scan.npz", "frame": 2})
    shown = Shown(qtbot, tmp_path / "runs")
    shown.application.keeper.restore()
    shown.open(SCAN)
    shown.application.keeper.finish()
    assert shown.state.selected_frame == 2
    assert SettingsStore().settings.session["frame"] == 2
    shown.end()


def test_f1_opens_the_guide_at_the_panel_with_the_keyboard(shown: Shown) -> None:
    shown.open(SCAN)
    shown.window.activateWindow()
    shown.window.show_panel("loss")
    commands = shown.application.commands
    commands.show_guide()
    shown.qtbot.waitUntil(lambda: commands.guide is not None, timeout=20_000)
    guide = commands.guide
    assert guide is not None
    assert guide.page == "guide.md"
    assert guide.topic_at_top() == "Loss"
    guide.close()
    shown.settle()


def pages() -> dict[str, str]:
    read: dict[str, str] = {}
    assert list(read_pages(read)) == []
    return read


@pytest.mark.parametrize("title", [spec.title for spec in PANELS])
def test_the_guide_tells_of_every_panel(qtbot: QtBot, title: str) -> None:
    guide = HelpWindow(pages())
    qtbot.addWidget(guide)
    guide.show_topic(title)
    assert guide.topic_at_top() == title
    (mark,) = guide.text.extraSelections()
    assert mark.cursor.selectedText() == title


def test_links_between_the_pages_are_followed_and_gone_back(qtbot: QtBot) -> None:
    guide = HelpWindow(pages())
    qtbot.addWidget(guide)
    guide._follow(guide.text.document().baseUrl().resolved("bundles.md#what-a-bundle-may-not-say"))
    assert guide.page == "bundles.md"
    assert guide.topic_at_top() == "What a bundle may not say"
    guide.back.click()
    assert guide.page == "guide.md"
    assert not guide.back.isEnabled()


def test_a_missing_guide_is_told(qtbot: QtBot) -> None:
    guide = HelpWindow({})
    qtbot.addWidget(guide)
    assert "not installed" in guide.text.toPlainText()
