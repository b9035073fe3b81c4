"""A run in a process of its own, told by a file in its folder from the moment it is started.

The lock of the folder says the same, but only once the run has loaded its scans; and it does not say that the process
does nothing else, so that a signal ends the run alone.
"""

import json
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.artefacts.json_file import write_json
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import RunRecord
from ptycho_engine.errors import EngineError, InputError, OutputError
from ptycho_engine.ordinary_file import read_small
from ptycho_engine.runs.folder_lock import is_alive, owner_of
from ptycho_engine.runs.run_folder import RUN_FILE, read_run

DETACHED_FILE = "detached.json"
SETTINGS_FILE = "settings.json"
CONSOLE_FILE = "console.txt"
"""What the process prints."""
_MAX_BYTES = 2**20
_MOST_FOLDERS = 2000


def train_command(
    folder: Path,
    config: TrainConfig,
    data: Sequence[Path],
    *,
    test_data: Path | None = None,
    start_from: Path | None = None,
    resume: bool = False,
) -> list[str]:
    """Write the settings into the run folder and return the command that trains there.

    Parameters
    ----------
    folder
        The run folder; made where it is missing.
    config
        The settings.
    data
        The scans to train on.
    test_data, start_from
        The scan to validate on and the bundle to go on from, if any.
    resume
        Whether the training in the folder goes on.

    Raises
    ------
    OutputError
        If the folder holds a run that is being written, or cannot be written.
    """
    make_folder(folder)
    if writer_of(folder) is not None:
        raise OutputError("a run is being written here", "Choose another folder, or wait for its end.", file=folder)
    write_json(config.as_dict(), folder / SETTINGS_FILE)
    # With the handler that writes where every thread stood when the process crashes.
    command = [sys.executable, "-X", "faulthandler", "-m", "ptycho_engine", "train"]
    command += ["--data", *map(str, data), "--out", str(folder), "--config", str(folder / SETTINGS_FILE)]
    if test_data is not None:
        command += ["--test-data", str(test_data)]
    if start_from is not None:
        command += ["--start-from", str(start_from)]
    return [*command, "--resume"] if resume else command


def note_process(folder: Path, pid: int, command: Sequence[str]) -> None:
    """Write down which process runs in a folder.

    Raises
    ------
    OutputError
        If the process has gone already.
    """
    import psutil

    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess as error:
        raise OutputError(
            "the training ended as soon as it was started", f"See {CONSOLE_FILE} in its folder.", file=folder
        ) from error
    process = {"pid": pid, "host": socket.gethostname(), "started": started, "command": list(command)}
    write_json(process, folder / DETACHED_FILE)


def noted_process(folder: Path) -> dict[str, Any] | None:
    """Return the process that was last started for a folder (``pid``, ``host``, ``started``), if one was."""
    try:
        process = json.loads(read_small(folder / DETACHED_FILE, _MAX_BYTES))
    except (InputError, ValueError, RecursionError):
        return None
    return process if isinstance(process, dict) else None


def detached_process(folder: Path) -> dict[str, Any] | None:
    """Return the process that was started for a folder, ``None`` once it has ended."""
    process = noted_process(folder)
    return process if process is not None and is_alive(process) else None


def writer_of(folder: Path) -> dict[str, Any] | None:
    """Return the process that writes in a run folder, or is about to; ``None`` if there is none."""
    return owner_of(folder) or detached_process(folder)


def running_runs(parent: Path) -> Iterator[RunRecord]:
    """Yield the runs in the folders of ``parent`` that some process still writes, the newest first."""
    try:
        folders = [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink()]
        folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return
    for folder in folders[:_MOST_FOLDERS]:
        if writer_of(folder) is None:
            continue
        try:
            run = read_run(folder)
        except EngineError:
            run = RunRecord(folder, "train", "running")
        if run.state == "running" or not (folder / RUN_FILE).exists():
            yield run


def interrupt(folder: Path) -> int:
    """Ask the process that was started for a run to stop, as Ctrl+C would; it leaves a checkpoint.

    Returns
    -------
    int
        The number of the process.

    Raises
    ------
    OutputError
        If it has ended, is not one that only does this run, runs on another host, or was asked before: a second signal
        would end it at once, without its checkpoint.
    """
    process = detached_process(folder)
    if process is None:
        raise OutputError(
            "no process was started for this run that still runs",
            "A run in another window, or of another program, is stopped there.",
            file=folder,
        )
    if process["host"] != socket.gethostname():
        raise OutputError(f"the run is on {process['host']}", "Stop it there.", file=folder)
    if process.get("asked_to_stop"):
        raise OutputError("the run was asked to stop already", "It writes its checkpoint; wait for it.", file=folder)
    if sys.platform == "win32":
        raise OutputError("a process of its own cannot be asked to stop here", "End it as a task.", file=folder)
    import psutil

    try:
        # psutil compares the start time once more: another process may have come by that number.
        running = psutil.Process(int(process["pid"]))
        if abs(running.create_time() - float(process["started"])) < 1.0:
            running.send_signal(signal.SIGINT)
            write_json(process | {"asked_to_stop": True}, folder / DETACHED_FILE)
    except psutil.Error as error:
        raise OutputError(
            f"the process cannot be asked to stop ({error})", "It may have ended.", file=folder
        ) from error
    return int(process["pid"])
