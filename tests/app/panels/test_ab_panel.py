"""Comparing two reconstructions: what is offered, asked, shown and told."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.jobs.canvas_reader import compare
from app.panels.ab import ABPanel
from app.panels.canvas import CanvasPanel
from app.state.app_events import DocumentClosed
from app.state.canvas_readings import ComparisonRequest, PixelSizeGiven, ReconstructionOpened
from app.state.session import Session
from ptycho_engine.arrays import frozen_array
from ptycho_engine.artefacts.reconstruction import Reconstruction
from ptycho_engine.documents import Canvas
from ptycho_engine.events import DatasetOpened
from tests.app.panels.scan_samples import DATASET_ID, letter_canvas, letter_dataset
from tests.app.widgets.screen import show
from tests.app.window import Shown

A, B = (f"canvas:/nowhere/{name}/reconstruction.npz" for name in ("first", "second"))


class Answering:
    """Compares at once, as the controller does in a job."""

    def __init__(self, session: Session, panel: ABPanel) -> None:
        self.session = session
        self.asked: list[ComparisonRequest] = []
        panel.canvas_comparison_asked.connect(self._compare)

    def _compare(self, request: ComparisonRequest) -> None:
        self.asked.append(request)
        state = self.session.state
        canvas, known = state.canvases[request.a], state.datasets.get(request.b)
        other: object = state.canvases.get(request.b) if known is None else known.object_
        assert other is not None
        self.session.apply(*compare(request, canvas, other))  # type: ignore[arg-type]


def opened(name: str, canvas: Canvas, size_m: float | None = None) -> ReconstructionOpened:
    path = Path(f"/nowhere/{name}/reconstruction.npz")
    return ReconstructionOpened(path, Reconstruction(canvas, None, 1.0, "letter", "net", pixel_size_m=size_m))


@pytest.fixture
def session() -> Session:
    session = Session()
    canvas = letter_canvas(letter_dataset())
    brighter = replace(canvas, object_=frozen_array(canvas.object_ * 2, np.complex64))
    session.apply(opened("first", canvas), opened("second", brighter))
    return session


def test_without_reconstructions_it_says_what_to_do(qtbot: QtBot) -> None:
    panel = ABPanel(Session())
    show(qtbot, panel, 700, 600)
    assert panel.pages.hint.startswith("Nothing to compare yet")


def test_one_alone_cannot_be_compared(qtbot: QtBot, session: Session) -> None:
    session.apply(DocumentClosed(B))
    panel = ABPanel(session)
    show(qtbot, panel, 700, 600)
    assert panel.pages.hint.startswith("Only one reconstruction")


def test_the_current_canvas_is_compared_with_the_other_one(qtbot: QtBot, session: Session) -> None:
    panel = ABPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 700, 600)
    assert (panel.a.currentText(), panel.b.currentText()) == (
        "2  second/reconstruction · inferred · 9 patches",
        "1  first/reconstruction · inferred · 9 patches",
    )
    assert answering.asked == [ComparisonRequest(B, A)]
    a, b = (view.values for view in panel.views)
    assert a is not None
    assert b is not None
    np.testing.assert_allclose(b, a, atol=1e-4)
    assert panel.views[0].levels == panel.views[1].levels
    assert panel.frc.series_names == ("FRC", "half-bit", "1/7")
    assert panel.frc.drawn_values("FRC")[0].min() > 0.999
    assert "at or below 2.0 px, the finest there is" in panel.figures.text()
    assert "B × 2" in panel.figures.text()


def test_hidden_it_asks_for_nothing(qtbot: QtBot, session: Session) -> None:
    panel = ABPanel(session)
    qtbot.addWidget(panel)
    answering = Answering(session, panel)
    session.apply(PixelSizeGiven(A, 1e-8))
    assert answering.asked == []


def test_the_known_object_can_be_chosen_and_lengths_are_told(qtbot: QtBot, session: Session) -> None:
    session.apply(DatasetOpened(letter_dataset()))
    panel = ABPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 700, 600)
    panel.b.choose(DATASET_ID)
    assert answering.asked[-1] == ComparisonRequest(B, DATASET_ID)
    session.apply(PixelSizeGiven(B, 2.5e-8))
    assert "2.0 px (50 nm)" in panel.figures.text()
    assert panel.views[0].scale_bar.isVisible()
    panel.align.setChecked(False)
    assert answering.asked[-1] == ComparisonRequest(B, DATASET_ID, shifts=False)
    assert "not moved" in panel.figures.text()


@pytest.mark.parametrize("view", ["amplitude", "phase", "complex"])
def test_each_title_names_the_release_of_its_own_picture(qtbot: QtBot, view: str) -> None:
    session, dataset = Session(), letter_dataset()
    canvas = letter_canvas(dataset)
    session.apply(opened("first", replace(canvas, mode="2026-07")), opened("second", canvas), DatasetOpened(dataset))
    panel = ABPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 700, 600)
    panel.view.choose(view)  # type: ignore[arg-type]
    for a, b, titles in (
        (A, B, ("A · PtychoPINN 2026-07 · ", "B, as aligned · ")),
        (B, A, ("A · ", "B, as aligned · PtychoPINN 2026-07 · ")),
        (A, DATASET_ID, ("A · PtychoPINN 2026-07 · ", "B, as aligned · ")),
    ):
        panel.a.choose(a)
        panel.b.choose(b)
        for view_of, start in zip(panel.views, titles, strict=True):
            assert view_of.title.startswith(start)
            assert view_of.title.count("PtychoPINN") == start.count("PtychoPINN")
    assert answering.asked[-1] == ComparisonRequest(A, DATASET_ID)


def test_blinking_shows_one_after_the_other_and_stops(qtbot: QtBot, session: Session) -> None:
    panel = ABPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 700, 600)
    panel.mode.choose("blink")
    panel.interval.setValue(100)
    assert not panel.views[1].isVisible()
    assert panel.views[0].title.startswith("A · ")
    qtbot.waitUntil(lambda: panel.views[0].title.startswith("B, as aligned · "))
    qtbot.waitUntil(lambda: panel.views[0].title.startswith("A · "))
    panel.mode.choose("difference")
    assert panel.views[0].title.startswith("A − B · amplitude")
    values = panel.views[0].values
    assert values is not None
    assert np.abs(values).max() < 1e-4
    assert len(answering.asked) == 1


@pytest.mark.parametrize("view", ["amplitude", "phase", "complex"])
@pytest.mark.parametrize("mode", ["beside", "difference"])
def test_every_picture_can_be_shown(qtbot: QtBot, session: Session, view: str, mode: str) -> None:
    panel = ABPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 700, 600)
    panel.view.choose(view)  # type: ignore[arg-type]
    panel.mode.choose(mode)  # type: ignore[arg-type]
    assert panel.views[0].values is not None
    assert panel.views[0].title.startswith({"beside": "A · ", "difference": "A − B"}[mode]) or view == "complex"
    assert len(answering.asked) == 1


def test_closing_one_of_the_two_ends_the_comparison(qtbot: QtBot, session: Session) -> None:
    panel = ABPanel(session)
    answering = Answering(session, panel)
    show(qtbot, panel, 700, 600)
    session.apply(DocumentClosed(A))
    assert len(answering.asked) == 1
    assert session.state.comparison is None
    assert panel.pages.hint.startswith("Only one reconstruction")


def test_in_the_window_it_is_compared_beside_the_other_jobs(shown: Shown) -> None:
    canvas = letter_canvas(letter_dataset())
    shown.session.apply(opened("first", canvas), opened("second", canvas))
    canvas_panel = shown.window.panels["canvas"]
    assert isinstance(canvas_panel, CanvasPanel)
    canvas_panel.compare.trigger()
    shown.settle()
    panel = shown.window.panels["ab"]
    assert panel.isVisible()
    compared = shown.state.comparison
    assert compared is not None
    assert compared.request == ComparisonRequest(B, A)
    assert compared.agreement.metrics.complex_correlation == pytest.approx(1)


def test_two_that_have_nothing_in_common_are_refused_with_a_notice(shown: Shown, expects_notice: None) -> None:
    canvas = letter_canvas(letter_dataset())
    shown.session.apply(opened("first", canvas), opened("second", replace(canvas, origin_px=(900, 900))))
    shown.window.show_panel("ab")
    shown.settle()
    assert [notice.key for notice in shown.state.notices] == ["compare"]
    assert "in common, too few to compare" in shown.state.notices[0].message
    panel = shown.window.panels["ab"]
    assert isinstance(panel, ABPanel)
    assert "in common, too few to compare" in panel.pages.hint


def test_what_was_compared_is_compared_again_at_the_next_start(qtbot: QtBot, session: Session) -> None:
    panel = ABPanel(session)
    Answering(session, panel)
    show(qtbot, panel, 700, 600)
    panel.a.choose(A)
    panel.b.choose(B)
    panel.mode.choose("difference")
    panel.view.choose("phase")
    panel.align.setChecked(False)
    chosen = json.loads(json.dumps(panel.choices()))
    again = ABPanel(session)
    answering = Answering(session, again)
    show(qtbot, again, 700, 600)
    again.show_choices(chosen | {"scale": "of fish"})
    assert (again.a.choice, again.b.choice, again.mode.choice, again.view.choice) == (A, B, "difference", "phase")
    assert not again.align.isChecked()
    assert answering.asked[-1] == ComparisonRequest(A, B, shifts=False)
