"""Start a training in a process of its own: a session of its own, no terminal, and no window that it needs."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ptycho_engine
from app.jobs.unfinished import mark_detached
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Bundle
from ptycho_engine.errors import OutputError
from ptycho_engine.events import EngineEvent, MessageLogged
from ptycho_engine.runs.detached import CONSOLE_FILE, note_process, train_command


@dataclass(frozen=True, slots=True)
class DetachedTraining:
    """What the process is to do."""

    folder: Path
    config: TrainConfig
    data: tuple[Path, ...]
    test_data: Path | None = None
    start_from: Bundle | None = None
    resume: bool = False


def start_detached(training: DetachedTraining) -> Iterator[EngineEvent]:
    """Start it; nothing is left that would end with this process.

    Raises
    ------
    OutputError
        If the run folder cannot be used, or the process does not start.
    """
    start_from = None
    if training.start_from is not None:
        from ptycho_engine.artefacts.folders import make_folder
        from ptycho_engine.bundles import save_bundle

        make_folder(training.folder)
        # As it is read in this window, and whatever becomes of the file that it was opened from.
        start_from = training.folder / "start.h5.zip"
        save_bundle(training.start_from, start_from)
    command = train_command(
        training.folder,
        training.config,
        training.data,
        test_data=training.test_data,
        start_from=start_from,
        resume=training.resume,
    )
    pid = _spawn(command, training.folder)
    note_process(training.folder, pid, command)
    mark_detached(training.folder)
    yield MessageLogged("info", f"{training.folder.name} trains in process {pid}, also without this window.")


_started: "set[subprocess.Popen[bytes]]" = set()
"""Those that this process started and that have not been asked how they ended: dropped, they would warn of it."""


def _spawn(command: Sequence[str], folder: Path) -> int:
    _started.difference_update({process for process in _started if process.poll() is not None})
    # The engine as it is here, installed or not.
    here = str(Path(ptycho_engine.__file__).parents[1])
    paths = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        with (folder / CONSOLE_FILE).open("wb") as console:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | {"PYTHONPATH": paths},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                # Neither the end of the window, nor that of its terminal, nor Ctrl+C there reaches it.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
    except OSError as error:
        raise OutputError(
            f"the process of the training does not start ({error})", "Train here.", file=folder
        ) from error
    _started.add(process)
    return process.pid
