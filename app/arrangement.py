"""Where the panels are: three layouts, each remembered as it was left."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from itertools import pairwise

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabWidget

from app.layouts import LAYOUTS
from app.panel_shelf import PanelPlace, PanelShelf
from app.panels.panel import PanelSpec
from app.settings import SettingsStore

AREAS = {
    "left": Qt.DockWidgetArea.LeftDockWidgetArea,
    "right": Qt.DockWidgetArea.RightDockWidgetArea,
    "bottom": Qt.DockWidgetArea.BottomDockWidgetArea,
}
STATE_VERSION = 2
"""Raised when panels change so much that remembered places no longer make sense."""
BOTTOM_HEIGHT_PX = 230
ROOMY_HEIGHT_PX = 800
"""The window fills screens that are lower, at its first start."""
SEPARATORS_PX = 16
SIDE_BY_SIDE = 2
"""Docks at the bottom that lie beside each other."""
ROOMY_WIDTH_PX = 1500
"""In a narrower window the docks at the sides are narrower too: the middle needs room to compare patches."""
_SIDEWAYS, _UP = Qt.Orientation.Horizontal, Qt.Orientation.Vertical


class Arrangement:
    """Puts docks and tabs in their places.

    Parameters
    ----------
    window
        The window with the docks.
    tabs
        The middle.
    specs
        The panels, in order.
    panels, docks
        What was made of them, by panel id; a panel of the middle has no dock.
    settings
        Where the places are remembered.
    """

    def __init__(
        self,
        window: QMainWindow,
        tabs: QTabWidget,
        specs: Sequence[PanelSpec],
        panels: PanelShelf,
        docks: Mapping[str, QDockWidget],
        settings: SettingsStore,
    ) -> None:
        self._window = window
        self._tabs = tabs
        self._specs = tuple(specs)
        self._panels = panels
        self._docks = docks
        self._settings = settings
        self._sizes_pending = False
        self.layout_id = settings.settings.layout if settings.settings.layout in LAYOUTS else "train"

    def use(self, name: str) -> None:
        """Arrange the panels in another way, as it was left last time."""
        self.remember()
        self.layout_id = name
        self._settings.change(layout=name)
        self._apply()

    def restore(self) -> None:
        """Put the window and its panels back to where they were at the last start."""
        geometry = _unpacked(self._settings.settings.geometry)
        if geometry.isEmpty() or not self._window.restoreGeometry(geometry):
            room = self._window.screen().availableSize()
            self._window.resize(min(1500, int(room.width() * 0.95)), min(950, int(room.height() * 0.92)))
            if room.height() < ROOMY_HEIGHT_PX:
                # All of a small screen is needed; with a notice above the panels the window would grow beyond it.
                self._window.setWindowState(Qt.WindowState.WindowMaximized)
        self._apply()

    def remember(self) -> None:
        """Keep where the window and its panels are."""
        settings = self._settings.settings
        front = self._tabs.currentWidget()
        tabs = dict(settings.tabs)
        if isinstance(front, PanelPlace):
            tabs[self.layout_id] = front.panel_id
        docks = {**settings.docks, self.layout_id: _packed(self._window.saveState(STATE_VERSION))}
        geometry = _packed(self._window.saveGeometry())
        self._settings.change(geometry=geometry, docks=docks, tabs=tabs, layout=self.layout_id)

    def shown(self) -> None:
        """Give the docks their sizes once the window has its own: before, Qt takes them as hints at most."""
        if self._sizes_pending:
            self._sizes_pending = False
            layout = self._window.layout()
            if layout is not None:
                layout.activate()
            self._size_docks()

    def reset(self) -> None:
        """Put the panels of this layout back to where they were before anybody moved one."""
        self._place_docks()
        self._show_front(LAYOUTS[self.layout_id].front)

    def _apply(self) -> None:
        settings = self._settings.settings
        packed = _unpacked(settings.docks.get(self.layout_id, ""))
        if packed.isEmpty() or not self._window.restoreState(packed, STATE_VERSION):
            self._place_docks()
        self._show_front(settings.tabs.get(self.layout_id, LAYOUTS[self.layout_id].front))

    def _show_front(self, panel_id: str) -> None:
        # What was remembered may be in the tabs no more, or be none of the panels.
        if panel_id in self._panels and self._tabs.indexOf(self._panels.tab(panel_id)) >= 0:
            self._tabs.setCurrentWidget(self._panels.tab(panel_id))

    def _place_docks(self) -> None:
        layout = LAYOUTS[self.layout_id]
        for placed in self._docks.values():
            # A dock that shared its place with another would leave the bar of their tabs behind.
            self._window.removeDockWidget(placed)
        for spec in self._specs:
            dock = self._docks.get(spec.panel_id)
            if dock is None:
                continue
            dock.setFloating(False)
            self._window.addDockWidget(AREAS[spec.area], dock)
            dock.setVisible(spec.panel_id not in layout.hidden)
        bottom = self._docks_of("bottom")
        for dock, neighbour in pairwise(bottom[:SIDE_BY_SIDE]):
            self._window.splitDockWidget(dock, neighbour, _SIDEWAYS)
        for dock in bottom[SIDE_BY_SIDE:]:
            # Sentences need room: a third dock shares the place of the second, which stays in front.
            self._window.tabifyDockWidget(bottom[SIDE_BY_SIDE - 1], dock)
            bottom[SIDE_BY_SIDE - 1].raise_()
        self._size_docks()
        self._sizes_pending = not self._window.isVisible()

    def _docks_of(self, area: str) -> list[QDockWidget]:
        hidden = LAYOUTS[self.layout_id].hidden
        named = [spec.panel_id for spec in self._specs if spec.area == area and spec.panel_id not in hidden]
        return [self._docks[panel_id] for panel_id in named]

    def _size_docks(self) -> None:
        left, right, bottom = (self._docks_of(area) for area in ("left", "right", "bottom"))
        beside = bottom[:SIDE_BY_SIDE]
        self._window.resizeDocks(beside, [500] * len(beside), _SIDEWAYS)
        share = min(1.0, self._window.width() / ROOMY_WIDTH_PX)
        wide_left, wide_right = (round(share * width) for width in LAYOUTS[self.layout_id].widths)
        # What the middle needs goes before, else the window grows beyond the screen.
        room = self._window.width() - self._tabs.minimumSizeHint().width() - SEPARATORS_PX - wide_left
        for docks, width in ((left, wide_left), (right, max(1, min(wide_right, room)))):
            self._window.resizeDocks(docks[:1], [width], _SIDEWAYS)
        self._window.resizeDocks(bottom[:1], [BOTTOM_HEIGHT_PX], _UP)
        if len(left) > 1:
            # As little as shows some documents; the form below has more to say.
            self._window.resizeDocks(left[:2], [160, self._window.height() - 160], _UP)


def _packed(content: QByteArray) -> str:
    return base64.b64encode(content.data()).decode()


def _unpacked(text: str) -> QByteArray:
    try:
        return QByteArray(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return QByteArray()
