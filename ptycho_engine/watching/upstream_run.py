"""Follow a run of PtychoPINN by the files that it leaves: nothing there says whether it still runs."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ptycho_engine.artefacts.patch_stats_file import read_patch_stats
from ptycho_engine.bundles import read_bundle
from ptycho_engine.documents import PatchStats, RunRecord
from ptycho_engine.errors import EngineError, InputError
from ptycho_engine.events import (
    BundleLoaded,
    BundleSaved,
    CheckpointSaved,
    EngineEvent,
    FileWritten,
    MessageLogged,
    RunEnded,
    RunFound,
    StatsMeasured,
)
from ptycho_engine.ordinary_file import read_small
from ptycho_engine.runs.run_contents import list_files
from ptycho_engine.runs.run_folder import BUNDLE_FILE
from ptycho_engine.watching.lightning_events import LightningEvents
from ptycho_engine.watching.lightning_table import LightningTable
from ptycho_engine.watching.own_run import newest_time
from ptycho_engine.watching.settled_files import SettledFiles

SETTLED_S = 5.0
"""How long nothing may have changed before a run with its bundle counts as complete: statistics come about then."""
_TOLERANCE_S = 2.0
_UNREADABLE_S = 30.0
"""How long a file may be unreadable, as one that is being written is, before that is told."""
_VERSION = re.compile(r"lightning_logs/version_(\d{1,9})/")
_PICTURES = re.compile(r"(.*/)?(reconstructed_\w+|pred_patches_\w+)\.png|(.*/)?(canvas|offsets|stats)\.json")
_EPOCHS = re.compile(rb"^  epochs: (\d{1,7})\s*$", re.MULTILINE)
_MAX_BYTES = 2**20


class UpstreamRun:
    """What is known of a run so far.

    Parameters
    ----------
    folder
        The output folder of PtychoPINN's training or inference.
    now
        The time [s since 1970].
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.run: RunRecord | None = None
        self.may_be_dead = True
        self.detached = False
        self._now = now
        self._names: tuple[str, ...] = ()
        self._log_folder: str | None = None
        self._table = LightningTable(folder / "metrics.csv")
        self._events = LightningEvents()
        self._files = SettledFiles(folder)
        self._stats: dict[str, list[PatchStats]] = {}
        self._bundle_read = False
        self._complained: set[str] = set()

    def news_time(self) -> float | None:
        """Return when something was last written [s since 1970]."""
        return newest_time(self.folder / name for name in self._names)

    def poll(self) -> Iterator[EngineEvent]:
        """Yield what has come since the last look; the last event, ``RunEnded``, when the run is at its end."""
        self._names = list_files(self.folder)
        if not self._names:
            # Gone, for a while or for good.
            return
        yield from self._find()
        yield from self._rows()
        for name in self._files.settled(self._names):
            yield from self._file(name)
        if self._is_complete():
            assert self.run is not None  # found above
            self.run = replace(self.run, state="completed")
            yield from self._events.rest()
            yield RunEnded(self.run)

    def _find(self) -> Iterator[EngineEvent]:
        """Turn to the newest log, if it is another one than before."""
        versions = {int(found[1]): found[0] for name in self._names if (found := _VERSION.match(name))}
        log_folder = versions[max(versions)] if versions else ""
        if self.run is not None and log_folder == self._log_folder:
            return
        first = self.run is None
        self._log_folder = log_folder
        self._table = LightningTable(self.folder / f"{log_folder}metrics.csv")
        self._begin(keeps_files=first)
        yield self._found()

    def _begin(self, *, keeps_files: bool = False) -> None:
        trained = bool(self._log_folder) or any(
            name == BUNDLE_FILE or name.startswith("checkpoints/") or name == "metrics.csv" for name in self._names
        )
        self.run = RunRecord(self.folder, "train" if trained else "infer", "running", 0, self._n_epochs())
        self._events = LightningEvents(self.run.n_epochs)
        self._bundle_read = False
        if not keeps_files:
            # What lies there already is of the run before; what this one writes is told when it changes.
            self._stats.clear()

    def _found(self) -> RunFound:
        assert self.run is not None  # made just now
        return RunFound(self.run, "PtychoPINN")

    def _n_epochs(self) -> int:
        try:
            # It carries tags of Python that a safe reader of YAML refuses, and one number is wanted.
            found = _EPOCHS.search(read_small(self.folder / f"{self._log_folder}hparams.yaml", _MAX_BYTES))
        except InputError:
            return 0
        return int(found[1]) if found else 0

    def _rows(self) -> Iterator[EngineEvent]:
        new = self._table.poll()
        if new.another_run:
            self._begin()
            yield self._found()
        if new.rows and not self._events.n_epochs:
            self._events.n_epochs = self._n_epochs()
        for row in new.rows:
            yield from self._events.of(row)
        if self.run is not None:
            self.run = replace(self.run, epoch=self._events.epoch, n_epochs=self._events.n_epochs)

    def _file(self, name: str) -> Iterator[EngineEvent]:
        path = self.folder / name
        last = name.rsplit("/", 1)[-1]
        if name == BUNDLE_FILE:
            yield from self._bundle(path)
        elif name.startswith("checkpoints/") and name.endswith(".ckpt"):
            if self.run is not None:
                self.run = replace(self.run, checkpoint=path)
            yield CheckpointSaved(path, self._events.epoch, self._events.step, not last.startswith("last"))
        elif last.startswith("torch_patch_stats") and last.endswith(".json"):
            yield from self._statistics(name)
        elif _PICTURES.fullmatch(name):
            yield FileWritten(path)

    def _bundle(self, path: Path) -> Iterator[EngineEvent]:
        try:
            bundle = read_bundle(path)
        except EngineError as error:
            yield from self._unreadable(BUNDLE_FILE, error)
            return
        self._bundle_read = True
        if self.run is not None:
            self.run = replace(self.run, bundle=path)
        yield BundleSaved(path)
        yield BundleLoaded(bundle)

    def _statistics(self, name: str) -> Iterator[EngineEvent]:
        try:
            entries = read_patch_stats(self.folder / name)
        except EngineError as error:
            yield from self._unreadable(name, error)
            return
        before = self._stats.get(name, [])
        self._stats[name] = entries
        # It is written again as a whole, with one entry more.
        kept = len(before) if entries[: len(before)] == before else 0
        for entry in entries[kept:]:
            yield StatsMeasured(self._events.step, entry)

    def _unreadable(self, name: str, error: EngineError) -> Iterator[EngineEvent]:
        """Try again at the next look; tell it once where the file has long come to rest."""
        self._files.again(name)
        written = newest_time([self.folder / name])
        if written is not None and self._now() - written > _UNREADABLE_S and name not in self._complained:
            self._complained.add(name)
            yield MessageLogged("warning", f"{name} cannot be read: {error}")

    def _is_complete(self) -> bool:
        newest = self.news_time()
        if self.run is None or newest is None or self._now() - newest < SETTLED_S:
            return False
        if self.run.verb == "infer":
            return {"reconstructed_amplitude.png", "reconstructed_phase.png"} <= set(self._names)
        if not self._bundle_read:
            return False
        # A bundle from before this run began belongs to an earlier one in the same folder.
        logs = (f"{self._log_folder}hparams.yaml", f"{self._log_folder}metrics.csv")
        began = next((at for name in logs if (at := newest_time([self.folder / name])) is not None), None)
        written = newest_time([self.folder / BUNDLE_FILE])
        return began is None or (written is not None and written >= began - _TOLERANCE_S)
