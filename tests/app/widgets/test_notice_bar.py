from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from app.widgets.notice_bar import COLOURS, NoticeBar, NoticeText

FIRST = NoticeText("a", "error", "first", "Traceback …")
SECOND = NoticeText("b", "warning", "second")


def test_the_newest_notice_is_on_top_and_a_repeated_one_counts(qtbot: QtBot) -> None:
    bar = NoticeBar()
    qtbot.addWidget(bar)
    assert bar.isHidden()
    bar.show_notices([FIRST])
    bar.show_notices([FIRST, SECOND])
    assert bar.messages() == ["second", "first"]
    bar.show_notices([NoticeText("a", "error", "first", "Traceback …", count=2)])
    assert any("×2" in label.text() for label in bar.findChildren(QLabel))
    bar.show_notices([])
    assert bar.isHidden()


def test_details_can_be_read_and_copied(qtbot: QtBot) -> None:
    bar = NoticeBar()
    qtbot.addWidget(bar)
    bar.show_notices([FIRST, SECOND])
    bar.show()
    buttons = {button.text(): button for button in bar.findChildren(QPushButton) if button.isVisibleTo(bar)}
    assert "Copy" not in buttons
    buttons["Details"].click()
    copy = next(b for b in bar.findChildren(QPushButton) if b.text() == "Copy" and b.isVisible())
    copy.click()
    assert QApplication.clipboard().text() == "Traceback …"


def test_closing_tells_the_key_and_changes_nothing_by_itself(qtbot: QtBot) -> None:
    bar = NoticeBar()
    qtbot.addWidget(bar)
    bar.show_notices([FIRST, SECOND])
    told: list[str] = []
    bar.closed.connect(told.append)
    bar._lines["b"].close_button.click()
    assert told == ["b"]
    assert bar.messages() == ["second", "first"]


def test_the_text_of_every_level_can_be_read() -> None:
    def luminance(colour: str) -> float:
        channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ground, text in COLOURS.values():
        light, dark = sorted((luminance(ground), luminance(text)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_long_message_is_shown_whole(qtbot: QtBot) -> None:
    bar = NoticeBar()
    qtbot.addWidget(bar)
    bar.resize(400, 20)
    bar.show_notices([NoticeText("a", "error", "one clear sentence that takes several lines " * 5)])
    bar.show()
    bar.resize(400, bar.heightForWidth(400))
    (label,) = (label for label in bar.findChildren(QLabel) if label.text().startswith("one clear"))
    assert label.height() >= label.heightForWidth(label.width()) > 2 * label.fontMetrics().height()
