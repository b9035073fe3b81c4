"""Write the run folder from the events of a verb, so that the verb itself does no file work for it."""

import csv
import json
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ptycho_engine.artefacts.figures import write_normalized_patch_grid
from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.artefacts.patch_stats_file import PatchStatsLog
from ptycho_engine.artefacts.strict_json import json_text
from ptycho_engine.errors import EngineError, OutputError, Stopped
from ptycho_engine.events import (
    CheckpointSaved,
    Delivery,
    DiagnosisFound,
    DiagnosisWithdrawn,
    EngineEvent,
    EpochDone,
    InferenceCompleted,
    JobStarted,
    LossMeasured,
    MessageLogged,
    PatchPreview,
    StatsMeasured,
    TrainingCompleted,
    ValidationMeasured,
)
from ptycho_engine.runs.event_record import event_record
from ptycho_engine.runs.folder_lock import hold_folder
from ptycho_engine.runs.run_folder import RunFolder
from ptycho_engine.runs.stored_previews import PREVIEW_FOLDER, write_preview

METRIC_COLUMNS = (
    "step",
    "epoch",
    "train_loss",
    "epoch_train_loss",
    "epoch_validation_loss",
    "learning_rate",
    "gradient_norm",
    "patches_per_s",
    "r_factor",
    "empty_r_factor",
    "poisson_deviance",
    "stranger_deviance",
    "overlap_consistency",
    "amplitude_correlation",
    "phase_correlation",
    "complex_correlation",
)
COUNTER_INTERVAL_S = 0.5
"""Shortest time between two lines of one kind of event that a newer one replaces."""
PREVIEW_INTERVAL_S = 2.0
"""Shortest time between two previews that are kept at first; it doubles each time they are thinned."""
MAX_PREVIEWS = 48


def record(events: Iterator[EngineEvent], folder: RunFolder) -> Generator[EngineEvent, None, None]:
    """Pass on the events of a verb and keep them in its run folder.

    The folder is held by this run alone from the first event to the last. A line that cannot be written any more is
    told once, as a warning, and does not end the run.

    Parameters
    ----------
    events
        What the verb yields; closed when this generator is.
    folder
        The run folder.
    """
    make_folder(folder.path)
    with hold_folder(folder.path):
        folder.begin()
        recorder = _Recorder(folder)
        try:
            for event in events:
                warning = recorder.keep(event)
                yield event
                if warning is not None:
                    yield warning
        except (GeneratorExit, Stopped, KeyboardInterrupt):
            recorder.finish("stopped")
            raise
        except BaseException as error:
            recorder.finish("failed", str(error) if isinstance(error, EngineError) else type(error).__name__)
            raise
        else:
            recorder.finish("completed")
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()


