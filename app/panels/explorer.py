"""The open documents: datasets, bundles, and runs with their results, dumps and statistics."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QMenu, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from app.display.wording import number, whole
from app.panels.panel import Panel
from app.state.app_state import AppState, run_id
from app.state.canvas_changes import canvas_name
from app.state.session import Session
from app.widgets.icons import icon
from app.widgets.name_delegate import FACTS, NameDelegate
from ptycho_engine.documents import RunRecord
from ptycho_engine.runs.run_figures import RunFigures

KEY = Qt.ItemDataRole.UserRole
GROUPS = ("Datasets", "Bundles", "Runs")
REFUSED = "Not opened"
"""The group of files that were refused; it is there only while it holds any."""
NOTHING = {
    "Datasets": "none open",
    "Bundles": "none open",
    "Runs": "none yet",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One document as a line of the tree."""

    group: str
    key: str
    name: str
    facts: str
    icon: str
    current: bool
    tool_tip: str
    folder: Path | None
    resumable: bool = False
    watching: bool = False
    """Whether it is a run whose folder is followed."""
    watchable: bool = False
    stoppable: bool = False
    """Whether it runs in a process of its own, which can be asked to stop."""


def _folder_of(file: Path | None) -> Path | None:
    return None if file is None else file.parent


def entries(state: AppState) -> list[Entry]:
    """Return the lines of the tree."""
    lines = []
    for key, dataset in state.datasets.items():
        facts = f"{whole(dataset.n_scan)} × {dataset.n} × {dataset.n}"
        tip = "\n".join([str(dataset.path or "not saved"), facts, *dataset.notes])
        folder = _folder_of(dataset.path)
        lines.append(Entry("Datasets", key, dataset.name, facts, "dataset", key == state.dataset_id, tip, folder))
    for key, bundle in state.bundles.items():
        model = bundle.model
        facts = f"{bundle.era} · N {model.n} · g {model.gridsize}"
        words = f"{bundle.era} · {model.architecture} · N {model.n} · gridsize {model.gridsize}"
        tip = "\n".join([str(bundle.path or "not saved"), words, *bundle.notes])
        folder = _folder_of(bundle.path)
        lines.append(Entry("Bundles", key, bundle.name, facts, "bundle", key == state.bundle_id, tip, folder))
    lines += [_run_entry(state, key, run) for key, run in state.runs.items()]
    for key, figures in state.figures.items():
        if key not in state.runs:
            lines.append(_figures_entry(key, figures, current=key == state.figures_id))
    for key, canvas in state.canvases.items():
        file = state.canvas_files.get(key)
        made = "refinement" if key in state.canvas_refinements else "inference"
        made += "" if canvas.mode == "none" else f" as {canvas.mode}"
        facts = f"{made} · {whole(len(canvas.scan_positions))}"
        name = canvas_name(state, key)
        tip = f"{file or name}\n{facts} patches"
        lines.append(Entry("Runs", key, name, facts, "canvas", key == state.canvas_id, tip, file))
    for key, refused in state.refused.items():
        tip = f"{refused.path}\n{refused.reason}"
        current = key == state.refused_id
        lines.append(Entry(REFUSED, key, refused.path.name, "refused", "failed", current, tip, refused.path.parent))
    return lines


def _figures_entry(key: str, figures: RunFigures, *, current: bool) -> Entry:
    if figures.kind == "dump":
        facts = "debug dump"
    else:
        entries = [entry for stored in figures.stats for entry in stored.entries]
        phases = " and ".join(dict.fromkeys(entry.phase for entry in entries)) or "empty"
        facts = f"statistics: {phases}"
    tip = "\n".join([str(figures.path), facts, *figures.problems])
    return Entry("Runs", key, figures.name, facts, "figures", current, tip, figures.path)


