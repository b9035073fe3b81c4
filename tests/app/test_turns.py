from collections.abc import Callable
from functools import partial

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.panels.panel import Panel
from app.panels.turns import Turns
from app.state import app_events as app
from app.state.app_state import JobState
from app.state.session import Session
from tests.app.samples import loss_measured


class Portioned(Panel):
    """Notes which of its portions was painted when."""

    def __init__(self, session: Session, name: str, painted: list[str], turns: Turns) -> None:
        super().__init__(session)
        self.name, self.painted = name, painted
        self.watch(session.losses_changed)
        self.take_turns(turns)

    def refresh(self) -> None:
        for paint in self.portions():
            paint()

    def portions(self) -> tuple[Callable[[], None], ...]:
        return tuple(partial(self.painted.append, f"{self.name}{part}") for part in (1, 2))


class Bench:
    """Two panels that wait in one line."""

    def __init__(self, qtbot: QtBot) -> None:
        self.session, self.turns, self.painted = Session(), Turns(), list[str]()
        self.panels = [Portioned(self.session, name, self.painted, self.turns) for name in "ab"]
        for panel in self.panels:
            qtbot.addWidget(panel)
            panel.show()
        self.session.apply(app.JobBegan(JobState("train-1", "train", "Training")))
        self.painted.clear()

    def turn(self) -> None:
        """Let one turn come, without waiting for it."""
        self.turns._take()


@pytest.fixture
def bench(qapp: QApplication, qtbot: QtBot) -> Bench:
    return Bench(qtbot)


def test_what_a_job_tells_is_painted_portion_by_portion(bench: Bench) -> None:
    bench.session.deliver("train-1", [loss_measured(0)])
    assert bench.painted == []
    for painted in (["a1"], ["a1", "a2"], ["a1", "a2", "b1"], ["a1", "a2", "b1", "b2"]):
        assert bench.turns.waiting
        bench.turn()
        assert bench.painted == painted
    assert not bench.turns.waiting
    bench.turns._timer.stop()


def test_the_event_loop_gives_every_portion_its_turn(bench: Bench, qtbot: QtBot) -> None:
    bench.session.deliver("train-1", [loss_measured(0)])
    qtbot.waitUntil(lambda: len(bench.painted) == 4)
    assert bench.painted == ["a1", "a2", "b1", "b2"]
    assert not bench.turns._timer.isActive()


def test_what_the_person_does_is_painted_at_once(bench: Bench) -> None:
    bench.session.apply(loss_measured(0))
    assert bench.painted == ["a1", "a2", "b1", "b2"]
    assert not bench.turns.waiting


def test_who_waits_is_painted_once_however_often_it_asks(bench: Bench) -> None:
    for step in range(3):
        bench.session.deliver("train-1", [loss_measured(step)])
    while bench.turns.waiting:
        bench.turn()
    assert bench.painted == ["a1", "a2", "b1", "b2"]
    bench.turns._timer.stop()


def test_a_panel_that_was_hidden_meanwhile_is_painted_when_it_is_shown(bench: Bench) -> None:
    bench.session.deliver("train-1", [loss_measured(0)])
    bench.panels[0].hide()
    while bench.turns.waiting:
        bench.turn()
    assert bench.painted == ["b1", "b2"]
    bench.panels[0].show()
    assert bench.painted == ["b1", "b2", "a1", "a2"]
    bench.turns._timer.stop()


def test_a_portion_that_fails_keeps_no_other_from_its_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(bench.panels[0], "portions", lambda: (fail,))
    bench.session.deliver("train-1", [loss_measured(0)])
    with pytest.raises(RuntimeError):
        bench.turn()
    assert bench.turns._timer.isActive()
    bench.turn()
    assert bench.painted == ["b1"]
    bench.turns._portions.clear()
    bench.turns._timer.stop()