class _Recorder:
    """The open files of a run folder."""

    def __init__(self, folder: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self.clock = clock
        self.told: dict[type[EngineEvent], float] = {}
        self.log: TextIO | None = None
        self.metrics: TextIO | None = None
        self.stats = PatchStatsLog()
        self.previews = _Previews(folder.path / PREVIEW_FOLDER, clock)
        self.last_preview: PatchPreview | None = None
        self.broken = False
        self.newest_step = -1
        """Of the losses in ``metrics.csv``."""
        self.diagnoses: dict[str, dict[str, Any]] = {}

    def keep(self, event: EngineEvent) -> MessageLogged | None:
        """Write an event; return a warning the first time that this is not possible."""
        try:
            self._keep(event)
        except (OSError, OutputError) as error:
            if not self.broken:
                self.broken = True
                return MessageLogged("warning", f"The run folder cannot be written any more: {error}", shown=True)
        return None

    def finish(self, state: Any, message: str = "") -> None:
        """Write what is due at the end, whatever the end was."""
        try:
            suffix = "_inference" if self.folder.verb == "infer" else ""
            analysis = self.folder.path / "analysis"
            if self.stats.save(analysis / f"torch_patch_stats{suffix}.json") and self.last_preview is not None:
                shown = np.abs(self.last_preview.patches)
                write_normalized_patch_grid(shown, analysis / f"torch_patch_grid{suffix}.png", n_total=len(shown))
            self._line({"event": "ended", "state": state, "message": message})
            self.folder.end(state, message)
        except (OSError, OutputError):
            # The reason was told when it first happened; the job's own end matters more.
            self.broken = True
        finally:
            for file in (self.log, self.metrics):
                if file is not None:
                    file.close()

    def _keep(self, event: EngineEvent) -> None:
        saved = None
        if isinstance(event, JobStarted):
            self.folder.note(device=event.device)
        elif isinstance(event, (LossMeasured, EpochDone, ValidationMeasured)):
            self._metrics_row(event)
        elif isinstance(event, (DiagnosisFound, DiagnosisWithdrawn)):
            if isinstance(event, DiagnosisFound):
                self.diagnoses[event.diagnosis.id] = asdict(event.diagnosis)
            else:
                self.diagnoses.pop(event.id, None)
            self.folder.note(diagnoses=list(self.diagnoses.values()))
        elif isinstance(event, StatsMeasured):
            self.stats.add(event.stats)
        elif isinstance(event, PatchPreview):
            self.last_preview = event
            saved = self.previews.keep(event)
        elif isinstance(event, CheckpointSaved):
            self.folder.note(epoch=event.epoch, step=event.step)
        elif isinstance(event, (TrainingCompleted, InferenceCompleted)):
            self.told.clear()
        if self._is_due(event):
            self._line(event_record(event) | ({"file": saved} if saved else {}))

    def _is_due(self, event: EngineEvent) -> bool:
        if event.delivery is Delivery.EVERY:
            return True
        now = self.clock()
        if now - self.told.get(type(event), -np.inf) < COUNTER_INTERVAL_S:
            return False
        self.told[type(event)] = now
        return True

    def _line(self, values: dict[str, Any]) -> None:
        if self.log is None:
            self.log = (self.folder.path / "events.jsonl").open("a" if self.folder.resume else "w", encoding="utf-8")
        # One write for one line: who follows the file sees whole lines.
        self.log.write(json_text(values | {"time": time.time()}, indent=None) + "\n")
        self.log.flush()

    def _metrics_row(self, event: LossMeasured | EpochDone | ValidationMeasured) -> None:
        path = self.folder.path / "metrics.csv"
        if isinstance(event, LossMeasured):
            if self.metrics is not None and event.step <= self.newest_step:
                # The training has gone back: what it does again takes the place of what it did before.
                self.metrics.close()
                self._open_metrics(path, _rows_before(path, event.step))
            self.newest_step = event.step
        if self.metrics is None:
            self._open_metrics(path, _rows_before(path, event.step) if self.folder.resume else [])
        values: dict[str, Any] = {"step": event.step, "epoch": event.epoch}
        if isinstance(event, LossMeasured):
            values |= {"train_loss": event.loss, "gradient_norm": event.gradient_norm}
            values |= {"learning_rate": event.learning_rate, "patches_per_s": round(event.patches_per_s, 3)}
        elif isinstance(event, EpochDone):
            values |= {"epoch_train_loss": event.train_loss, "epoch_validation_loss": event.validation_loss}
            values["learning_rate"] = event.learning_rate
        else:
            values |= {name: value for name, value in asdict(event.figures).items() if value == value}
        assert self.metrics is not None  # opened above
        csv.writer(self.metrics).writerow(["" if (v := values.get(c)) is None else v for c in METRIC_COLUMNS])
        self.metrics.flush()

    def _open_metrics(self, path: Path, rows: list[list[str]]) -> None:
        self.metrics = path.open("w", encoding="utf-8", newline="")
        csv.writer(self.metrics).writerows([METRIC_COLUMNS, *rows])
        self.metrics.flush()


def _rows_before(path: Path, step: int) -> list[list[str]]:
    """Return the rows of an earlier part of the run that the part now beginning does not repeat."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
    except OSError:
        return []
    return [row for row in rows if len(row) == len(METRIC_COLUMNS) and row[0].isdecimal() and int(row[0]) < step]


class _Previews:
    """The previews on disk, thinned so that their number stays bounded and their steps evenly spaced."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self.folder = folder
        self.clock = clock
        self.interval_s = PREVIEW_INTERVAL_S
        self.next_s = -np.inf

    def keep(self, preview: PatchPreview) -> str | None:
        """Save a preview if it is time for one; return its path in the run folder."""
        now = self.clock()
        if preview.phase != "train" or now < self.next_s:
            return None
        self.next_s = now + self.interval_s
        make_folder(self.folder)
        path = self.folder / f"step-{preview.step:06d}.npz"
        write_preview(preview, path)
        kept = sorted(self.folder.glob("step-*.npz"))
        if len(kept) > MAX_PREVIEWS:
            for spare in kept[1:-1:2]:
                spare.unlink(missing_ok=True)
            self.interval_s *= 2
        return f"{self.folder.name}/{path.name}"


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of an ``events.jsonl``; one that is not complete, or damaged, is left out."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict) and line.endswith("\n"):
                yield values
