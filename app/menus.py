"""The menu bar and the tool bar."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QDockWidget, QMainWindow, QMenu, QToolBar

from app.actions import INFER_AS, Actions
from app.panels.panel import PanelSpec

THEME_NAMES = {"desktop": "Follow the &desktop", "light": "&Light", "dark": "&Dark"}


class Menus(QObject):
    """Puts the actions where they are looked for."""

    recent_chosen = Signal(str)
    panel_chosen = Signal(str)
    theme_chosen = Signal(str)

    def __init__(
        self, window: QMainWindow, actions: Actions, docks: Mapping[str, QDockWidget], specs: Sequence[PanelSpec]
    ) -> None:
        super().__init__(window)
        self._window = window
        self._actions = actions
        self.themes: dict[str, QAction] = {}
        self.panels: dict[str, QAction] = {}
        bar = window.menuBar()
        self._fill_file(bar.addMenu("&File"))
        edit = bar.addMenu("&Edit")
        edit.setToolTipsVisible(True)
        for name in ("undo_close", "", "palette"):
            self._put(edit, name)
        self._fill_view(bar.addMenu("&View"), specs)
        run = bar.addMenu("&Run")
        for name in ("train", "queue", "resume", "infer", "infer_with"):
            self._put(run, name)
        older = run.addMenu("Infer &as")
        older.setToolTipsVisible(True)
        for name in INFER_AS:
            self._put(older, name)
        for name in ("pause", "stop", "stop_watching", "", "simulate"):
            self._put(run, name)
        help_menu = bar.addMenu("&Help")
        for name in ("guide", "shortcuts", "about"):
            self._put(help_menu, name)
        for menu in (run, help_menu):
            menu.setToolTipsVisible(True)
        self._fill_tool_bar()

    def show_recent(self, files: Sequence[str]) -> None:
        """List the files that were opened last."""
        self.recent.clear()
        for number, name in enumerate(files, start=1):
            path = Path(name)
            text = f"{path.name}  –  {path.parent}".replace("&", "&&")
            action = self.recent.addAction(f"&{number}  {text}" if number < 10 else text)
            action.setData(name)
            action.triggered.connect(self._recent)
        self.recent.setEnabled(bool(files))

    def show_theme(self, theme: str) -> None:
        """Tick the theme in use."""
        self.themes[theme].setChecked(True)

    def _put(self, menu: QMenu | QToolBar, name: str) -> None:
        if name:
            menu.addAction(self._actions[name])
        else:
            menu.addSeparator()

    def _fill_file(self, menu: QMenu) -> None:
        menu.setToolTipsVisible(True)
        for name in ("open", "open_folder", "watch"):
            self._put(menu, name)
        self.recent = menu.addMenu("Open &recent")
        for name in ("close_dataset", "", "save_bundle", "export_canvas", "", "quit"):
            self._put(menu, name)

    def _fill_view(self, menu: QMenu, specs: Sequence[PanelSpec]) -> None:
        panels = menu.addMenu("&Panels")
        panels.setToolTipsVisible(True)
        for spec in specs:
            action = panels.addAction(spec.title)
            action.setShortcut(QKeySequence(spec.shortcut))
            action.setToolTip(spec.help)
            action.setData(spec.panel_id)
            action.triggered.connect(self._panel)
            self.panels[spec.panel_id] = action
        menu.addSeparator()
        for name in ("layout_inspect", "layout_train", "layout_compare", "reset_layout", ""):
            self._put(menu, name)
        theme = menu.addMenu("&Theme")
        group = QActionGroup(self)
        for name, text in THEME_NAMES.items():
            action = theme.addAction(text)
            action.setCheckable(True)
            action.setData(name)
            action.triggered.connect(self._theme)
            group.addAction(action)
            self.themes[name] = action
        self._put(menu, "full_screen")

    def _fill_tool_bar(self) -> None:
        bar = QToolBar("Tools", self._window)
        bar.setObjectName("tool_bar")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        layouts = ("layout_inspect", "layout_train", "layout_compare")
        for name in ("open", "", *layouts, "", "train", "infer", "pause", "stop"):
            self._put(bar, name)
        self._window.addToolBar(bar)
        # Two buttons must not both read "Train": one starts, the other arranges.
        for name, text in (("train", "Start training"), ("layout_train", "Train"), ("pause", "Pause")):
            self._actions[name].setIconText(text)

    def _recent(self) -> None:
        self.recent_chosen.emit(_data(self.sender()))

    def _panel(self) -> None:
        self.panel_chosen.emit(_data(self.sender()))

    def _theme(self) -> None:
        self.theme_chosen.emit(_data(self.sender()))


def _data(sender: QObject | None) -> str:
    return str(sender.data()) if isinstance(sender, QAction) else ""
