"""Follow a run of this program by its event log, its ``run.json`` and who writes there."""

import json
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ptycho_engine.bundles import read_bundle
from ptycho_engine.documents import RunRecord
from ptycho_engine.errors import EngineError, InputError
from ptycho_engine.events import (
    BundleLoaded,
    EngineEvent,
    MessageLogged,
    PatchPreview,
    RunEnded,
    RunFound,
)
from ptycho_engine.ordinary_file import read_small
from ptycho_engine.runs.detached import CONSOLE_FILE, detached_process, noted_process
from ptycho_engine.runs.folder_lock import owner_of
from ptycho_engine.runs.run_folder import RUN_FILE, read_run
from ptycho_engine.runs.stored_previews import PREVIEW_FOLDER, read_preview
from ptycho_engine.watching.event_reading import event_of, values_of_line
from ptycho_engine.watching.growing_lines import GrowingLines

_MAX_BYTES = 16 * 2**20
_CRASH = "Fatal Python error: "
NEWS_FILES = ("events.jsonl", RUN_FILE, "metrics.csv", CONSOLE_FILE)


class OwnRun:
    """What is known of a run so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run: RunRecord | None = None
        self.may_be_dead = False
        """Whether nobody here can tell if it still runs: its process is on another host."""
        self.detached = False
        """Whether it runs in a process of its own on this host."""
        self._log = GrowingLines(folder / "events.jsonl")
        self._found = False

    def news_time(self) -> float | None:
        """Return when something was last written [s since 1970]."""
        return newest_time(self.folder / name for name in NEWS_FILES)

    def poll(self) -> Iterator[EngineEvent]:
        """Yield what has come since the last look; the last event, ``RunEnded``, when the run is at its end."""
        # In this order: what is written after the writer was seen alive is read at the next look.
        alive = self._is_written()
        described = self._description()
        self._look(described, alive)
        yield from self._logged(described)
        if alive:
            return
        if not (self.folder / RUN_FILE).exists() and not self._ever_started():
            return
        yield from self._end()

    def _is_written(self) -> bool:
        owner = owner_of(self.folder)
        self.may_be_dead = owner is not None and owner.get("host") != socket.gethostname()
        process = detached_process(self.folder)
        self.detached = process is not None and process.get("host") == socket.gethostname()
        if owner is not None:
            return True
        if process is None:
            return False
        described = self._description()
        # It may not have begun: what run.json says is then of the run that it is to go on with.
        writer = described.get("process")
        own = isinstance(writer, dict) and writer.get("pid") == process.get("pid")
        return not own or described.get("state") == "running"

    def _ever_started(self) -> bool:
        return (self.folder / CONSOLE_FILE).exists()

    def _never_began(self, described: dict[str, Any]) -> bool:
        """Tell whether the process that was started for the folder ended before it wrote anything."""
        process, writer = noted_process(self.folder), described.get("process")
        if process is None or not isinstance(writer, dict) or writer.get("pid") == process.get("pid"):
            return False
        before, after = writer.get("started"), process.get("started")
        return isinstance(before, float) and isinstance(after, float) and before < after

    def _description(self) -> dict[str, Any]:
        try:
            described = json.loads(read_small(self.folder / RUN_FILE, _MAX_BYTES))
        except (InputError, ValueError, RecursionError):
            return {}
        return described if isinstance(described, dict) else {}

    def _look(self, described: dict[str, Any], alive: bool) -> None:
        try:
            run = read_run(self.folder)
        except EngineError:
            run = self.run or RunRecord(self.folder, str(described.get("verb", "train")), "running")
        if alive and run.state != "running":
            run = RunRecord(run.path, run.verb, "running", run.epoch, run.n_epochs, run.checkpoint, run.bundle)
        self.run = run

    def _logged(self, described: dict[str, Any]) -> Iterator[EngineEvent]:
        while True:
            lines, anew = self._log.poll()
            if anew or (lines and not self._found):
                self._found = True
                assert self.run is not None  # looked at before the log
                yield RunFound(self.run, "Ptychoscope", _path_of(described.get("dataset")))
            if not lines:
                return
            for line in lines:
                values = values_of_line(line)
                if values is None:
                    continue
                event = self._preview(values) if values.get("event") == "patch_preview" else event_of(values)
                if event is not None:
                    yield event

    def _preview(self, values: dict[str, Any]) -> PatchPreview | None:
        name = values.get("file")
        path = self.folder / PREVIEW_FOLDER / str(name).rsplit("/", 1)[-1]
        try:
            return read_preview(path) if isinstance(name, str) and path.is_file() else None
        except InputError:
            return None  # They are thinned while the run goes on.

    def _end(self) -> Iterator[EngineEvent]:
        described = self._description()
        # Again: the last lines may have come between the first look at them and the end of their writer.
        yield from self._logged(described)
        self._look(described, alive=False)
        run = self.run
        assert run is not None  # looked at just now
        if not described or self._never_began(described):
            run = RunRecord(run.path, run.verb, "failed")
            yield RunEnded(run, died=True, message=_last_line(self.folder / CONSOLE_FILE) or "it wrote nothing")
            return
        if run.bundle is not None:
            try:
                yield BundleLoaded(read_bundle(run.bundle))
            except EngineError as error:
                yield MessageLogged("warning", f"The bundle of {self.folder.name} cannot be read: {error}")
        died = described.get("state") == "running"
        message = self._cause(described) if died else str(described.get("message", ""))
        yield RunEnded(run, died, message)

    def _cause(self, described: dict[str, Any]) -> str:
        """Return what is known of a process that has gone without saying how the run ended."""
        process, writer = noted_process(self.folder), described.get("process")
        if process is None or not isinstance(writer, dict) or writer.get("pid") != process.get("pid"):
            return "its process has gone without saying how the run ended"
        crash = _last_line(self.folder / CONSOLE_FILE, beginning=_CRASH)
        if crash:
            return f"its process crashed ({crash.removeprefix(_CRASH)}; {CONSOLE_FILE} in its folder says where)"
        return "its process was ended from outside; the system does so when the memory is short"


def newest_time(paths: Iterable[Path]) -> float | None:
    """Return the newest time of change of those that are there [s since 1970]."""
    times = []
    for path in paths:
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def _path_of(entry: Any) -> Path | None:
    path = entry.get("path") if isinstance(entry, dict) else None
    return Path(path) if isinstance(path, str) and path else None


def _last_line(path: Path, beginning: str = "") -> str:
    try:
        lines = read_small(path, _MAX_BYTES).decode("utf-8", "replace").split("\n")
    except InputError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip() and line.startswith(beginning)), "")
