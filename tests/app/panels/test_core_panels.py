from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QStyleOptionViewItem
from pytestqt.qtbot import QtBot

from app.panels.bundle import BundlePanel
from app.panels.explorer import ExplorerPanel
from app.panels.log import LogPanel
from app.panels.loss import LossPanel, headline
from app.panels.training import TrainingPanel
from app.state import app_events as app
from app.state.app_state import JobState
from app.state.reduce import LOG_LIMIT
from app.state.requests import TrainRequest
from app.state.session import Session
from app.widgets.name_delegate import NameDelegate
from ptycho_engine import events
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import RunRecord
from tests.app.samples import epoch_done, loss_measured, make_bundle, make_dataset, step_done, validation_measured

FOLDER = Path("/runs/2026-11-24-scan")
JOB = JobState("train-1", "train", "Training", dataset_id="dataset:/nowhere/scan.npz", run_folder=FOLDER, n_epochs=2)
REQUEST = TrainRequest(TrainConfig(), "dataset:/nowhere/scan.npz", None, FOLDER)
STARTED = events.JobStarted("train", "CPU · 1 thread", 20, "steps", FOLDER)


@pytest.fixture
def session(qapp: QApplication) -> Session:
    return Session()


def lines(panel: ExplorerPanel) -> list[str]:
    found = []
    for row in range(panel.tree.topLevelItemCount()):
        group = panel.tree.topLevelItem(row)
        assert group is not None
        if group.isHidden():
            continue
        found.append(group.text(0))
        for line in range(group.childCount()):
            item = group.child(line)
            assert item is not None
            found.append(item.text(0))
    return found


def test_the_explorer_lists_what_is_open(qtbot: QtBot, session: Session) -> None:
    panel = ExplorerPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    assert lines(panel) == ["Datasets   none open", "Bundles   none open", "Runs   none yet"]
    session.apply(events.DatasetOpened(make_dataset("one")), events.DatasetOpened(make_dataset("two")))
    session.apply(events.BundleLoaded(make_bundle()), app.JobBegan(JOB, request=REQUEST), STARTED, step_done(5, 20))
    assert lines(panel) == [
        *("Datasets", "one   6 × 64 × 64", "two   6 × 64 × 64"),
        *("Bundles", "net   2026-07 · N 64 · g 1"),
        *("Runs", f"{FOLDER.name}   1/2"),
    ]
    session.apply(app.DocumentClosed("dataset:/nowhere/one.npz"))
    assert "one   6 × 64 × 64" not in lines(panel)


def test_the_explorer_asks_and_does_nothing_itself(qtbot: QtBot, session: Session) -> None:
    panel = ExplorerPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.apply(events.DatasetOpened(make_dataset("one")), events.DatasetOpened(make_dataset("two")))
    asked: list[tuple[str, object]] = []
    panel.document_asked.connect(lambda key: asked.append(("current", key)))
    panel.close_asked.connect(lambda key: asked.append(("close", key)))
    panel.reveal_asked.connect(lambda path: asked.append(("reveal", path)))
    item = panel._items["dataset:/nowhere/one.npz"]
    panel.tree.itemActivated.emit(item, 0)
    panel.tree.setCurrentItem(item)
    qtbot.keyClick(panel.tree, Qt.Key.Key_Delete)  # type: ignore[no-untyped-call]
    actions = {action.text(): action for action in panel.menu_for("dataset:/nowhere/one.npz").actions()}
    actions["Reveal in &folder"].trigger()
    assert asked == [
        ("current", "dataset:/nowhere/one.npz"),
        ("close", "dataset:/nowhere/one.npz"),
        ("reveal", Path("/nowhere")),
    ]
    assert len(session.state.datasets) == 2


def test_only_a_stopped_training_can_be_resumed_from_the_explorer(qtbot: QtBot, session: Session) -> None:
    panel = ExplorerPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.apply(app.RunOpened(RunRecord(FOLDER, "train", "stopped"), REQUEST))
    key = f"run:{FOLDER}"
    assert "&Resume training" in [action.text() for action in panel.menu_for(key).actions()]
    session.apply(app.RunOpened(RunRecord(FOLDER, "train", "completed"), REQUEST))
    assert "&Resume training" not in [action.text() for action in panel.menu_for(key).actions()]


