"""An event again from its line in ``events.jsonl``: the inverse of ``runs.event_record`` where nothing is lost."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ptycho_engine import events
from ptycho_engine.documents import Diagnosis, FitFigures, PatchStats, ReconstructionMetrics

Values = Mapping[str, Any]
Level = Literal["info", "warning", "error"]


def values_of_line(line: str) -> dict[str, Any] | None:
    """Return the object in a line of JSON, ``None`` where there is none."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def event_of(values: Values) -> events.EngineEvent | None:
    """Return the event that a record tells.

    ``None`` for one whose arrays or documents are not in it, and for one that this version does not know.
    """
    read = _READERS.get(str(values.get("event")))
    if read is None:
        return None
    try:
        return read(values)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _maybe(value: Any) -> float | None:
    return None if value is None else float(value)


def _path(value: Any) -> Path | None:
    return None if value is None else Path(value)


def _started(values: Values) -> events.EngineEvent:
    return events.JobStarted(
        str(values["verb"]),
        str(values["device"]),
        int(values["n_total"]),
        values["unit"],
        _path(values.get("run_folder")),
    )


def _message(values: Values) -> events.EngineEvent:
    level: Level = values["level"] if values["level"] in ("info", "warning", "error") else "info"
    return events.MessageLogged(level, str(values["text"]))


def _progressed(values: Values) -> events.EngineEvent:
    return events.Progressed(
        int(values["n_done"]), int(values["n_total"]), str(values["unit"]), _maybe(values.get("seconds_left"))
    )


def _step(values: Values) -> events.EngineEvent:
    step, n_steps, epoch, n_epochs = (int(values[name]) for name in ("step", "n_steps", "epoch", "n_epochs"))
    return events.StepDone(step, n_steps, epoch, n_epochs, _maybe(values.get("seconds_left")))


def _loss(values: Values) -> events.EngineEvent:
    return events.LossMeasured(
        int(values["step"]),
        int(values["epoch"]),
        loss=_number(values["loss"]),
        learning_rate=_number(values["learning_rate"]),
        gradient_norm=_number(values["gradient_norm"]),
        patches_per_s=_number(values["patches_per_s"]),
    )


def _epoch(values: Values) -> events.EngineEvent:
    return events.EpochDone(
        int(values["epoch"]),
        int(values["n_epochs"]),
        int(values["step"]),
        _number(values["train_loss"]),
        _maybe(values["validation_loss"]),
        _number(values["learning_rate"]),
        bool(values["best"]),
    )


def _validation(values: Values) -> events.EngineEvent:
    given = values["figures"]
    figures = FitFigures(
        r_factor=_number(given["r_factor"]),
        empty_r_factor=_number(given["empty_r_factor"]),
        poisson_deviance=_number(given["poisson_deviance"]),
        overlap_consistency=_number(given["overlap_consistency"]),
        amplitude_correlation=_number(given["amplitude_correlation"]),
        phase_correlation=_number(given["phase_correlation"]),
        complex_correlation=_number(given["complex_correlation"]),
        n_patches=int(given["n_patches"]),
        scan=given["scan"],
        stranger_deviance=_number(given.get("stranger_deviance", math.nan)),
    )
    return events.ValidationMeasured(int(values["step"]), int(values["epoch"]), figures)


def _stats(values: Values) -> events.EngineEvent:
    given = values["stats"]
    rows = tuple(
        (int(row[0]), _number(row[1]), _number(row[2]), _number(row[3]), _number(row[4])) for row in given["per_patch"]
    )
    stats = PatchStats(
        str(given["phase"]),
        int(given["batch_idx"]),
        int(given["batch_size"]),
        global_mean=_number(given["global_mean"]),
        global_std=_number(given["global_std"]),
        var_zero_mean=_number(given["var_zero_mean"]),
        per_patch=rows,
    )
    return events.StatsMeasured(int(values["step"]), stats)


def _metrics(values: Values) -> events.EngineEvent:
    given = values["metrics"]
    metrics = ReconstructionMetrics(
        amplitude_correlation=_number(given["amplitude_correlation"]),
        phase_correlation=_number(given["phase_correlation"]),
        complex_correlation=_number(given["complex_correlation"]),
        psnr_db=_number(given["psnr_db"]),
        ssim=_number(given["ssim"]),
        n_pixels=int(given["n_pixels"]),
    )
    return events.MetricsMeasured(metrics)


def _diagnosis(values: Values) -> events.EngineEvent:
    given = values["diagnosis"]
    if given["severity"] not in ("info", "warning", "error"):
        raise ValueError(given["severity"])
    found = Diagnosis(
        str(given["id"]),
        given["severity"],
        str(given["message"]),
        str(given["hint"]),
        dict(given.get("values") or {}),
        str(given.get("place") or ""),
    )
    return events.DiagnosisFound(found)


def _withdrawn(values: Values) -> events.EngineEvent:
    return events.DiagnosisWithdrawn(str(values["id"]), int(values["epoch"]))


def _checkpoint(values: Values) -> events.EngineEvent:
    return events.CheckpointSaved(Path(values["path"]), int(values["epoch"]), int(values["step"]), bool(values["best"]))


def _bundle(values: Values) -> events.EngineEvent:
    return events.BundleSaved(Path(values["path"]))


def _file(values: Values) -> events.EngineEvent:
    return events.FileWritten(Path(values["path"]))


_READERS: dict[str, Callable[[Values], events.EngineEvent]] = {
    "job_started": _started,
    "message_logged": _message,
    "progressed": _progressed,
    "step_done": _step,
    "loss_measured": _loss,
    "epoch_done": _epoch,
    "validation_measured": _validation,
    "stats_measured": _stats,
    "metrics_measured": _metrics,
    "diagnosis_found": _diagnosis,
    "diagnosis_withdrawn": _withdrawn,
    "checkpoint_saved": _checkpoint,
    "bundle_saved": _bundle,
    "file_written": _file,
}
