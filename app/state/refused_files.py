"""Files that were refused, to be looked into: pure, a part of the reducer."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from app.state.entries import with_entry, without_entry
from ptycho_engine.events import Delivery

if TYPE_CHECKING:
    from app.state.app_state import AppState

    # With it come all readers of files, which the window does not need to start.
    from ptycho_engine.bundles.safety import SafetyReport

SHOW = "Show what is in it"


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """Why a file was not opened, and what is in it."""

    path: Path
    reason: str
    """In words, with what to do."""
    report: "SafetyReport | None" = None
    """What its pickles name and would have run, each with its place; ``None`` where there are none to look into."""


@dataclass(frozen=True, slots=True)
class FileRefused:
    """A file was refused and has been looked into."""

    delivery: ClassVar[Delivery] = Delivery.EVERY
    file: RefusedFile


def refused_key(path: Path) -> str:
    """Return the key of a refused file."""
    return f"refused:{path}"


def refused(state: "AppState", event: FileRefused) -> "AppState":
    """Return the state with a refused file; its notice offers to show what is in it, if that says more."""
    file = event.file
    action = "" if file.report is None else SHOW
    notices = tuple(
        replace(notice, action=action) if notice.key == f"open:{file.path}" else notice for notice in state.notices
    )
    return replace(state, refused=with_entry(state.refused, refused_key(file.path), file), notices=notices)


def without_refused(state: "AppState", path: Path | None) -> "AppState":
    """Return the state in which a file is no longer refused: it could be opened, or somebody has closed it."""
    key = "" if path is None else refused_key(path)
    if key not in state.refused:
        return state
    shown = None if key == state.refused_id else state.refused_id
    return replace(state, refused=without_entry(state.refused, key), refused_id=shown)
