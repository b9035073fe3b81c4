import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QStatusTipEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton, QWidget

from app.actions import ACTIONS, INFER_AS
from app.panels.canvas import CanvasPanel
from app.panels.explorer import entries
from app.panels.registry import PANELS
from app.panels.training import TrainingPanel
from app.settings import SettingsStore
from tests.app.window import BUNDLE, SCAN, Shown

ROOT = Path(__file__).resolve().parents[2]


def enabled(shown: Shown) -> set[str]:
    return {spec.id for spec in ACTIONS if shown.window.actions_by_id[spec.id].isEnabled()}


def test_the_empty_window_says_what_to_do_first(shown: Shown) -> None:
    assert shown.window.middle.currentWidget() is shown.window.welcome
    words = " ".join(label.text() for label in shown.window.welcome.findChildren(QLabel))
    assert "Ctrl+O" in words
    assert not {"train", "infer", "stop", "save_bundle", "export_canvas", "resume"} & enabled(shown)
    assert "Open a scan first" in shown.window.actions_by_id["train"].toolTip()


def test_actions_follow_the_state(shown: Shown) -> None:
    shown.open(SCAN)
    assert shown.window.middle.currentWidget() is shown.window.tabs
    assert "scan" in shown.window.windowTitle()
    assert {"train", "close_dataset"} <= enabled(shown)
    assert "infer" not in enabled(shown)
    shown.open(BUNDLE)
    assert {"infer", "save_bundle"} <= enabled(shown)
    shown.window.actions_by_id["infer"].trigger()
    shown.settle()
    assert "export_canvas" in enabled(shown)
    shown.window.actions_by_id["close_dataset"].trigger()
    assert "train" not in enabled(shown)


@pytest.mark.parametrize(("action", "mode"), [("infer", "none"), *INFER_AS.items()])
def test_an_inference_can_be_asked_for_as_an_older_release_did(shown: Shown, action: str, mode: str) -> None:
    assert not shown.window.actions_by_id[action].isEnabled()
    shown.open(SCAN, BUNDLE)
    shown.window.actions_by_id[action].trigger()
    shown.settle()
    verb, (_, _, config) = shown.verbs.calls[-1]
    assert (verb, config.compatibility) == ("infer", mode)
    assert shown.state.job is not None
    assert shown.state.job.title.endswith("net" if mode == "none" else f", as PtychoPINN {mode}")


def test_every_action_and_panel_has_its_own_keys(shown: Shown) -> None:
    keys = [spec.shortcut for spec in ACTIONS] + [spec.shortcut for spec in PANELS]
    assert len(set(keys)) == len(keys)
    assert all(shown.window.actions_by_id[spec.id].shortcut().toString() == spec.shortcut for spec in ACTIONS)
    assert all(spec.help for spec in ACTIONS)
    assert all(spec.help for spec in PANELS)


@pytest.mark.parametrize("panel_id", [spec.panel_id for spec in PANELS])
def test_every_panel_comes_to_the_front_by_its_keys(shown: Shown, panel_id: str) -> None:
    shown.open(SCAN)
    shown.window.use_layout("inspect")
    shown.window.menus.panels[panel_id].trigger()
    assert shown.window.panels[panel_id].isVisible()
    shown.settle()


def test_the_status_bar_shows_the_job_and_cancels_it(shown: Shown) -> None:
    shown.open(SCAN)
    shown.start_and_pause()
    bar = shown.window.job_bar
    shown.qtbot.waitUntil(lambda: bar.progress.value() == 500, timeout=30_000)
    assert "Training" in bar.title.text()
    assert bar.left.text() == "0:01 left"
    bar.cancel.click()
    assert bar.title.text() == "Stopping…"
    assert not bar.cancel.isEnabled()
    shown.verbs.go_on.set()
    shown.settle()
    assert bar.cancel.isHidden()
    assert bar.title.text().endswith("stopped")