def _run_entry(state: AppState, key: str, run: RunRecord) -> Entry:
    watched = state.watched.get(key)
    facts, tip = _facts(run), f"{run.path}\n{_state_words(run)}"
    held = state.figures.get(key)
    if held is not None and held.run is not None:
        tip = f"{run.path}\n{held.run.written_by}: {run.verb}, {_state_words(run)}"
    own = state.job is not None and state.job.busy and key == run_id(state.job.run_folder)
    watching = watched is not None and watched.watching
    if watched is not None:
        silence = watched.minutes_without_news
        if watching:
            facts = f"{facts} · watched" if silence is None else f"no news for {silence} min"
        told = [watched.message, "" if silence is None else facts]
        told += [f"{name} {number(value)}" for name, value in sorted(watched.figures.items())]
        tip = "\n".join(
            [tip, *([f"written by {watched.written_by}"] if watched.written_by else []), *filter(None, told)]
        )
    return Entry(
        "Runs",
        key,
        run.path.name,
        facts,
        run.state,
        key == (state.figures_id or state.run_id),
        tip,
        run.path,
        resumable=key in state.requests and run.state in ("stopped", "failed"),
        watching=watching,
        watchable=not watching and not own,
        stoppable=watched is not None and watched.detached and watched.job.state != "cancelling",
    )


def _facts(run: RunRecord) -> str:
    """Return little: the icon tells the state, and names of runs are long."""
    return f"{_epoch(run)}/{run.n_epochs}" if run.n_epochs else run.state


def _state_words(run: RunRecord) -> str:
    return f"epoch {_epoch(run)} of {run.n_epochs}, {run.state}" if run.n_epochs else run.state


def _epoch(run: RunRecord) -> int:
    return min(run.epoch + 1, run.n_epochs)


