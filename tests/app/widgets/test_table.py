from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.widgets.table import Cell, Table


def test_rows_sort_by_value_filter_by_words_and_are_copied(qtbot: QtBot) -> None:
    table = Table("Numbers", ("name", "size"))
    qtbot.addWidget(table)
    table.setSortingEnabled(True)
    table.content.set_rows([(Cell("ten"), Cell("10 B", 10)), (Cell("two"), Cell("2 B", 2))])
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert [row[0] for row in table.shown_rows()] == ["two", "ten"]
    table.set_filter("TEN")
    assert table.shown_rows() == [("ten", "10 B")]
    table.set_filter("")
    table.selectAll()
    table.copy()
    assert QApplication.clipboard().text() == "two\t2 B\nten\t10 B"


def test_rows_are_added_at_the_end_and_dropped_at_the_start(qtbot: QtBot) -> None:
    table = Table("Words", ("word",))
    qtbot.addWidget(table)
    table.content.add_rows([(Cell("a"),), (Cell("b"),)])
    table.content.add_rows([(Cell("c"),)])
    table.content.drop_first(2)
    assert table.shown_rows() == [("c",)]