def test_the_training_panel_asks_for_what_is_filled_in(qtbot: QtBot, session: Session) -> None:
    panel = TrainingPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    assert not panel.start_button.isEnabled()
    assert "Open a scan" in panel.reason.text()
    session.apply(events.DatasetOpened(make_dataset("test")), events.DatasetOpened(make_dataset("one")))
    assert panel.scan.text() == "one"
    asked: list[TrainRequest] = []
    panel.train_asked.connect(asked.append)
    panel.start_button.click()
    assert asked == [TrainRequest(TrainConfig(), "dataset:/nowhere/one.npz")]
    panel.show_config({"epochs": 4})
    panel.test_scan.setCurrentText("test")
    panel.folder.setText("/runs/mine")
    panel.start_button.click()
    assert asked[1] == TrainRequest(
        TrainConfig(epochs=4), "dataset:/nowhere/one.npz", "dataset:/nowhere/test.npz", Path("/runs/mine")
    )


def test_further_scans_are_ticked_and_kept_while_they_are_open(qtbot: QtBot, session: Session) -> None:
    panel = TrainingPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    assert not panel.further.isEnabled()
    for name in ("more", "most", "one"):
        session.apply(events.DatasetOpened(make_dataset(name)))
    assert panel.further.text() == "none"
    panel.further.choose(["dataset:/nowhere/more.npz", "dataset:/nowhere/most.npz"])
    assert panel.further.text() == "2 scans"
    assert panel.request().further_dataset_ids == ("dataset:/nowhere/more.npz", "dataset:/nowhere/most.npz")
    session.apply(app.DocumentChosen("dataset:/nowhere/more.npz"))
    assert panel.request().further_dataset_ids == ("dataset:/nowhere/most.npz",)
    assert panel.further.text() == "most"


def test_the_training_panel_says_why_a_button_is_off(qtbot: QtBot, session: Session) -> None:
    panel = TrainingPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.apply(events.DatasetOpened(make_dataset()))
    assert panel.resume_button.toolTip() == "No training was stopped."
    session.apply(app.JobBegan(JOB, request=REQUEST), STARTED)
    assert panel.start_button.toolTip() == "Another job is running."
    assert panel.stop_button.isEnabled()
    session.apply(app.JobCancelling("train-1"))
    assert panel.stop_button.text() == "Stopping…"
    session.apply(app.JobEnded("train-1", "stopped"))
    assert panel.resume_button.isEnabled()
    panel.form.editors["learning_rate"].setText("fast")  # type: ignore[union-attr]
    assert not panel.start_button.isEnabled()
    assert "Learning rate" in panel.start_button.toolTip()


def test_a_test_scan_stays_chosen_while_others_come_and_go(qtbot: QtBot, session: Session) -> None:
    panel = TrainingPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.apply(events.DatasetOpened(make_dataset("test")), events.DatasetOpened(make_dataset("one")))
    panel.test_scan.setCurrentText("test")
    session.apply(events.BundleLoaded(make_bundle()))
    assert panel.test_scan.currentText() == "test"
    session.apply(app.DocumentChosen("dataset:/nowhere/test.npz"))
    assert panel.test_scan.currentText() == "none"


