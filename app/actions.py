"""Every action of the window: its words, its shortcut, and when it can be taken."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from app.panels.training import why_not_queue, why_not_resume, why_not_start
from app.state.app_state import AppState
from app.widgets.icons import icon
from ptycho_engine.config import InferConfig
from ptycho_engine.inference_compatibility import MODES


def always(state: AppState) -> str:
    """Return no reason against it."""
    return ""


def why_not_infer(state: AppState) -> str:
    """Return why no inference can start, empty if one can."""
    if state.dataset is None:
        return "Open a scan first."
    if state.bundle is None:
        return "Open a bundle or train a network first."
    return "Another job is running." if state.busy else ""


def why_not_stop(state: AppState) -> str:
    """Return why there is nothing to stop, empty if there is."""
    running = [job for job in (state.stoppable, state.file_job) if job is not None and job.busy]
    if not running:
        return "Nothing runs."
    return "" if any(job.state != "cancelling" for job in running) else "It is stopping."


def why_not_pause(state: AppState) -> str:
    """Return why no job can be paused or let go on, empty if one can."""
    job = state.job
    if job is None or not job.busy:
        return "Nothing computes."
    return "It is stopping." if job.state == "cancelling" else ""


def why_not_save(state: AppState) -> str:
    """Return why no bundle can be saved, empty if one can."""
    return "" if state.bundle is not None else "No bundle is open."


def why_not_undo(state: AppState) -> str:
    """Return why no closing can be undone, empty if one can."""
    return "" if state.closed else "Nothing was closed."


def why_not_export(state: AppState) -> str:
    """Return why no canvas can be exported, empty if one can."""
    return "" if state.canvas is not None else "There is no canvas yet: run an inference."


def why_not_simulate(state: AppState) -> str:
    """Return why no scan can be simulated, empty if one can."""
    return "Another job is running." if state.busy else ""


def why_not_close(state: AppState) -> str:
    """Return why no dataset can be closed, empty if one can."""
    return "" if state.dataset is not None else "No scan is open."


def why_not_stop_watching(state: AppState) -> str:
    """Return why no watched run is shown, empty if one is."""
    watched = state.watched.get(state.shown_run or "")
    return "" if watched is not None and watched.watching else "No watched run is shown."


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action."""

    id: str
    text: str
    shortcut: str
    help: str
    """What it does, in one sentence."""
    why_not: Callable[[AppState], str] = always
    """Why it cannot be taken in a state, empty if it can."""
    icon: str = ""
    checkable: bool = False


def _with_key(release: str) -> str:
    """Return the name of a release, its last sign marked as the key of its line in the menu."""
    return f"{release[:-1]}&{release[-1]}"


