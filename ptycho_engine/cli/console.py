"""What a verb prints: readable text with a progress bar, or one JSON object a line."""

import math
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self, TextIO

from ptycho_engine.artefacts.strict_json import json_text
from ptycho_engine.documents import Diagnosis, FitFigures, ReconstructionMetrics
from ptycho_engine.errors import EngineError, OutputError
from ptycho_engine.events import (
    DiagnosisFound,
    DiagnosisWithdrawn,
    EngineEvent,
    EpochDone,
    FileWritten,
    InferenceCompleted,
    JobStarted,
    LossMeasured,
    MessageLogged,
    MetricsMeasured,
    MisfitMeasured,
    Progressed,
    RefinementBegan,
    RunFound,
    RunObserved,
    StatsMeasured,
    StepDone,
    TrainingCompleted,
    ValidationMeasured,
)
from ptycho_engine.runs.event_record import event_record


class Console:
    """The one place that prints.

    Parameters
    ----------
    json
        Print events as JSON.
    quiet
        Print results and errors only.
    silent
        Print errors only: another process prints the same.
    log_file
        Append messages to this file.
    """

    def __init__(
        self, *, json: bool = False, quiet: bool = False, silent: bool = False, log_file: str | None = None
    ) -> None:
        self.json = json
        self.quiet = quiet
        self._silent = silent
        self._log_path = log_file
        self._log: TextIO | None = None
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._close_bar()
        if self._log is not None:
            self._log.close()

    def event(self, event: EngineEvent) -> None:
        """Print an event."""
        if self._silent:
            return
        if self.json:
            _print_json(event_record(event))
        self._advance(event)
        text = _text(event)
        if text:
            self._say(_level(event), text)

    def message(self, level: str, text: str) -> None:
        """Print a message that is no event of the engine."""
        if self._silent:
            return
        if self.json:
            _print_json({"event": "message_logged", "level": level, "text": text})
        self._say(level, text)

    def record(self, values: dict[str, Any], text: str = "") -> None:
        """Print a result: as JSON, or as its text, even when quiet."""
        if self._silent:
            return
        self._close_bar()
        if self.json:
            _print_json(values)
        elif text:
            print(_printable(text), flush=True)
        self._write_log("info", text)

    def error(self, error: EngineError, diagnoses: Sequence[Diagnosis] = ()) -> None:
        """Print an error as one line on stderr, and as JSON where that is asked for, with the diagnoses it comes to."""
        self._close_bar()
        line = _printable(" ".join(str(error).split()))
        if self.json:
            values: dict[str, Any] = {
                "event": "error",
                "file": error.file,
                "message": error.message,
                "hint": error.hint,
            }
            if diagnoses:
                values["diagnoses"] = [asdict(diagnosis) for diagnosis in diagnoses]
            _print_json(values)
        print(line, file=sys.stderr, flush=True)
        self._write_log("error", line)

    def silence(self) -> None:
        """Stop printing to a reader that has gone."""
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        if sys.stderr.isatty() or self._bar is not None:
            os.dup2(devnull, sys.stderr.fileno())
        os.close(devnull)

    def _say(self, level: str, text: str) -> None:
        self._write_log(level, text)
        if self.json or (self.quiet and level == "info"):
            return
        text = _printable(text)
        line = text if level == "info" else f"{level}: {text}"
        if self._bar is not None:
            self._bar.clear()
        # What is not a result goes to stderr when it warns, so that stdout can be piped on.
        print(line, file=sys.stdout if level == "info" else sys.stderr, flush=True)
        if self._bar is not None:
            self._bar.refresh()

    def _write_log(self, level: str, text: str) -> None:
        if self._log_path is None or not text:
            return
        if self._log is None:
            try:
                self._log = open(self._log_path, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - closed with the console
            except OSError as error:
                path, self._log_path = self._log_path, None
                raise OutputError(
                    f"the log cannot be written ({error.strerror})", "Choose another log file.", file=path
                ) from error
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level.upper():7} {text}\n")
        self._log.flush()

    def _advance(self, event: EngineEvent) -> None:
        if isinstance(event, JobStarted) and not (self.json or self.quiet) and sys.stderr.isatty():
            from tqdm import tqdm

            self._close_bar()
            self._bar = tqdm(total=event.n_total, unit=f" {event.unit}", desc=event.verb, leave=False, smoothing=0.1)
        if self._bar is None:
            return
        if isinstance(event, StepDone):
            self._count(event.step, event.n_steps)
        elif isinstance(event, Progressed):
            self._count(event.n_done, event.n_total)
        elif isinstance(event, LossMeasured):
            self._bar.set_postfix_str(f"epoch {event.epoch + 1} loss {event.loss:.4g}", refresh=False)

    def _count(self, n_done: int, n_total: int) -> None:
        """Show how far it is; another total is another part of the work, as a rehearsal is before a training."""
        if n_total != self._bar.total:
            self._bar.reset(n_total)
        self._bar.update(n_done - self._bar.n)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _printable(text: str) -> str:
    """Return text from a file with what could move the cursor or turn the direction of reading shown as its code."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(each if each == "\n" or each.isprintable() else repr(each)[1:-1] for each in text)


def _print_json(values: dict[str, Any]) -> None:
    # A name that is no valid text, as file systems allow, is told by its codes, which JSON reads again.
    print(json_text(values, indent=None).encode("utf-8", "backslashreplace").decode(), flush=True)


def metrics_text(metrics: ReconstructionMetrics) -> str:
    """Return the agreement with the known object in one line."""
    return (
        f"against the known object: amplitude correlation {metrics.amplitude_correlation:.4f}, "
        f"phase correlation {metrics.phase_correlation:.4f}, complex {metrics.complex_correlation:.4f}, "
        f"PSNR {metrics.psnr_db:.2f} dB, SSIM {metrics.ssim:.4f} ({metrics.n_pixels} px)"
    )


def misfit_text(misfit: MisfitMeasured) -> str:
    """Return how far the predicted patterns are from the measured ones, in words."""
    text = f"R-factor {misfit.r_factor:.4f}"
    if misfit.deviance is not None and misfit.noise_deviance is not None:
        text += f", deviance {misfit.deviance:.4g} a pixel (noise alone: {misfit.noise_deviance:.3g})"
    return text


def fit_text(figures: FitFigures) -> str:
    """Return how good a network is in one line; what is not defined is left out."""
    parts = [
        f"  R-factor {figures.r_factor:.4f} (empty object {figures.empty_r_factor:.4f})",
        f"deviance {figures.poisson_deviance:.4g} per pixel",
    ]
    if math.isfinite(figures.overlap_consistency):
        parts.append(f"overlap {figures.overlap_consistency:z.3f}")
    if math.isfinite(figures.complex_correlation):
        parts.append(
            f"against the known object: amplitude {figures.amplitude_correlation:.3f}, "
            f"phase {figures.phase_correlation:.3f}, complex {figures.complex_correlation:.3f}"
        )
    return ", ".join(parts)


def _level(event: EngineEvent) -> str:
    if isinstance(event, MessageLogged):
        return event.level
    return event.diagnosis.severity if isinstance(event, DiagnosisFound) else "info"


def _text(event: EngineEvent) -> str:
    """Return what a person reads of an event; nothing for those that the progress bar shows."""
    text = ""
    if isinstance(event, MessageLogged):
        text = event.text
    elif isinstance(event, JobStarted):
        text = f"{event.verb}: {event.n_total} {event.unit} on {event.device}"
    elif isinstance(event, EpochDone):
        validation = "" if event.validation_loss is None else f"  validation {event.validation_loss:.6g}"
        best = "  (best)" if event.best else ""
        text = (
            f"epoch {event.epoch + 1}/{event.n_epochs}  loss {event.train_loss:.6g}{validation}"
            f"  learning rate {event.learning_rate:.2g}{best}"
        )
    elif isinstance(event, StatsMeasured):
        stats = event.stats
        text = (
            f"patch stats ({stats.phase} batch {stats.batch_idx}): mean={stats.global_mean:.6f} "
            f"std={stats.global_std:.6f} var_zero_mean={stats.var_zero_mean:.6f}"
        )
    elif isinstance(event, RefinementBegan):
        text = f"refining: {event.n_passes} passes over {event.n_patterns} patterns"
    elif isinstance(event, MisfitMeasured):
        text = f"pass {event.n_passes_done}/{event.n_passes}  {misfit_text(event)}"
    elif isinstance(event, DiagnosisFound):
        text = f"[{event.diagnosis.id}] {event.diagnosis.message} {event.diagnosis.hint}".rstrip()
    elif isinstance(event, DiagnosisWithdrawn):
        text = event.text
    elif isinstance(event, ValidationMeasured):
        text = fit_text(event.figures)
    elif isinstance(event, RunFound):
        text = f"{event.run.path}: a run of {event.written_by} ({event.run.verb})"
    elif isinstance(event, RunObserved):
        text = f"no news for {event.seconds_without_news:.0f} s" if event.silent else ""
    elif isinstance(event, (MetricsMeasured, FileWritten, TrainingCompleted, InferenceCompleted)):
        # Told as results, which are printed even when quiet.
        text = ""
    return text
