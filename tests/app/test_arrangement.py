"""Where the docks are after the layout was changed."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTabBar

from tests.app.window import SCAN, Shown


def test_no_bar_of_tabs_is_left_where_docks_no_longer_share_a_place(shown: Shown) -> None:
    def bars() -> int:
        direct = Qt.FindChildOption.FindDirectChildrenOnly
        return sum(bar.isVisible() for bar in shown.window.findChildren(QTabBar, options=direct))

    shown.open(SCAN)
    assert bars() == 1  # Diagnoses and Log
    shown.window.use_layout("inspect")
    shown.qtbot.waitUntil(lambda: bars() == 0)
    shown.window.use_layout("train")
    shown.qtbot.waitUntil(lambda: bars() == 1)
