"""The verb that follows a run: it reads the files of a folder and never writes, locks or holds one open."""

import time
from collections.abc import Callable, Generator
from pathlib import Path

from ptycho_engine.errors import InputError
from ptycho_engine.events import EngineEvent, MessageLogged, RunEnded, RunObserved
from ptycho_engine.ordinary_file import require_readable
from ptycho_engine.runs.detached import DETACHED_FILE
from ptycho_engine.runs.run_contents import is_upstream_run, list_files
from ptycho_engine.runs.run_folder import RUN_FILE
from ptycho_engine.watching.own_run import OwnRun
from ptycho_engine.watching.upstream_run import UpstreamRun

QUIET_S = 120.0
INTERVAL_S = 0.5


def watch(
    folder: str | Path,
    *,
    quiet_s: float = QUIET_S,
    interval_s: float = INTERVAL_S,
    wait: Callable[[float], object] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Generator[EngineEvent, None, None]:
    """Follow a run of this program or of PtychoPINN while it is written, from its first line.

    ``RunFound`` tells what it is; then come the events of the run itself, as far as its files hold them, and at each
    look ``RunObserved``. The last event is ``RunEnded``. A run of this program is known to be dead when its process is;
    one of PtychoPINN, or on another host, is never called dead: ``RunObserved.silent`` says that nothing was written
    for ``quiet_s``. A run that ended before is told in the same way.

    Parameters
    ----------
    folder
        The run folder; it may be empty yet.
    quiet_s
        After how many seconds without a change a run that nobody can ask counts as silent.
    interval_s
        Seconds between two looks.
    wait
        Called between two looks with ``interval_s``.
    now
        The time [s since 1970].

    Raises
    ------
    InputError
        If there is no such folder.
    """
    path = Path(folder)
    require_readable(path)
    if not path.is_dir():
        raise InputError("is not a folder", "Give the folder that the run writes into.", file=path)
    run: OwnRun | UpstreamRun | None = None
    began, there = now(), True
    while True:
        if there is not path.is_dir():
            there = not there
            yield MessageLogged("info" if there else "warning", f"{path.name} is {'there again' if there else 'gone'}.")
        run = run or _run_in(path, now)
        ended: RunEnded | None = None
        for event in run.poll() if run is not None and there else ():
            if isinstance(event, RunEnded):
                ended = event
            else:
                yield event
        written = run.news_time() if run is not None else None
        seconds = max(0.0, now() - (began if written is None else written))
        silent = run is not None and run.may_be_dead and ended is None and seconds >= quiet_s
        detached = run is not None and run.detached and ended is None
        yield RunObserved(run.run if run is not None else None, seconds, silent, detached)
        if ended is not None:
            yield ended
            return
        wait(interval_s)


def is_run_folder(folder: Path) -> bool:
    """Tell whether a folder holds a run, of this program or of PtychoPINN, or will."""
    return _run_in(folder, time.time) is not None


def _run_in(folder: Path, now: Callable[[], float]) -> OwnRun | UpstreamRun | None:
    if (folder / RUN_FILE).is_file() or (folder / DETACHED_FILE).is_file():
        return OwnRun(folder)
    return UpstreamRun(folder, now) if is_upstream_run(list_files(folder)) else None
