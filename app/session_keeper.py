"""The documents of the last start are open again at the next one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QObject

from app.panel_shelf import PanelShelf
from app.panels.panel import Panel
from app.settings import SettingsStore
from app.state.app_state import AppState
from app.state.session import Session


class SessionKeeper(QObject):
    """Notes which documents are open, and has them opened again.

    Parameters
    ----------
    session
        What is open.
    settings
        Where it is noted.
    open_again
        Opens files of the last start, in this order.
    select_frame
        Marks a pattern of the current scan.
    panels
        Whose choices are kept, by their names.
    parent
        Owner.
    """

    def __init__(
        self,
        session: Session,
        settings: SettingsStore,
        open_again: Callable[[Sequence[str]], None],
        select_frame: Callable[[int], None],
        panels: PanelShelf,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._settings = settings
        self._open_again = open_again
        self._select_frame = select_frame
        self._panels = panels
        self._noting = False
        self._restored: Mapping[str, Any] = {}
        self._waiting: dict[str, Mapping[str, Any]] = {}
        session.documents_changed.connect(self.note)

    def restore(self) -> None:
        """Open the documents of the last start; until ``finish`` nothing is noted."""
        noted = dict(self._settings.settings.session)
        files = noted.get("files")
        self._restored = noted
        self._open_again([name for name in files if isinstance(name, str)] if isinstance(files, list) else [])

    def finish(self) -> None:
        """Mark the pattern that was marked, and note from now on what is open."""
        if self._noting:
            return
        self._noting = True
        frame, dataset = self._restored.get("frame"), self._session.state.dataset
        if isinstance(frame, int) and dataset is not None and str(dataset.path) == self._restored.get("dataset"):
            self._select_frame(frame)
        chosen = self._restored.get("panels")
        self._waiting = {
            name: choices
            for name, choices in (chosen.items() if isinstance(chosen, dict) else ())
            if name in self._panels and isinstance(choices, dict)
        }
        for panel in self._panels.there().values():
            self.panel_built(panel)
        self.note()

    def panel_built(self, panel: Panel) -> None:
        """Choose again in a panel what was chosen at the last start."""
        if panel.panel_id in self._waiting:
            panel.show_choices(self._waiting.pop(panel.panel_id))

    def note(self) -> None:
        """Write down what is open, if that is something else than before."""
        if not self._noting:
            return
        choices = {name: panel.choices() for name, panel in self._panels.there().items()} | self._waiting
        noted = content_of(self._session.state) | {"panels": {name: kept for name, kept in choices.items() if kept}}
        if noted != self._settings.settings.session:
            self._settings.change(session=noted)


def content_of(state: AppState) -> dict[str, Any]:
    """Return what is to be open again: files in an order in which the current ones come last, and the pattern."""
    runs = [(key == state.run_id, run.path) for key, run in state.runs.items()]
    bundles = [(key == state.bundle_id, bundle.path) for key, bundle in state.bundles.items()]
    datasets = [(key == state.dataset_id, dataset.path) for key, dataset in state.datasets.items()]
    canvases = [(key == state.canvas_id, path) for key, path in state.canvas_files.items()]
    # A run brings its scan and its bundle: those that are the current ones are opened after it.
    files = [path for kind in (runs, bundles, datasets, canvases) for _, path in sorted(kind, key=lambda one: one[0])]
    noted: dict[str, Any] = {"files": [str(path) for path in files if path is not None]}
    if state.dataset is not None and state.dataset.path is not None:
        noted["dataset"] = str(state.dataset.path)
        if state.selected_frame is not None:
            noted["frame"] = state.selected_frame
    return noted