def test_the_button_on_the_canvas_refines_and_tells_the_explorer(shown: Shown) -> None:
    shown.open(SCAN, BUNDLE)
    shown.window.actions_by_id["infer"].trigger()
    shown.settle()
    panel = shown.window.panels["canvas"]
    assert isinstance(panel, CanvasPanel)
    panel.refine_bar.passes.setValue(4)
    panel.refine_bar.button.click()
    shown.settle()
    assert shown.verbs.calls[-1][0] == "refine"
    assert shown.verbs.calls[-1][1][3].refine == 4
    assert shown.state.refinement is not None
    assert [entry.facts.split()[0] for entry in entries(shown.state) if entry.icon == "canvas"] == [
        "inference",
        "refinement",
    ]


@pytest.mark.parametrize("panel_id", [spec.panel_id for spec in PANELS])
def test_tab_goes_through_a_panel_and_leaves_it(shown: Shown, panel_id: str) -> None:
    shown.open(SCAN, BUNDLE)
    shown.window.activateWindow()
    shown.window.show_panel(panel_id)
    panel, seen = shown.window.panels[panel_id], []
    focus = QApplication.focusWidget()
    while focus is not None and (focus is panel or panel.isAncestorOf(focus)):
        assert focus not in seen
        seen.append(focus)
        QTest.keyClick(focus, Qt.Key.Key_Tab)
        focus = QApplication.focusWidget()
    assert seen
    shown.settle()


def test_tab_follows_the_form_of_a_training(shown: Shown) -> None:
    shown.open(SCAN)
    shown.window.activateWindow()
    shown.window.show_panel("training")
    training = shown.window.panels["training"]
    assert isinstance(training, TrainingPanel)
    seen: list[QWidget] = []
    focus = QApplication.focusWidget()
    while focus is not None and focus not in seen:
        seen.append(focus)
        QTest.keyClick(focus, Qt.Key.Key_Tab)
        focus = QApplication.focusWidget()
    first, last = training.test_scan, training.start_button
    assert seen[0] is first
    order = [seen.index(widget) for widget in (first, training.folder, training.form.editors["epochs"], last)]
    assert order == sorted(order)


def test_starting_from_within_the_form_leaves_the_keyboard_where_it_is(shown: Shown) -> None:
    shown.open(SCAN)
    shown.window.activateWindow()
    shown.window.show_panel("training")
    training = shown.window.panels["training"]
    assert isinstance(training, TrainingPanel)
    training.form.editors["epochs"].setFocus()
    shown.start_and_pause()
    assert QApplication.focusWidget() is training.form.editors["epochs"]
    shown.verbs.go_on.set()
    shown.settle()


def test_files_dropped_on_the_window_are_opened(shown: Shown) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(SCAN)), QUrl("https://example.org/x.npz")])
    # A file manager may offer to move: whoever agrees has the file deleted.
    action, button, keys = Qt.DropAction.MoveAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    actions = Qt.DropAction.MoveAction | Qt.DropAction.CopyAction
    entering = QDragEnterEvent(QPointF(5, 5).toPoint(), actions, data, button, keys)
    entering.setDropAction(action)
    shown.window.dragEnterEvent(entering)
    assert entering.isAccepted()
    dropping = QDropEvent(QPointF(5, 5), actions, data, button, keys)
    dropping.setDropAction(action)
    shown.window.dropEvent(dropping)
    assert entering.dropAction() == dropping.dropAction() == Qt.DropAction.CopyAction
    shown.settle()
    assert [name for name, _ in shown.verbs.calls] == ["open"]
    assert shown.state.dataset is not None


def test_opened_files_become_recent_and_open_again_from_the_menu(shown: Shown) -> None:
    shown.open(SCAN)
    shown.controller.close_document(shown.state.dataset_id or "")
    (action,) = shown.window.menus.recent.actions()
    assert "scan.npz" in action.text()
    action.trigger()
    shown.settle()
    assert shown.state.dataset is not None
    assert SettingsStore().settings.recent_files == (str(SCAN),)


