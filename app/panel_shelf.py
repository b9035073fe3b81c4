"""The panels of the window, each of which is built when it is first seen or asked for.

What a window shows at its start is half of them; to build the others too takes longer than all the rest of the start.
"""

from collections.abc import Iterator

from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.panels.panel import Panel, PanelSpec
from app.state.session import Session

_ROOM = QSize(87, 26)
"""Of a panel that is not built yet, in widths of a letter and heights of a line: as much as the largest one needs."""


class PanelPlace(QWidget):
    """Where a panel of the middle lies.

    Parameters
    ----------
    spec
        The panel.
    session
        What it shows.
    parent
        Owner.
    """

    built = Signal(object)
    """The ``Panel``, once it is there."""

    def __init__(self, spec: PanelSpec, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.panel_id, self.title = spec.panel_id, spec.title
        self._spec, self._session = spec, session
        self._panel: Panel | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)

    @property
    def is_built(self) -> bool:
        """Whether the panel is there."""
        return self._panel is not None

    def panel(self) -> Panel:
        """Return the panel; the first time it is built."""
        if self._panel is None:
            self._panel = self._spec.factory(self._session, self)
            layout = self.layout()
            assert layout is not None
            layout.addWidget(self._panel)
            # Wired first: what it asks for when it is shown must be heard.
            self.built.emit(self._panel)
            # By itself the layout would show it in a later turn of the event loop, without a keyboard until then.
            self._panel.show()
        return self._panel

    def minimumSizeHint(self) -> QSize:  # Qt's name
        """Return the room that the panel will need: a window that is arranged without it must not grow with it."""
        if self._panel is not None:
            return super().minimumSizeHint()
        metrics = self.fontMetrics()
        return QSize(_ROOM.width() * metrics.averageCharWidth(), _ROOM.height() * metrics.lineSpacing())

    def showEvent(self, event: QShowEvent) -> None:  # Qt's name
        """Build the panel that is seen."""
        self.panel()
        super().showEvent(event)


class PanelShelf(QObject):
    """The panels by their ids."""

    built = Signal(object)
    """A ``Panel`` that was put here, or was built when it was needed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._panels: dict[str, Panel | PanelPlace] = {}

    def put(self, panel: Panel | PanelPlace) -> None:
        """Take in a panel, or the place of one that is built later."""
        self._panels[panel.panel_id] = panel
        if isinstance(panel, PanelPlace):
            panel.built.connect(self.built)
        else:
            self.built.emit(panel)

    def tab(self, panel_id: str) -> QWidget:
        """Return what lies in the tabs for a panel of the middle."""
        return self._panels[panel_id]

    def there(self) -> dict[str, Panel]:
        """Return the panels that are built."""
        return {
            name: one.panel() if isinstance(one, PanelPlace) else one
            for name, one in self._panels.items()
            if not isinstance(one, PanelPlace) or one.is_built
        }

    def get(self, panel_id: str) -> Panel | None:
        """Return a panel, ``None`` if there is no such one."""
        one = self._panels.get(panel_id)
        return one.panel() if isinstance(one, PanelPlace) else one

    def items(self) -> Iterator[tuple[str, Panel]]:
        """Yield all panels with their ids."""
        return ((name, self[name]) for name in self._panels)

    def __getitem__(self, panel_id: str) -> Panel:
        """Return a panel; ``KeyError`` if there is no such one."""
        panel = self.get(panel_id)
        if panel is None:
            raise KeyError(panel_id)
        return panel

    def __contains__(self, panel_id: object) -> bool:
        """Whether there is such a panel; none is built for it."""
        return panel_id in self._panels

    def __iter__(self) -> Iterator[str]:
        """Yield the ids."""
        return iter(self._panels)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._panels)
