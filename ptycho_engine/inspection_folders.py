"""What there is to say about run folders, debug dumps and files of patch statistics, told by their content."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptycho_engine.artefacts.patch_stats_file import PATCH_STATS_FILE, read_patch_stats
from ptycho_engine.documents import PatchStats
from ptycho_engine.inspection import Inspection
from ptycho_engine.runs.event_record import bundle_summary
from ptycho_engine.runs.run_contents import RunContents, find_run, read_dump
from ptycho_engine.runs.run_figures import not_a_document


def inspect_folder(folder: Path) -> Inspection:
    """Tell what a folder is.

    Raises
    ------
    InputError
        If it holds neither a run nor a debug dump, or one that cannot be read.
    """
    run = find_run(folder)
    if run is not None:
        return Inspection("run", run_summary(run), run.diagnoses)
    dump = read_dump(folder)
    if dump is not None:
        return Inspection("dump", dump)
    if (folder / PATCH_STATS_FILE).exists():
        return inspect_patch_stats(folder / PATCH_STATS_FILE)
    raise not_a_document(folder)


def inspect_patch_stats(file: Path) -> Inspection:
    """Describe a file of patch statistics.

    Raises
    ------
    InputError
        If it is none.
    """
    entries = read_patch_stats(file)
    return Inspection(
        "stats",
        {
            "n_batches": len(entries),
            "phases": sorted({entry.phase for entry in entries}),
            "batches": [stats_row(entry) for entry in entries],
        },
    )


def looks_like_json(file: Path) -> bool:
    """Whether a file begins as a JSON list or object does."""
    with file.open("rb") as stream:
        return stream.read(64).lstrip()[:1] in (b"[", b"{")


def run_summary(run: RunContents) -> dict[str, Any]:
    """Return what one look at a run tells."""
    losses = run.losses
    summary: dict[str, Any] = {
        "written_by": run.written_by,
        "verb": run.verb,
        "state": run.state,
        "epoch": run.description.get("epoch", losses.n_epochs if losses else 0),
        "n_epochs": run.configuration.get("epochs", run.configuration.get("nepochs", 0)),
        "bundle": None if run.bundle is None else bundle_summary(run.bundle),
        "losses": [] if losses is None else [{"name": name} | asdict(each) for name, each in losses.columns.items()],
        "metrics": flat_numbers(run.metrics),
        "patch_stats": [
            {"file": stored.name} | stats_row(entry) for stored in run.stats for entry in stored.entries[:2]
        ],
        "dumps": [{"folder": name} | flat_numbers(dump) for name, dump in run.dumps.items()],
        "checkpoints": [name.rsplit("/", 1)[-1] for name in run.checkpoints],
        "problems": list(run.problems),
        "files": list(run.files),
    }
    if run.description:
        summary["configuration"] = dict(run.configuration)
        summary |= {key: run.description.get(key) for key in ("version", "started", "ended", "device", "seed")}
    return summary


def stats_row(entry: PatchStats) -> dict[str, Any]:
    """Return the statistics of one batch without those of its single patches."""
    return {
        "phase": entry.phase,
        "batch_idx": entry.batch_idx,
        "batch_size": entry.batch_size,
        "global_mean": entry.global_mean,
        "global_std": entry.global_std,
        "var_zero_mean": entry.var_zero_mean,
    }


def flat_numbers(table: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of nested tables by dotted names; lists and texts are left out."""
    found: dict[str, float] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= flat_numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = value
    return found