def test_the_loss_panel_draws_all_curves_there_are(qtbot: QtBot, session: Session) -> None:
    panel = LossPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    assert panel.figures.text() == "No training yet"
    assert panel.pages.hint == "The loss of each training step is drawn here."
    session.apply(app.JobBegan(JOB), STARTED, loss_measured(0, 4.0), loss_measured(1, 2.0), step_done(2, 20))
    assert list(panel.plot.series_names) == ["training, each step"]
    assert panel.plot.isVisible()
    assert panel.figures.text() == ("epoch 1/2 · loss 2 · rate 0.001 · gradient 0.5 · 120 patches/s · 0:01 left")
    session.apply(epoch_done(0, validation=1.25))
    panel.second.setCurrentText("learning rate")
    assert set(panel.plot.series_names) == {"training, each step", "training, epoch", "validation", "learning rate"}
    assert "validation 1.25" in headline(session.state)
    session.apply(validation_measured(1))
    assert "R 0.2 · overlap 0.9 · rate" in headline(session.state)
    panel.second.setCurrentText("R-factor")
    assert list(panel.plot.drawn_values("R-factor")[0]) == [0.2]
    assert "learning rate" not in panel.plot.series_names
    panel.second.setCurrentText("correlation")
    # There is no known object here.
    assert set(panel.plot.series_names) == {"training, each step", "training, epoch", "validation"}
    panel.second.setCurrentText("R-factor")
    figures = replace(validation_measured(9).figures, phase_correlation=0.7)
    session.apply(replace(validation_measured(9), figures=figures))
    panel.second.setCurrentText("correlation")
    assert list(panel.plot.drawn_values("phase")[0])[1:] == [0.7]
    session.apply(app.JobEnded("train-1", "completed"), app.JobBegan(replace(JOB, id="infer-2", verb="infer")))
    assert "loss 2" in headline(session.state)
    session.apply(app.JobEnded("infer-2", "completed"), app.JobBegan(replace(JOB, id="train-3")))
    assert not list(panel.plot.series_names)
    assert panel.plot.isVisible()


def test_a_narrow_loss_panel_leaves_most_of_itself_to_the_plot(qtbot: QtBot, session: Session) -> None:
    panel = LossPanel(session)
    qtbot.addWidget(panel)
    panel.resize(220, 190)
    panel.show()
    session.apply(app.JobBegan(JOB), STARTED, loss_measured(0, 4.0), loss_measured(1, 2.0), step_done(2, 20))
    qtbot.waitUntil(lambda: panel.plot.height() > 0)
    assert panel.width() == 220
    assert panel.plot.height() > panel.height() / 2
    assert panel.figures.toolTip() == panel.figures.text()


