"""The guide, read inside the program: opened at what has the keyboard."""

import re
from collections.abc import Mapping

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import (
    QDesktopServices,
    QKeySequence,
    QShortcut,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextTable,
)
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTextBrowser,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from app.jobs.guide_reader import GUIDE

MARGIN_PX = 12
"""Between the top of the page and the line that was asked for."""
_PICTURE = re.compile(r"^!\[.*\]\(.*\)\n+", re.MULTILINE)
"""Pictures show what stands beside the guide, here."""


class HelpWindow(QDialog):
    """Shows the pages of the guide and follows the links between them; works without a network.

    Parameters
    ----------
    pages
        Their texts in Markdown by their names; none where the guide is not installed.
    """

    def __init__(self, pages: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("Guide – Ptychoscope")
        room = self.screen().availableSize()
        # Centred on a low screen, a higher one would have its title above the edge.
        self.resize(min(820, round(0.9 * room.width())), min(640, round(0.8 * room.height())))
        self._pages = pages
        self._page = ""
        self._before: list[tuple[str, int]] = []
        self.back = QPushButton("&Back", self)
        self.back.setToolTip("The page before (Alt+Left)")
        self.back.setAutoDefault(False)
        self.start = QPushButton("&Guide", self)
        self.start.setToolTip("The beginning of the guide")
        self.start.setAutoDefault(False)
        self.search = QLineEdit(self)
        self.search.setAccessibleName("Find in this page")
        self.search.setPlaceholderText("Find in this page, Enter for the next place")
        self.text = QTextBrowser(self)
        self.text.setAccessibleName("Guide")
        self.text.setOpenLinks(False)
        row = QHBoxLayout()
        for widget in (self.back, self.start):
            row.addWidget(widget)
        row.addWidget(self.search, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self.text, 1)
        self.text.anchorClicked.connect(self._follow)
        self.back.clicked.connect(self.go_back)
        self.start.clicked.connect(self._go_to_start)
        self.search.returnPressed.connect(self._find_next)
        for keys, act in (("Alt+Left", self.go_back), ("Ctrl+F", self.search.setFocus)):
            QShortcut(QKeySequence(keys), self).activated.connect(act)
        self._load(GUIDE)

    @property
    def page(self) -> str:
        """The name of the page that is shown."""
        return self._page

    def show_topic(self, topic: str) -> None:
        """Open the guide where it tells of ``topic``: under that heading, or in the table's line of that name."""
        self._leave_for(GUIDE)
        # Shown first: where a line lies is known when the text has its width.
        self.show()
        self._scroll_to(topic)
        self.raise_()
        self.activateWindow()
        self.text.setFocus()

    def go_back(self) -> None:
        """Show the page that was shown before."""
        if self._before:
            page, place = self._before.pop()
            self._load(page)
            self.text.verticalScrollBar().setValue(place)
        self.back.setEnabled(bool(self._before))

    def topic_at_top(self) -> str:
        """Return the text of the line where the cursor was put."""
        return self.text.textCursor().block().text()

    def _go_to_start(self) -> None:
        self._leave_for(GUIDE)
        self.text.moveCursor(QTextCursor.MoveOperation.Start)

    def _leave_for(self, page: str) -> None:
        if page != self._page:
            self._before.append((self._page, self.text.verticalScrollBar().value()))
            self._load(page)
        self.back.setEnabled(bool(self._before))

    def _load(self, page: str) -> None:
        self._page = page
        if page not in self._pages:
            self.text.setPlainText("The guide is not installed beside the program: its folder docs/ is missing.")
            return
        self.text.document().setBaseUrl(QUrl("guide:/"))
        self.text.setMarkdown(_PICTURE.sub("", self._pages[page]))
        self._draw_tables()
        self.back.setEnabled(bool(self._before))

    def _draw_tables(self) -> None:
        for frame in self.text.document().rootFrame().childFrames():
            if isinstance(frame, QTextTable):
                style = frame.format()
                style.setCellPadding(4)
                style.setBorderCollapse(True)
                style.setBorder(0.5)
                frame.setFormat(style)

    def _follow(self, link: QUrl) -> None:
        if link.scheme() in ("http", "https"):
            QDesktopServices.openUrl(link)
            return
        name = link.fileName()
        if name in self._pages:
            self._leave_for(name)
        if link.fragment():
            self._scroll_to(link.fragment())

    def _scroll_to(self, topic: str) -> None:
        block, wanted = self.text.document().begin(), slug(topic)
        mentioned = None
        while block.isValid():
            if slug(block.text()) == wanted:
                if block.blockFormat().headingLevel():
                    mentioned = block
                    break
                mentioned = mentioned or block
            block = block.next()
        cursor = QTextCursor(self.text.document()) if mentioned is None else QTextCursor(mentioned)
        self.text.setTextCursor(cursor)
        top = self.text.document().documentLayout().blockBoundingRect(cursor.block()).top()
        self.text.verticalScrollBar().setValue(max(0, round(top) - MARGIN_PX))
        self._mark(cursor)

    def _mark(self, cursor: QTextCursor) -> None:
        """Put a ground behind a line, so that it is found at a glance."""
        words = QTextCursor(cursor)
        words.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
        mark = QTextEdit.ExtraSelection()
        # Parts of the selection are handed out as copies: they are set as a whole.
        form = QTextCharFormat()
        form.setBackground(self.palette().highlight())
        form.setForeground(self.palette().highlightedText())
        mark.cursor, mark.format = words, form
        self.text.setExtraSelections([mark])

    def _find_next(self) -> None:
        words = self.search.text()
        if words and not self.text.find(words):
            self.text.moveCursor(QTextCursor.MoveOperation.Start)
            self.text.find(words, QTextDocument.FindFlag(0))


def slug(heading: str) -> str:
    """Return a heading as links name it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().casefold()).replace(" ", "-")
