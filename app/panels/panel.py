"""What every panel is: a view of some slices of the session that paints only while it can be seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

from PySide6.QtCore import Signal, SignalInstance
from PySide6.QtGui import QFocusEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from app.panels.turns import Turns
from app.state.session import Session

Area = Literal["left", "center", "right", "bottom"]


class Panel(QWidget):
    """One dock of the window.

    A subclass builds its widgets in ``__init__``, calls ``watch`` for each slice it shows, and overrides ``refresh``,
    which paints the present state. It is called once for a delivery, however many slices changed, and only while the
    panel can be seen; a hidden panel is painted when it is shown. What the person does is painted at once, what a job
    tells in a turn of the event loop to itself, or in several where ``portions`` returns more than one. A subclass
    tells what the person wants by signals of its own with plain data, named ``…_asked``; ``app.application`` connects
    them to the controller.
    """

    title: ClassVar[str] = ""
    panel_id: ClassVar[str] = ""
    help_text: ClassVar[str] = ""

    frame_asked = Signal(object)
    """``int | None``: this frame of the current dataset should be marked in all panels."""
    readout_changed = Signal(str)
    """What lies under the mouse pointer, for the status bar; empty when nothing does."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._dirty = True
        self._first: QWidget | None = None
        self._turns: Turns | None = None
        self.setObjectName(self.panel_id)
        self.setAccessibleName(self.title)
        session.settled.connect(self._settled)

    def watch(self, slice_signal: SignalInstance) -> None:
        """Paint again after ``slice_signal``: now if the panel can be seen, else when it is shown."""
        slice_signal.connect(self._mark_dirty)

    def take_turns(self, turns: Turns) -> None:
        """Wait in line with the other panels of the window for what jobs tell."""
        self._turns = turns

    def take_keys(self, first: QWidget, *others: QWidget) -> None:
        """Give the keyboard to ``first`` when the panel gets it; Tab goes on in the given order, as the eye does."""
        # Not a focus proxy: Qt then takes the panel for one widget, and Tab goes round in it for ever.
        self._first = first
        for one, following in pairwise((first, *others)):
            QWidget.setTabOrder(one, following)

    def choices(self) -> dict[str, Any]:
        """Return what the person chose here and wants to find again at the next start, as JSON holds it."""
        return {}

    def show_choices(self, chosen: Mapping[str, Any]) -> None:
        """Choose again what ``choices`` told; what does not fit any more is left alone."""

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Hand the keyboard on."""
        super().focusInEvent(event)
        if self._first is not None:
            self._first.setFocus(event.reason())

    def prepare(self) -> None:
        """Build what can wait until the first window is painted; what is needed before is built then."""

    def refresh(self) -> None:
        """Paint the present state."""
        raise NotImplementedError

    def portions(self) -> tuple[Callable[[], None], ...]:
        """Return what paints the present state, in portions that may be some time apart."""
        return (self.refresh,)

    def due_portions(self) -> tuple[Callable[[], None], ...]:
        """Return the portions if there is something to paint, and somebody to see it."""
        if not (self._dirty and self.isVisible()):
            return ()
        # Cleared first: a refresh that itself changes the state must be followed by another.
        self._dirty = False
        return self.portions()

    def showEvent(self, event: QShowEvent) -> None:
        """Paint what was missed while the panel was hidden."""
        super().showEvent(event)
        self._paint_if_seen()

    def _mark_dirty(self) -> None:
        self._dirty = True

    def _settled(self) -> None:
        if self._turns is not None and self.session.delivering:
            if self._dirty:
                self._turns.ask(self)
        else:
            self._paint_if_seen()

    def _paint_if_seen(self) -> None:
        if self._dirty and self.isVisible():
            self._dirty = False
            self.refresh()


@dataclass(frozen=True)
class PanelSpec:
    """How a panel takes its place in the window: one line of ``app.panels.registry``."""

    panel_id: str
    title: str
    factory: Callable[[Session, QWidget | None], Panel]
    area: Area
    shortcut: str
    """Shows and raises the panel, e.g. ``"Alt+1"``."""
    help: str