def test_growing_curves_rest_between_two_paintings_and_the_last_is_drawn(
    qtbot: QtBot, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = LossPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    drawn: list[int] = []
    monkeypatch.setattr(panel.plot, "set_series", lambda _name, x, _y, **_: drawn.append(len(x)))
    session.apply(app.JobBegan(JOB), STARTED, loss_measured(0, 4.0), loss_measured(1, 2.0))
    for step in range(2, 9):
        session.apply(loss_measured(step, 1.0))
    assert drawn == [2]
    assert "loss 1" in panel.figures.text()
    panel._rest.end()
    assert drawn == [2, 9]
    panel._rest.end()
    assert drawn == [2, 9]
    session.apply(loss_measured(9, 1.0), app.JobEnded("train-1", "completed"))
    assert drawn == [2, 9, 10]


def test_the_bundle_panel_says_where_the_scale_comes_from(qtbot: QtBot, session: Session) -> None:
    panel = BundlePanel(session)
    qtbot.addWidget(panel)
    panel.show()
    assert "No bundle is open" in panel.pages.hint
    session.apply(events.BundleLoaded(make_bundle()))
    texts = [label.text() for label in panel.findChildren(QLabel)]
    assert "988.21 – sqrt(n_photons)/(N/2) with n_photons = 1e9" in texts
    assert "40 in 2 tensors" in texts
    shown = [row[:4] for row in panel.layer_view.table.shown_rows()]
    assert ("model.autoencoder.encoder.blocks.0.conv.weight", "4 × 1 × 3 × 3", "float32", "36") in shown
    panel.search.setText("bias")
    assert len(panel.layer_view.table.shown_rows()) == 1
    assert panel.parameter_view.table.shown_rows() == []
    session.apply(app.DocumentClosed("bundle:/nowhere/net.h5.zip"))
    assert "No bundle is open" in panel.pages.hint
    assert panel.layer_view.table.shown_rows() == []


def test_the_log_follows_filters_copies_and_saves(qtbot: QtBot, session: Session) -> None:
    panel = LogPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.apply(events.MessageLogged("info", "all is well"), events.MessageLogged("error", "the disk is full"))
    assert [row[3] for row in panel.table.shown_rows()] == ["all is well", "the disk is full"]
    panel.level.setCurrentText("Errors")
    session.apply(events.MessageLogged("info", "hidden"), events.MessageLogged("error", "again"))
    assert [row[3] for row in panel.table.shown_rows()] == ["the disk is full", "again"]
    panel.filter.setText("disk")
    panel.copy_button.click()
    assert QApplication.clipboard().text().endswith("\terror\t\tthe disk is full")
    with qtbot.waitSignal(panel.export_asked) as asked:
        panel._save("/tmp/log")
    (saved,) = asked.args or []
    assert saved.path == Path("/tmp/log.txt")
    assert len(saved.content.splitlines()) == 4


def test_the_log_stays_bounded_and_survives_a_flood(qtbot: QtBot, session: Session) -> None:
    panel = LogPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    for start in range(0, 3 * LOG_LIMIT, LOG_LIMIT // 2):
        session.apply(*[events.MessageLogged("info", str(start + number)) for number in range(LOG_LIMIT // 2)])
    panel.hide()
    session.apply(*[events.MessageLogged("info", f"flood {number}") for number in range(LOG_LIMIT + 5)])
    panel.show()
    shown = [row[3] for row in panel.table.shown_rows()]
    assert (len(shown), shown[0], shown[-1]) == (LOG_LIMIT, "flood 5", f"flood {LOG_LIMIT + 4}")


def test_the_training_form_offers_counts_and_refuses_what_does_not_fit_them(qtbot: QtBot, session: Session) -> None:
    panel = TrainingPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.apply(events.DatasetOpened(make_dataset()))
    profile, loss = panel.form.editors["profile"], panel.form.editors["loss"]
    assert profile.isVisible()
    assert "counts of the detector" in profile.toolTip()
    profile.setCurrentText("count-intensity")  # type: ignore[union-attr]
    assert panel.request().config.profile == "count-intensity"
    assert panel.start_button.isEnabled()
    loss.setCurrentText("mae")  # type: ignore[union-attr]
    assert "the loss mae does not fit the profile count-intensity" in panel.form.problem.text()
    assert not panel.start_button.isEnabled()


def test_the_right_axis_shows_what_a_step_measures_also_logarithmically(qtbot: QtBot, session: Session) -> None:
    panel = LossPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.apply(*(replace(loss_measured(step), gradient_norm=10.0**step) for step in range(5)))
    panel.second.setCurrentText("gradient norm")
    panel.second_log.click()
    assert set(panel.plot.series_names) >= {"gradient norm"}
    drawn, shown = panel.plot._series["gradient norm"].smooth.getData()
    assert list(drawn) == [0, 1, 2, 3, 4]
    assert list(shown) == pytest.approx([0, 1, 2, 3, 4])
    panel.second_log.click()
    assert list(panel.plot._series["gradient norm"].smooth.getData()[1]) == pytest.approx([1, 10, 100, 1000, 10000])
    panel.second.setCurrentText("patches/s")
    assert "gradient norm" not in panel.plot.series_names
    assert list(panel.plot._series["patches/s"].y) == [120.0] * 5


def test_smoothing_and_axis_are_the_same_in_the_panel_and_in_the_menu_of_the_plot(
    qtbot: QtBot, session: Session
) -> None:
    panel = LossPanel(session)
    qtbot.addWidget(panel)
    panel.plot.set_smoothing(25)
    assert panel.smoothing.currentText() == "mean 25"
    panel.smoothing.setCurrentIndex(0)
    assert panel.plot.smoothing == 1
    panel.plot.set_log(False)
    assert not panel.log_axis.isChecked()


def test_of_a_long_name_the_middle_is_cut_and_the_facts_stay(qtbot: QtBot, session: Session) -> None:
    panel = ExplorerPanel(session)
    qtbot.addWidget(panel)
    panel.resize(230, 300)
    panel.show()
    session.apply(events.DatasetOpened(make_dataset("a-scan-with-a-name-that-is-much-too-long-for-this-panel")))
    option = QStyleOptionViewItem()
    index = panel.tree.model().index(0, 0, panel.tree.model().index(0, 0))
    option.rect = panel.tree.visualRect(index)
    delegate = panel.tree.itemDelegate()
    assert isinstance(delegate, NameDelegate)
    delegate.initStyleOption(option, index)
    text = option.text
    assert text.startswith("a-s")
    assert "…" in text
    assert text.endswith("   6 × 64 × 64")
    metrics = option.fontMetrics
    assert metrics.horizontalAdvance(text) < panel.tree.viewport().width()
