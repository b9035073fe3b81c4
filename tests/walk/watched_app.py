"""The app as a person starts it, which also tells where a thing is on the screen and what the window knows.

``python -m tests.walk.watched_app [FILES…]`` reads questions from its input, one JSON object a line, and answers each
with one on its output. It only answers: whatever is done to the window comes from the mouse and the keyboard.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from PySide6.QtCore import QObject, QPoint, QRect, QSocketNotifier
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QDockWidget,
    QLabel,
    QMenu,
    QMenuBar,
    QTabBar,
    QToolBar,
    QTreeView,
    QWidget,
)

from app import application
from app.widgets.elided_label import ElidedLabel

PREFIX = "walk: "


class Answers(QObject):
    """Answers the questions that come in."""

    def __init__(self, app: application.Application) -> None:
        super().__init__(app)
        self._app = app
        self._unread = b""
        self._notifier = QSocketNotifier(0, QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._read)

    def _read(self) -> None:
        got = os.read(0, 1 << 16)
        if not got:
            self._notifier.setEnabled(False)
        *lines, self._unread = (self._unread + got).split(b"\n")
        for line in lines:
            question = json.loads(line)
            answer = getattr(self, f"tell_{question['ask']}")(question)
            sys.stdout.write(f"{PREFIX}{json.dumps(answer)}\n")
            sys.stdout.flush()

    def tell_where(self, question: dict[str, Any]) -> list[int] | None:
        """Return x, y, width and height of what bears a name [px of the screen], ``None`` if it cannot be seen."""
        ratio = self._app.window.devicePixelRatio()
        found = next(self._places(str(question["name"]), str(question.get("kind", ""))), None)
        return None if found is None else [round(ratio * v) for v in found.getRect()]  # type: ignore[attr-defined]

    def tell_state(self, _: dict[str, Any]) -> dict[str, Any]:
        """Return what the window knows, as far as the walk waits for it."""
        state, runner = self._app.session.state, self._app.controller.runner
        focus = QApplication.focusWidget()
        return {
            "busy": state.busy,
            "quiet": not (runner.busy or runner.reading),
            "job": "" if state.job is None else state.job.state,
            "verb": "" if state.job is None else state.job.verb,
            "step": 0 if state.preview is None else state.preview.step,
            "preview": state.preview is not None,
            "canvas": state.canvas is not None,
            "datasets": len(state.datasets),
            "bundles": len(state.bundles),
            "canvases": len(state.canvases),
            "queue": len(state.queue.runs),
            "notices": [notice.message for notice in state.notices],
            "errors": [entry.text for entry in state.log if entry.level == "error"],
            "front": getattr(self._app.window.tabs.currentWidget(), "panel_id", ""),
            "focus": "" if focus is None else f"{type(focus).__name__} {focus.accessibleName()}",
            "windows": [type(one).__name__ for one in QApplication.topLevelWidgets() if one.isVisible()],
            "title": self._app.window.windowTitle(),
        }

    def tell_clipped(self, _: dict[str, Any]) -> list[str]:
        """Return the texts that have less room than they need."""
        return sorted({words for widget in _seen() if (words := _clipped(widget))})

    def _places(self, name: str, kind: str) -> Iterator[QRect]:
        for widget in _seen():
            if kind and kind != _kind(widget):
                continue
            yield from _places_in(widget, name)


def _seen() -> list[QWidget]:
    """Return every widget that can be seen, those of the window in front first."""
    front = QApplication.activePopupWidget() or QApplication.activeModalWidget() or QApplication.activeWindow()
    tops = [one for one in QApplication.topLevelWidgets() if one.isVisible()]
    tops.sort(key=lambda one: one is not front)
    found = []
    for top in tops:
        children = top.findChildren(QWidget)
        found += [one for one in (top, *children) if one.isVisible() and not one.visibleRegion().isEmpty()]
    return found


def _kind(widget: QWidget) -> str:
    for kind, types in {
        "menu": (QMenu, QMenuBar),
        "tool": QToolBar,
        "tab": QTabBar,
        "list": QAbstractItemView,
        "choice": QComboBox,
        "button": QAbstractButton,
        "dock": QDockWidget,
    }.items():
        if isinstance(widget, types):  # type: ignore[arg-type]
            return kind
    return "other"


def _plain(text: str) -> str:
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&").split("\t")[0].rstrip("…")


def _on_screen(widget: QWidget, rect: QRect) -> QRect:
    rect = rect.intersected(widget.visibleRegion().boundingRect())
    return QRect(widget.mapToGlobal(rect.topLeft()), rect.size())


def _places_in(widget: QWidget, name: str) -> Iterator[QRect]:
    own = {widget.accessibleName(), widget.objectName()}
    if isinstance(widget, QMenu | QMenuBar):
        yield from (_on_screen(widget, widget.actionGeometry(a)) for a in widget.actions() if _plain(a.text()) == name)
        return
    if isinstance(widget, QTabBar):
        yield from (
            _on_screen(widget, widget.tabRect(i)) for i in range(widget.count()) if _plain(widget.tabText(i)) == name
        )
        return
    if isinstance(widget, QAbstractItemView):
        yield from _items(widget, name)
    if isinstance(widget, QAbstractButton):
        own.add(_plain(widget.text()))
    if isinstance(widget, QDockWidget) and widget.windowTitle() == name:
        yield _on_screen(widget, QRect(0, 0, widget.width(), 20))
        return
    if name in own:
        yield _on_screen(widget, widget.rect())


def _items(view: QAbstractItemView, name: str) -> Iterator[QRect]:
    model, pending = view.model(), [view.rootIndex()]
    while pending:
        parent = pending.pop(0)
        for row in range(min(model.rowCount(parent), 2000)):
            index = model.index(row, 0, parent)
            text = str(index.data() or "")
            if text == name or text.startswith(f"{name}  "):
                rect = view.visualRect(index)
                if not rect.isEmpty():
                    yield _on_screen(view.viewport(), rect)
            if isinstance(view, QTreeView) and view.isExpanded(index):
                pending.append(index)


def _clipped(widget: QWidget) -> str:
    """Return the words of a widget and the room they lack, empty if they have all they need."""
    if isinstance(widget, ElidedLabel):
        return ""
    if isinstance(widget, QTabBar):
        over = widget.sizeHint().width() - widget.width()
        return f"tabs {widget.tabText(0)}…: {over} px" if over > 1 else ""
    if isinstance(widget, QComboBox):
        over = widget.fontMetrics().horizontalAdvance(widget.currentText()) - (widget.width() - 24)
        return f"choice {widget.accessibleName()} {widget.currentText()!r}: {over} px" if over > 1 else ""
    if isinstance(widget, QLabel | QAbstractButton):
        text = widget.text()
        if not text:
            return ""
        wraps = isinstance(widget, QLabel) and widget.wordWrap()
        high = widget.heightForWidth(widget.width()) if wraps else widget.sizeHint().height()
        wide = 0 if wraps else widget.sizeHint().width()
        over = max(wide - widget.width(), high - widget.height(), _hidden(widget))
        return f"{type(widget).__name__} {text[:60]!r}: {over} px" if over > 2 else ""
    return ""


def _hidden(widget: QWidget) -> int:
    """Return how much of a widget lies outside of the window [px]."""
    corner = widget.mapTo(widget.window(), QPoint(widget.width(), widget.height()))
    return max(corner.x() - widget.window().width(), corner.y() - widget.window().height())


class _Answering(application.Application):
    """The application, answering."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.answers = Answers(self)


def main() -> int:
    """Start the app with the answers in it."""
    setattr(application, "Application", _Answering)  # noqa: B010 - what main makes, in place of the plain one
    return application.main(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