@pytest.mark.usefixtures("expects_notice")
def test_a_failure_appears_in_the_notice_bar_with_details_and_can_be_closed(shown: Shown) -> None:
    shown.open(Path("/nowhere/bad.npz"))
    bar = shown.window.notice_bar
    assert bar.isVisible()
    assert bar.messages() == ["/nowhere/bad.npz: this is neither a scan nor a bundle. Choose another file."]
    (details,) = (button for button in bar.findChildren(QPushButton) if button.text() == "Details")
    details.click()
    assert "×" in {button.text() for button in bar.findChildren(type(bar._lines["open:/nowhere/bad.npz"].close_button))}
    bar._lines["open:/nowhere/bad.npz"].close_button.click()
    assert bar.messages() == []
    assert not bar.isVisible()


def test_closing_an_idle_window_closes_it(shown: Shown) -> None:
    shown.window.close()
    assert not shown.window.isVisible()


@pytest.mark.parametrize(("answer", "ends"), [("Stop and &save", True), ("&Keep running", False), ("S&top", True)])
def test_closing_while_a_job_runs_asks(shown: Shown, answer: str, ends: bool) -> None:
    shown.open(SCAN)
    shown.start_and_pause()
    shown.window.close()
    assert shown.window.isVisible()
    question = shown.window.findChild(QMessageBox, "close_question")
    assert isinstance(question, QMessageBox)
    assert question.windowModality() is not Qt.WindowModality.ApplicationModal
    (button,) = (button for button in question.buttons() if button.text() == answer)
    button.click()
    assert shown.state.busy
    shown.verbs.go_on.set()
    shown.settle()
    if ends:
        shown.qtbot.waitUntil(lambda: not shown.window.isVisible(), timeout=30_000)
        assert shown.verbs.saved_at_stop
        assert shown.state.run is not None
        assert shown.state.run.state == "stopped"
        kept = str(shown.state.run.path) if "save" in answer else ""
        assert SettingsStore().settings.resume_run == kept
    else:
        assert shown.window.isVisible()
        assert shown.state.run is not None
        assert shown.state.run.state == "completed"


def test_the_training_stopped_with_the_window_is_opened_at_the_next_start(shown: Shown) -> None:
    shown.application.settings.change(resume_run="/nowhere/run")
    shown.application.open_first_files([SCAN])
    shown.settle()
    assert [path for _, path in shown.verbs.calls] == [Path("/nowhere/run"), SCAN]
    assert SettingsStore().settings.resume_run == ""


def test_an_inference_leaves_nothing_to_save(shown: Shown) -> None:
    shown.open(SCAN, BUNDLE)
    shown.verbs.pausing = True
    shown.window.actions_by_id["infer"].trigger()
    assert shown.verbs.paused.wait(5)
    shown.window.close()
    question = shown.window.findChild(QMessageBox, "close_question")
    assert isinstance(question, QMessageBox)
    assert sorted(button.text() for button in question.buttons()) == ["&Keep running", "S&top"]
    question.reject()


def test_a_layout_is_remembered_as_it_was_left(shown: Shown) -> None:
    shown.open(SCAN)
    window = shown.window
    assert window.actions_by_id["layout_train"].isChecked()
    assert window.docks["training"].isVisible()
    window.docks["log"].hide()
    window.actions_by_id["layout_inspect"].trigger()
    assert not window.docks["training"].isVisible()
    window.actions_by_id["layout_train"].trigger()
    assert window.docks["training"].isVisible()
    assert not window.docks["log"].isVisible()
    window.actions_by_id["reset_layout"].trigger()
    assert window.docks["log"].isVisible()
    window.arrangement.remember()
    settings = SettingsStore().settings
    assert settings.layout == "train"
    assert set(settings.docks) == {"train", "inspect"}
    assert settings.geometry


def test_the_training_form_is_as_it_was_used_last(shown: Shown, tmp_path: Path) -> None:
    shown.open(SCAN)
    training = shown.window.panels["training"]
    assert isinstance(training, TrainingPanel)
    training.show_config({"epochs": 7, "learning_rate": 3e-4})
    shown.window.actions_by_id["train"].trigger()
    shown.settle()
    assert shown.verbs.calls[-1][1]["config"].epochs == 7
    again = Shown(shown.qtbot, tmp_path)
    other = again.window.panels["training"]
    assert isinstance(other, TrainingPanel)
    config = other.form.config()
    assert (config.epochs, config.learning_rate) == (7, 3e-4)
    again.end()


