"""Which trainings run, written down while they do, so that one that was cut off is offered at the next start."""

import os
import zlib
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from app.jobs.run_opener import open_run
from app.settings import state_folder
from app.state.app_events import NoticeRaised, RunOpened
from app.state.app_state import RESUME_KEY, Notice, run_id
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.errors import EngineError
from ptycho_engine.events import EngineEvent
from ptycho_engine.ordinary_file import read_small

_MAX_BYTES = 1 << 16
_DETACHED = "detached"


def marked(events: Iterator[EngineEvent], run_folder: Path) -> Generator[EngineEvent, None, None]:
    """Pass on the events of a training; while it runs, a file in the state folder names its run.

    A training that ends, fails or is stopped takes the file away; one whose process is killed leaves it.
    """
    mark = _mark(run_folder, str(os.getpid()))
    _forget(_mark(run_folder, _DETACHED))
    _note(mark, run_folder)
    try:
        yield from events
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
        _forget(mark)


def mark_detached(run_folder: Path) -> None:
    """Note that a process of its own trains in a folder: if it dies while no window looks, the next one offers it."""
    _note(_mark(run_folder, _DETACHED), run_folder)


def offer_unfinished() -> Iterator[EngineEvent | RunOpened | NoticeRaised]:
    """Open the trainings whose process has gone without ending them, and ask whether to go on; once for each."""
    from ptycho_engine.runs.detached import noted_process, writer_of
    from ptycho_engine.runs.run_folder import read_run

    for mark in sorted(_marks_folder().glob("*.run")):
        try:
            folder = Path(os.fsdecode(read_small(mark, _MAX_BYTES)))
            if writer_of(folder) is not None:
                continue
            run = read_run(folder)
        except (EngineError, ValueError):
            # The run has been removed, or its disk is not there.
            _forget(mark)
            continue
        _forget(mark)
        asked = mark.name.startswith(_DETACHED) and bool((noted_process(folder) or {}).get("asked_to_stop"))
        if run.state != "stopped" or run.checkpoint is None or asked:
            continue
        try:
            yield from open_run(folder)
        except EngineError:
            continue
        text = f"The training {folder.name} was cut off after epoch {run.epoch} of {run.n_epochs}. Its state is kept."
        action = f"Continue from epoch {run.epoch}"
        yield NoticeRaised(Notice(f"{RESUME_KEY}{run_id(folder)}", "warning", text, str(folder), action=action))


def _marks_folder() -> Path:
    return state_folder() / "running"


def _mark(run_folder: Path, owner: str) -> Path:
    return _marks_folder() / f"{owner}-{zlib.crc32(os.fsencode(run_folder)):08x}-{run_folder.name[:100]}.run"


def _note(mark: Path, run_folder: Path) -> None:
    # Without the file the training is not offered by itself; it can still be opened and resumed.
    with suppress(EngineError, OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(mark, partial(_write, run_folder))


def _write(run_folder: Path, stream: BinaryIO) -> None:
    stream.write(os.fsencode(run_folder))


def _forget(mark: Path) -> None:
    with suppress(OSError):
        mark.unlink(missing_ok=True)
