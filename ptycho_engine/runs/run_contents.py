"""What lies in a run folder, this program's or PtychoPINN's: its files, configuration and key figures.

It is only ever read, and each part for itself: one that is broken is told and does not hide the others.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from ptycho_engine.artefacts.patch_stats_file import read_patch_stats
from ptycho_engine.documents import Bundle, Diagnosis, PatchStats
from ptycho_engine.errors import EngineError, InputError
from ptycho_engine.ordinary_file import read_small
from ptycho_engine.runs.loss_table import LossTable, read_loss_table
from ptycho_engine.runs.run_folder import BUNDLE_FILE, RUN_FILE, read_run

T = TypeVar("T")
MOST_FILES = 10_000
"""Files of a folder that are listed."""
_MAX_JSON_BYTES = 64 * 2**20
DUMP_FILES: dict[str, tuple[str, ...]] = {
    "canvas.json": ("patch_size", "canvas_size"),
    "offsets.json": ("count", "first_offsets_px"),
    "stats.json": ("patch_amplitude", "canvas_amplitude"),
}
"""The files of a debug dump, and what each holds."""


@dataclass(frozen=True, slots=True)
class StoredStats:
    """One file of patch statistics in a run."""

    name: str
    """Relative to the run folder."""
    entries: tuple[PatchStats, ...]


@dataclass(frozen=True, slots=True)
class RunContents:
    """A run as it lies on the disk."""

    path: Path
    written_by: Literal["Ptychoscope", "PtychoPINN"]
    verb: str
    """``"train"`` or ``"infer"``."""
    state: str
    """``"running"``, ``"completed"``, ``"stopped"``, ``"failed"``, or ``"unfinished"`` where nothing tells more."""
    description: Mapping[str, Any] = field(default_factory=dict)
    """The whole ``run.json``; empty for runs of PtychoPINN."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    losses: LossTable | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Agreement with the known object, where it was measured."""
    stats: tuple[StoredStats, ...] = ()
    dumps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The debug dumps by the name of their folder; ``"."`` for the run folder itself."""
    bundle: Bundle | None = None
    checkpoints: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Relative names, sorted; at most :data:`MOST_FILES`."""
    diagnoses: tuple[Diagnosis, ...] = ()
    """What was found while it ran."""
    problems: tuple[str, ...] = ()
    """Parts that could not be read, one sentence each."""


def list_files(folder: Path) -> tuple[str, ...]:
    """Return the names of what lies in a folder and below, relative and sorted; links to folders are not followed."""
    return tuple(sorted(islice(_walk(folder), MOST_FILES)))


def _walk(folder: Path) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders.sort()
        for name in files:
            yield (Path(where) / name).relative_to(folder).as_posix()


def read_dump(folder: Path) -> dict[str, Any] | None:
    """Return the tables of a debug dump by their names, or ``None`` if the folder holds none.

    Raises
    ------
    InputError
        If it holds one that cannot be read.
    """
    found: dict[str, Any] = {}
    for name, keys in DUMP_FILES.items():
        if (folder / name).is_file():
            table = read_table(folder / name)
            if any(key in table for key in keys):
                found[name.removesuffix(".json")] = table
    return found or None


