"""What was found of the open documents: reducer, examiner and panel."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.panels.diagnoses import DiagnosesPanel
from app.state import app_events as app
from app.state.app_state import AppState
from app.state.examinations import DocumentExamined, listed, pair_key
from app.state.reduce import reduce
from app.state.session import Session
from ptycho_engine import events
from ptycho_engine.documents import Diagnosis
from tests.app.samples import make_bundle, make_dataset
from tests.app.window import BUNDLE, SCAN, Shown

if TYPE_CHECKING:
    from app.display.exports import Export

SCAN_ID, BUNDLE_ID = "dataset:/nowhere/scan.npz", "bundle:/nowhere/net.h5.zip"
SWAPPED = Diagnosis("swapped-axes", "error", "x and y are swapped.", "Swap them.", {"left_as_given": 0.24}, "scan")
DEAD = Diagnosis("dead-pixels", "warning", "3 pixels are dead.", "Mask them.", {"n_dead": 3, "first": 4}, "dataset")
SCALE = Diagnosis("scale-is-fallback", "info", "The scale was not learned.", "Never multiply.", {}, "bundle")


def opened(*changes: events.EngineEvent | app.AppEvent) -> AppState:
    state = AppState()
    for event in (events.DatasetOpened(make_dataset()), events.BundleLoaded(make_bundle()), *changes):
        state = reduce(state, event, time_s=1.0)
    return state


def ids(state: AppState) -> list[str]:
    return [row.finding.id for row in listed(state)]


def test_findings_are_listed_worst_first_and_errors_raise_a_notice_once() -> None:
    first = DocumentExamined(SCAN_ID, (DEAD,), 10, 20)
    whole = DocumentExamined(SCAN_ID, (DEAD, SWAPPED), 20, 20, done=True)
    state = opened(DocumentExamined(BUNDLE_ID, (SCALE,), done=True), first, whole)
    assert ids(state) == ["swapped-axes", "dead-pixels", "scale-is-fallback"]
    assert [row.about for row in listed(state)] == ["scan", "scan", "net"]
    assert [(notice.level, notice.message, notice.count) for notice in state.notices] == [
        ("error", "scan: x and y are swapped.", 1)
    ]
    assert [(entry.level, entry.source) for entry in state.log] == [
        ("warning", "dead-pixels"),
        ("error", "swapped-axes"),
    ]


def test_a_closed_document_takes_its_findings_and_notices_with_it() -> None:
    both = pair_key(SCAN_ID, BUNDLE_ID)
    mismatch = replace(SWAPPED, id="bundle-dataset-mismatch")
    state = opened(DocumentExamined(SCAN_ID, (SWAPPED,)), DocumentExamined(both, (mismatch,)))
    assert len(state.notices) == 2
    state = reduce(state, app.DocumentClosed(SCAN_ID))
    assert (ids(state), state.notices, dict(state.examinations)) == ([], (), {})
    assert reduce(state, DocumentExamined(SCAN_ID, (SWAPPED,))) is not None
    assert ids(reduce(state, DocumentExamined(SCAN_ID, (SWAPPED,)))) == []


def test_an_opened_again_document_is_examined_anew_and_nothing_stays_dismissed() -> None:
    state = opened(DocumentExamined(SCAN_ID, (SWAPPED,)), app.DiagnosisDismissed(SCAN_ID, "swapped-axes"))
    assert ids(state) == []
    again = reduce(state, events.DatasetOpened(make_dataset()))
    assert ids(reduce(again, DocumentExamined(SCAN_ID, (SWAPPED,)))) == ["swapped-axes"]


def test_only_the_pair_that_goes_together_now_is_listed() -> None:
    both = pair_key(SCAN_ID, BUNDLE_ID)
    state = opened(DocumentExamined(both, (SWAPPED,)))
    assert [row.about for row in listed(state)] == ["scan + net"]
    assert ids(reduce(state, events.DatasetOpened(make_dataset("other")))) == []


def test_what_a_job_finds_is_listed_and_dismissed_until_the_next_job() -> None:
    state = opened(events.DiagnosisFound(DEAD), app.DiagnosisDismissed("job", "dead-pixels"))
    assert ids(state) == []
    assert state.diagnoses == (DEAD,)


def test_every_document_is_examined_once_and_the_pair(shown: Shown) -> None:
    shown.open(SCAN, BUNDLE)
    assert shown.verbs.examined == ["scan", "net", "scan + net"]
    shown.open(SCAN)
    assert shown.verbs.examined[3:] == ["scan", "scan + net"]
    assert all(one.done for one in shown.state.examinations.values())


def test_a_click_on_a_finding_shows_where_it_is_seen(shown: Shown, expects_notice: None) -> None:
    shown.verbs.findings = {"scan": (SWAPPED, DEAD), "net": (SCALE,)}
    shown.open(SCAN, BUNDLE)
    panel = shown.window.panels["diagnoses"]
    assert isinstance(panel, DiagnosesPanel)
    assert shown.window.job_bar.findings.text() == "2 diagnoses"
    shown.window.job_bar.findings.click()
    assert panel.isVisible()
    assert [row[1] for row in panel.table.shown_rows()] == ["swapped-axes", "dead-pixels", "scale-is-fallback"]
    assert "Swap them." in panel.hint.text()
    assert "0.24" in panel.figures.text()
    for row, front in ((0, "scan"), (1, "dataset"), (2, "bundle")):
        where = panel.table.visualRect(panel.table.model().index(row, 1)).center()
        QTest.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
        assert shown.window._front_panel() == front
    assert shown.state.selected_frame == 4


def test_findings_are_copied_exported_and_dismissed(qtbot: QtBot) -> None:
    session = Session()
    panel = DiagnosesPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    assert "Open a scan or a bundle" in panel.content.hint
    session.apply(events.DatasetOpened(make_dataset()), DocumentExamined(SCAN_ID, (DEAD,), 10, 20))
    assert panel.progress.text() == "Looking at 10 of 20 patterns…"
    session.apply(DocumentExamined(SCAN_ID, (DEAD,), 20, 20, done=True))
    assert panel.progress.text() == "1 warning"
    panel.copy_button.click()
    assert "[dead-pixels] scan: 3 pixels are dead." in QApplication.clipboard().text()
    exports: list[Export] = []
    panel.export_asked.connect(exports.append)
    panel._export("/nowhere/findings")
    assert isinstance(exports[0].content, bytes)
    values = json.loads(exports[0].content)["diagnoses"]
    assert [(one["about"], one["id"], one["values"]["n_dead"]) for one in values] == [("scan", "dead-pixels", 3)]
    with qtbot.waitSignal(panel.dismiss_asked) as dismissed:
        panel.dismiss_button.click()
    assert dismissed.args == [SCAN_ID, "dead-pixels"]
    session.apply(app.DiagnosisDismissed(SCAN_ID, "dead-pixels"))
    assert panel.content.hint == "Nothing is wrong with scan, as far as it can be told. 1 dismissed."
