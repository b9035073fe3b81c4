"""Parts that are built once the window has been painted."""

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.late_parts import LateParts
from app.panel_shelf import PanelShelf
from app.panels.canvas import CanvasPanel
from app.panels.log import LogPanel
from app.panels.loss import LossPanel
from app.state.session import Session
from tests.app.window import Shown


class Part(LogPanel):
    """Notes when it is asked for what can wait."""

    def __init__(self, session: Session, panel_id: str, built: list[str]) -> None:
        super().__init__(session)
        self.panel_id, self._built = panel_id, built  # type: ignore[misc]

    def prepare(self) -> None:
        self._built.append(self.panel_id)


def test_nothing_is_built_before_the_window_is_painted_and_then_one_part_in_each_turn(qtbot: QtBot) -> None:
    window, shelf, built = QWidget(), PanelShelf(), list[str]()
    qtbot.addWidget(window)
    for name in ("one", "two"):
        panel = Part(Session(), name, built)
        qtbot.addWidget(panel)
        shelf.put(panel)
    parts = LateParts(window, shelf)
    turns: list[int] = []
    parts._timer.timeout.connect(lambda: turns.append(len(built)))
    assert not parts._timer.isActive()
    window.grab()
    assert not built
    qtbot.waitUntil(lambda: parts.done)
    assert built == ["one", "two"]
    # What draws pictures, the two panels, and the end.
    assert turns == [0, 1, 2, 2]


def test_parts_are_not_built_any_more_when_the_program_ends(qtbot: QtBot) -> None:
    window, built = QWidget(), list[str]()
    qtbot.addWidget(window)
    shelf = PanelShelf()
    panel = Part(Session(), "one", built)
    qtbot.addWidget(panel)
    shelf.put(panel)
    parts = LateParts(window, shelf)
    window.grab()
    parts.stop()
    assert not parts._timer.isActive()
    window.grab()
    assert not parts._timer.isActive()
    assert not built


@pytest.mark.parametrize("size", [(800, 500), (1300, 800)])
def test_the_window_keeps_its_shape_when_the_parts_come(qtbot: QtBot, tmp_path: Path, size: tuple[int, int]) -> None:
    fresh = Shown(qtbot, tmp_path / "runs", late_parts=False)
    fresh.window.resize(*size)
    canvas, loss = fresh.window.panels["canvas"], fresh.window.panels["loss"]
    assert isinstance(canvas, CanvasPanel)
    assert isinstance(loss, LossPanel)

    def settle() -> None:
        for _ in range(5):
            QApplication.processEvents()

    def places() -> list[tuple[object, ...]]:
        window = fresh.window
        return [(dock.mapTo(window, QPoint(0, 0)), dock.size()) for dock in window.docks.values()] + [(window.size(),)]

    settle()
    before, picture = places(), fresh.window.grab().toImage()
    assert canvas.pages.count() == loss.pages.count() == 1
    canvas.prepare()
    loss.prepare()
    assert canvas.pages.count() == loss.pages.count() == 2
    settle()
    assert places() == before
    assert fresh.window.grab().toImage() == picture
    fresh.end()