def test_themes_change_the_palette_and_are_remembered(shown: Shown) -> None:
    def lightness() -> int:
        return shown.window.palette().window().color().lightness()

    shown.window.menus.themes["dark"].trigger()
    shown.qtbot.waitUntil(lambda: lightness() < 100, timeout=30_000)
    shown.window.menus.themes["light"].trigger()
    shown.qtbot.waitUntil(lambda: lightness() > 150, timeout=30_000)
    assert SettingsStore().settings.theme == "light"
    shown.window.menus.themes["desktop"].trigger()


def test_the_list_of_shortcuts_names_all(shown: Shown) -> None:
    shown.window.actions_by_id["shortcuts"].trigger()
    shown.window.actions_by_id["about"].trigger()


def test_the_first_window_is_painted_without_torch_and_without_what_pictures_are_drawn_with(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "from app.application import Application\n"
        "application = Application(QApplication([]))\n"
        "application.window.show()\n"
        "application.window.grab()\n"
        "never = {'torch', 'scipy', 'skimage', 'matplotlib', 'tifffile', 'h5py'}\n"
        "early = ({'pyqtgraph'} | never) & set(sys.modules)\n"
        "while not application.late_parts.done:\n"
        "    application.qt.processEvents()\n"
        "lacking = {'pyqtgraph', 'app.panels.canvas_content'} - set(sys.modules)\n"
        "late = never & set(sys.modules)\n"
        "application.shut_down()\n"
        "sys.exit(f'imported: {early | late}, lacking: {lacking}' if early | late | lacking else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_status_tip_leaves_progress_and_cancel_in_sight(shown: Shown) -> None:
    bar = shown.window.job_bar
    bar.show_value("amplitude 3.4")
    bar.show_job("Training", 1, 2, "0:10 left", "running")
    QApplication.sendEvent(shown.window, QStatusTipEvent("Train on the current scan"))
    assert bar.readout.text() == "Train on the current scan"
    assert bar.isVisible()
    assert bar.cancel.isVisible()
    QApplication.sendEvent(shown.window, QStatusTipEvent(""))
    assert bar.readout.text() == "amplitude 3.4"


def test_the_progress_bar_stands_still_between_two_values(shown: Shown) -> None:
    bar = shown.window.job_bar
    bar.show_job("Training", 1, 2, "", "running")
    # The bar of the style itself is animated; one with a style sheet is not.
    assert bar.progress.style().metaObject().className() == "QStyleSheetStyle"


def test_an_opened_scan_comes_to_the_front_and_its_patches_when_a_job_begins(shown: Shown) -> None:
    front = shown.window._front_panel
    assert front() == "patches"
    shown.open(SCAN)
    assert front() == "dataset"
    shown.start_and_pause()
    assert front() == "patches"
    shown.verbs.go_on.set()
    shown.settle()


def test_a_bundle_in_front_makes_room_for_what_a_job_draws(shown: Shown) -> None:
    shown.open(SCAN)
    shown.window.show_panel("bundle")
    shown.start_and_pause()
    assert shown.window._front_panel() == "patches"
    shown.verbs.go_on.set()
    shown.settle()


def test_whatever_else_is_in_front_stays_there(shown: Shown) -> None:
    shown.window.show_panel("scan")
    shown.open(SCAN)
    shown.start_and_pause()
    assert shown.window._front_panel() == "scan"
    shown.verbs.go_on.set()
    shown.settle()


def test_the_status_bar_tells_what_happened_last(shown: Shown) -> None:
    shown.open(SCAN)
    title = shown.window.job_bar.title
    assert title.toolTip() == "Opened scan.npz from /nowhere"
    shown.open(BUNDLE)
    shown.window._save_chosen("/nowhere/copy.h5.zip")
    shown.settle()
    assert "copy.h5.zip" in title.toolTip()


def test_the_status_bar_is_as_high_with_a_job_as_without(shown: Shown) -> None:
    bar = shown.window.job_bar
    bar.show_idle("")
    QApplication.processEvents()
    before = shown.window.middle.height()
    bar.show_job("Training", 1, 2, "0:10 left", "running")
    QApplication.processEvents()
    assert shown.window.middle.height() == before