def read_table(path: Path) -> dict[str, Any]:
    """Return a JSON object of plain data.

    Raises
    ------
    InputError
        If it is none, or cannot be read.
    """
    try:
        values = json.loads(read_small(path, _MAX_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"cannot be read ({reason})", "Write it again.", file=path) from error
    if not isinstance(values, dict):
        raise InputError("holds no table", "Write it again.", file=path)
    return values


def find_run(folder: Path) -> RunContents | None:
    """Return the run in a folder, told by its content; ``None`` if there is none.

    Raises
    ------
    InputError
        If there is a ``run.json`` that cannot be used.
    """
    names = list_files(folder)
    if RUN_FILE in names:
        return _own_run(folder, names)
    return _upstream_run(folder, names) if is_upstream_run(names) else None


def _own_run(folder: Path, names: tuple[str, ...]) -> RunContents:
    run = read_run(folder)
    description = read_table(folder / RUN_FILE)
    configuration = description.get("configuration")
    problems: list[str] = []
    metrics = _part(partial(read_table, folder / "metrics.json"), problems) if "metrics.json" in names else None
    return RunContents(
        path=folder,
        written_by="Ptychoscope",
        verb=run.verb,
        state=run.state,
        description=description,
        configuration=configuration if isinstance(configuration, dict) else {},
        losses=_part(partial(read_loss_table, folder / "metrics.csv"), problems) if "metrics.csv" in names else None,
        metrics=metrics or {},
        stats=_stats(folder, names, problems),
        dumps=_dumps(folder, names, problems),
        bundle=_bundle(folder, names, problems),
        checkpoints=_checkpoints(names),
        files=names,
        diagnoses=_diagnoses(description.get("diagnoses")),
        problems=tuple(problems),
    )


def is_upstream_run(names: tuple[str, ...]) -> bool:
    """Tell whether these names in a folder are those of a run of PtychoPINN."""
    pictures = {"reconstructed_amplitude.png", "reconstructed_phase.png"}
    return (
        BUNDLE_FILE in names
        or bool(_loss_tables(names))
        or pictures <= set(names)
        or any(name.startswith("analysis/torch_patch_stats") for name in names)
        or any(name.startswith("checkpoints/") and name.endswith(".ckpt") for name in names)
    )


def _loss_tables(names: tuple[str, ...]) -> list[str]:
    """Return the tables of metrics of a run of PtychoPINN, the one of the newest version last."""
    found = [name for name in names if name.startswith("lightning_logs/version_") and name.endswith("/metrics.csv")]
    found.sort(key=lambda name: (len(name), name))
    # Beside its own settings also where somebody has moved it up.
    return [*(["metrics.csv"] if {"metrics.csv", "hparams.yaml"} <= set(names) else []), *found]


def _upstream_run(folder: Path, names: tuple[str, ...]) -> RunContents:
    problems: list[str] = []
    tables = _loss_tables(names)
    bundle = _bundle(folder, names, problems)
    stats = _stats(folder, names, problems)
    trained = bool(tables) or BUNDLE_FILE in names or any(name.startswith("checkpoints/") for name in names)
    done = bundle is not None or (not trained and "reconstructed_amplitude.png" in names)
    return RunContents(
        path=folder,
        written_by="PtychoPINN",
        verb="train" if trained else "infer",
        # The bundle is written once, at the very end.
        state="completed" if done else "unfinished",
        configuration={} if bundle is None else dict(bundle.params),
        losses=_part(partial(read_loss_table, folder / tables[-1]), problems) if tables else None,
        stats=stats,
        dumps=_dumps(folder, names, problems),
        bundle=bundle,
        checkpoints=_checkpoints(names),
        files=names,
        problems=tuple(problems),
    )


def _part(read: Callable[[], T], problems: list[str]) -> T | None:
    """Return a part of the run, or ``None`` with the reason added to ``problems``."""
    try:
        return read()
    except EngineError as error:
        problems.append(str(error))
        return None


def _checkpoints(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name.startswith("checkpoints/") and name.endswith(".ckpt"))


def _bundle(folder: Path, names: tuple[str, ...], problems: list[str]) -> Bundle | None:
    # Imported here: with it come all readers of files, which a window that lists runs does not need.
    from ptycho_engine.bundles.read import read_bundle

    return _part(partial(read_bundle, folder / BUNDLE_FILE), problems) if BUNDLE_FILE in names else None


def _stats(folder: Path, names: tuple[str, ...], problems: list[str]) -> tuple[StoredStats, ...]:
    found = []
    for name in names:
        last = name.rsplit("/", 1)[-1]
        if last.startswith("torch_patch_stats") and last.endswith(".json"):
            entries = _part(partial(read_patch_stats, folder / name), problems)
            if entries:
                found.append(StoredStats(name, tuple(entries)))
    return tuple(found)


def _dumps(folder: Path, names: tuple[str, ...], problems: list[str]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for name in names:
        where, _, last = name.rpartition("/")
        if last in DUMP_FILES and (where or ".") not in found:
            dump = _part(partial(read_dump, folder / where), problems)
            if dump:
                found[where or "."] = dump
    return found


def _diagnoses(stored: Any) -> tuple[Diagnosis, ...]:
    found = []
    for entry in stored if isinstance(stored, list) else []:
        if isinstance(entry, dict) and entry.get("severity") in ("info", "warning", "error"):
            values = entry.get("values")
            name, message, hint = (str(entry.get(key, "")) for key in ("id", "message", "hint"))
            found.append(Diagnosis(name, entry["severity"], message, hint, values if isinstance(values, dict) else {}))
    return tuple(found)
