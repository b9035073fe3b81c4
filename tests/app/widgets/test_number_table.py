"""A small table of figures."""

from pytestqt.qtbot import QtBot

from app.widgets.number_table import NumberTable
from tests.app.widgets.screen import settle, show


def test_headers_lie_in_their_places_before_the_table_is_painted(qtbot: QtBot) -> None:
    table = NumberTable("Figures", ("one", "two"))
    show(qtbot, table, 350, 150)
    table.set_rows([("a long name of a row", ("1", "2")), ("another", ("3", "4"))])
    before = [table.horizontalHeader().geometry(), table.verticalHeader().geometry(), table.viewport().geometry()]
    settle()
    table.grab()
    after = [table.horizontalHeader().geometry(), table.verticalHeader().geometry(), table.viewport().geometry()]
    assert before == after
    assert before[1].width() > 100