INFER_AS = {f"infer_as_{name}": name for name in MODES}
"""The compatibility mode of each action that infers as an older release did."""
INFERENCES = {"infer": InferConfig(), **{action: InferConfig(compatibility=name) for action, name in INFER_AS.items()}}
"""The settings of each action that infers at once."""

ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec("open", "&Open…", "Ctrl+O", "Open scans, bundles and patch statistics", icon="open"),
    ActionSpec("open_folder", "Open &folder…", "Ctrl+Shift+O", "Open a run folder or a debug dump, also PtychoPINN's"),
    ActionSpec("watch", "&Watch folder…", "Ctrl+Shift+L", "Follow a run that another process writes into a folder"),
    ActionSpec("save_bundle", "&Save bundle as…", "Ctrl+S", "Save the current bundle as a file", why_not_save),
    ActionSpec(
        "export_canvas",
        "&Export canvas…",
        "Ctrl+E",
        "Write the stitched object: NPZ, CXI, HDF5, TIFF, pictures",
        why_not_export,
    ),
    ActionSpec("close_dataset", "&Close scan", "Ctrl+W", "Take the current scan out of the window", why_not_close),
    ActionSpec("undo_close", "&Undo closing", "Ctrl+Z", "Bring back the document that was closed last", why_not_undo),
    ActionSpec("palette", "&Commands…", "Ctrl+Shift+P", "Find any action or panel by a few letters of its name"),
    ActionSpec("quit", "&Quit", "Ctrl+Q", "Close Ptychoscope"),
    ActionSpec("train", "&Train", "Ctrl+T", "Train on the current scan as filled in", why_not_start, "train"),
    ActionSpec(
        "queue",
        "Add to &queue",
        "Ctrl+Shift+A",
        "Train as filled in when the running job and those before it have ended",
        why_not_queue,
    ),
    ActionSpec(
        "resume", "&Resume training", "Ctrl+Shift+T", "Go on with the stopped training", why_not_resume, "resume"
    ),
    ActionSpec("infer", "&Infer", "Ctrl+I", "Infer the current scan with the current bundle", why_not_infer, "infer"),
    ActionSpec(
        "infer_with",
        "Infer &with settings…",
        "Ctrl+Shift+I",
        "Choose groups, weights, crop, VarPro, passes of refinement and the device, then infer",
    ),
    *(
        ActionSpec(
            action,
            f"Infer as PtychoPINN {_with_key(name)}",
            f"Ctrl+Alt+{number}",
            f"Infer as an older release did, faults included. {MODES[name].note}",
            why_not_infer,
        )
        for number, (action, name) in enumerate(INFER_AS.items(), start=1)
    ),
    ActionSpec("stop", "&Stop", "Ctrl+.", "Stop the running job; the checkpoint stays", why_not_stop, "stop"),
    ActionSpec(
        "pause", "&Pause or go on", "Ctrl+P", "Let the job wait between two steps, or go on", why_not_pause, "pause"
    ),
    ActionSpec(
        "stop_watching",
        "Stop &watching",
        "Ctrl+Shift+W",
        "Follow the run that is shown no more; it goes on",
        why_not_stop_watching,
    ),
    ActionSpec(
        "simulate", "Si&mulate a demo scan…", "Ctrl+D", "Make a small scan to try things out with", why_not_simulate
    ),
    ActionSpec(
        "layout_inspect", "&Inspect", "Ctrl+1", "Arrange the window to look at scans and bundles", checkable=True
    ),
    ActionSpec("layout_train", "&Train", "Ctrl+2", "Arrange the window to watch a training", checkable=True),
    ActionSpec("layout_compare", "&Compare", "Ctrl+3", "Arrange the window to compare results", checkable=True),
    ActionSpec("reset_layout", "&Reset this layout", "Ctrl+0", "Put the panels of this layout back where they were"),
    ActionSpec("full_screen", "&Full screen", "F11", "Fill the whole screen", checkable=True),
    ActionSpec("guide", "&Guide", "F1", "Read the guide, at the panel that has the keyboard"),
    ActionSpec("shortcuts", "&Keyboard shortcuts", "Ctrl+F1", "List all shortcuts"),
    ActionSpec("about", "&About Ptychoscope", "Shift+F1", "Version, licence, and what it builds on"),
)


class Actions:
    """The actions as Qt has them, kept in step with the state.

    Parameters
    ----------
    parent
        The window they belong to.
    """

    def __init__(self, parent: QWidget) -> None:
        self._actions: dict[str, QAction] = {}
        for spec in ACTIONS:
            action = QAction(spec.text, parent)
            action.setObjectName(spec.id)
            action.setShortcut(QKeySequence(spec.shortcut))
            action.setCheckable(spec.checkable)
            if spec.icon:
                action.setIcon(icon(spec.icon))
            self._actions[spec.id] = action
        parent.addActions(list(self._actions.values()))

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def update(self, state: AppState) -> None:
        """Allow what can be done in ``state``; what cannot says why."""
        for spec in ACTIONS:
            action = self._actions[spec.id]
            reason = spec.why_not(state)
            action.setEnabled(not reason)
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            action.setToolTip(f"{spec.help} ({keys})" + (f"\nNot now: {reason}" if reason else ""))
            action.setStatusTip(f"{spec.help}. {reason}".strip() if reason else spec.help)

    def redraw_icons(self) -> None:
        """Draw the icons anew, in the colours of a changed palette."""
        for spec in ACTIONS:
            if spec.icon:
                self._actions[spec.id].setIcon(icon(spec.icon))