class ExplorerPanel(Panel):
    """Shows what is open; a double click makes a document the current one."""

    title = "Explorer"
    panel_id = "explorer"
    help_text = "The open documents. Double click or Enter makes one current; the menu key shows what can be done."

    document_asked = Signal(str)
    """This document should be the current one of its kind."""
    close_asked = Signal(str)
    """This document should be taken out of the window."""
    resume_asked = Signal(object)
    """``str``: the run whose training should go on."""
    watch_asked = Signal(object)
    """``Path``: the run in this folder should be followed."""
    stop_watching_asked = Signal(object)
    """``str``: this run should be followed no more."""
    stop_run_asked = Signal(object)
    """``str``: the process of this detached training should be asked to stop."""
    reveal_asked = Signal(object)
    """``Path`` to be shown in the file manager."""
    comparison_asked = Signal(str, str)
    """These two bundles should be compared."""
    panel_asked = Signal(str)
    """The panel that should come to the front."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.tree = QTreeWidget(self)
        self.tree.setAccessibleName("Open documents")
        self.tree.setColumnCount(1)
        self.tree.setHeaderHidden(True)
        self.tree.setUniformRowHeights(True)
        self.tree.setItemDelegate(NameDelegate(self.tree))
        self.tree.setIndentation(14)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.customContextMenuRequested.connect(self._open_menu)
        self.tree.itemActivated.connect(self._activate)
        self._groups = {name: QTreeWidgetItem(self.tree, [name]) for name in (*GROUPS, REFUSED)}
        for group in self._groups.values():
            group.setExpanded(True)
            group.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self._items: dict[str, QTreeWidgetItem] = {}
        self._entries: dict[str, Entry] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tree)
        self.take_keys(self.tree)
        self.watch(session.documents_changed)
        self.watch(session.job_changed)

    def refresh(self) -> None:
        """Bring the tree up to date without touching what stays as it is."""
        wanted = {entry.key: entry for entry in entries(self.session.state)}
        for key in [key for key in self._items if key not in wanted]:
            self._groups[self._entries.pop(key).group].removeChild(self._items.pop(key))
        for key, entry in wanted.items():
            if self._entries.get(key) != entry:
                self._show(entry)
        for name, group in self._groups.items():
            group.setText(0, name if group.childCount() else f"{name}   {NOTHING.get(name, '')}")
        refused = self._groups[REFUSED]
        refused.setHidden(not refused.childCount())

    def _show(self, entry: Entry) -> None:
        item = self._items.get(entry.key)
        if item is None:
            item = QTreeWidgetItem(self._groups[entry.group])
            item.setData(0, KEY, entry.key)
            self._items[entry.key] = item
        item.setText(0, f"{entry.name}   {entry.facts}")
        item.setData(0, FACTS, entry.facts)
        item.setIcon(0, icon(entry.icon))
        item.setToolTip(0, entry.tool_tip + ("\n(current)" if entry.current else ""))
        font = item.font(0)
        font.setBold(entry.current)
        item.setFont(0, font)
        self._entries[entry.key] = entry

    def menu_for(self, key: str) -> QMenu:
        """Return what can be done with a document."""
        entry = self._entries[key]
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        show = menu.addAction("&Make current", lambda: self._show_document(key))
        show.setEnabled(not entry.current)
        self._add_comparisons(menu, key)
        if entry.resumable:
            menu.addAction("&Resume training", lambda: self.resume_asked.emit(key))
        if entry.watching:
            menu.addAction("Stop &watching", lambda: self.stop_watching_asked.emit(key))
            stop = menu.addAction("Stop &detached training", lambda: self.stop_run_asked.emit(key))
            stop.setEnabled(entry.stoppable)
        elif entry.watchable:
            menu.addAction("&Watch", lambda: self.watch_asked.emit(entry.folder))
        reveal = menu.addAction("Reveal in &folder", lambda: self.reveal_asked.emit(entry.folder))
        reveal.setEnabled(entry.folder is not None)
        menu.addSeparator()
        menu.addAction("&Close", lambda: self.close_asked.emit(key))
        return menu

    def _add_comparisons(self, menu: QMenu, key: str) -> None:
        """Offer what the document can be compared with."""
        state = self.session.state
        if key in state.canvases:
            menu.addAction("Compare &A/B…", lambda: self._compare_canvas(key))
        if key not in state.bundles:
            return
        others = [(other, bundle.name) for other, bundle in state.bundles.items() if other != key]
        compare = menu.addMenu("&Compare with")
        compare.setEnabled(bool(others))
        for other, name in others:
            text = name if sum(name == one for _, one in others) == 1 else f"{name}  –  {other.removeprefix('bundle:')}"
            compare.addAction(text.replace("&", "&&"), partial(self._compare_bundles, key, other))

    def _compare_canvas(self, key: str) -> None:
        self.document_asked.emit(key)
        self.panel_asked.emit("ab")

    def _compare_bundles(self, key: str, other: str) -> None:
        self.document_asked.emit(key)
        self.comparison_asked.emit(key, other)
        self.panel_asked.emit("bundle")

    def _show_document(self, key: str) -> None:
        self.document_asked.emit(key)
        if key in self.session.state.refused:
            self.panel_asked.emit("bundle")

    def _open_menu(self, place: QPoint) -> None:
        item = self.tree.itemAt(place)
        key = item.data(0, KEY) if item is not None else None
        if key:
            self.menu_for(key).popup(self.tree.viewport().mapToGlobal(place))

    def _activate(self, item: QTreeWidgetItem) -> None:
        key = item.data(0, KEY)
        if key:
            self._show_document(key)

    def changeEvent(self, event: QEvent) -> None:
        """Draw the icons in the colours of a changed palette."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_items"):
            for key, item in self._items.items():
                item.setIcon(0, icon(self._entries[key].icon))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete closes the document under the cursor."""
        item = self.tree.currentItem()
        key = item.data(0, KEY) if item is not None else None
        if event.key() == Qt.Key.Key_Delete and key:
            self.close_asked.emit(key)
        else:
            super().keyPressEvent(event)
