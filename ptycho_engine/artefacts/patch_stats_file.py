"""``torch_patch_stats.json``: a list with one entry per logged batch."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.artefacts.json_file import write_json
from ptycho_engine.artefacts.strict_json import json_text
from ptycho_engine.documents import PatchStats
from ptycho_engine.errors import InputError
from ptycho_engine.ordinary_file import read_small

PATCH_STATS_FILE = "torch_patch_stats.json"
_MAX_BYTES = 64 * 2**20
_PER_PATCH = ("patch_idx", "mean", "std", "min", "max")


class PatchStatsLog:
    """The batches logged so far, up to a limit.

    Parameters
    ----------
    limit
        Batches that are kept; ``None`` keeps all, 0 none.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.entries: list[PatchStats] = []

    @property
    def wants_more(self) -> bool:
        """Whether the statistics of another batch would be kept."""
        return self.limit is None or len(self.entries) < self.limit

    def add(self, stats: PatchStats) -> bool:
        """Keep ``stats`` if the limit allows; return whether it was kept."""
        if not self.wants_more:
            return False
        self.entries.append(stats)
        return True

    def save(self, path: Path) -> bool:
        """Write the file unless no batch was logged; return whether it was written."""
        if self.entries:
            write_patch_stats(self.entries, path)
        return bool(self.entries)


def write_patch_stats(entries: list[PatchStats], path: Path) -> None:
    """Write the list as JSON, indented by two; a figure that is not finite is written as ``null``."""
    make_folder(path.parent)
    write_json([_as_dict(entry) for entry in entries], path)


def patch_stats_text(entries: Sequence[PatchStats]) -> str:
    """Return the content of such a file; a figure that is not finite is ``null``."""
    return json_text([_as_dict(entry) for entry in entries]) + "\n"


def read_patch_stats(path: Path) -> list[PatchStats]:
    """Read a ``torch_patch_stats.json``, also one of PtychoPINN's own with its bare ``NaN``."""
    try:
        return _entries(json.loads(read_small(path, _MAX_BYTES)))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(
            "is not a list of patch statistics", "Give a torch_patch_stats.json as train writes it.", file=path
        ) from error


def _entries(content: Any) -> list[PatchStats]:
    if not isinstance(content, list):
        raise TypeError("not a list")
    return [_from_dict(entry) for entry in content]


def _as_dict(stats: PatchStats) -> dict[str, Any]:
    return {
        "phase": stats.phase,
        "batch_idx": stats.batch_idx,
        "batch_size": stats.batch_size,
        "global_mean": stats.global_mean,
        "global_std": stats.global_std,
        "var_zero_mean": stats.var_zero_mean,
        "per_patch": [dict(zip(_PER_PATCH, row, strict=True)) for row in stats.per_patch],
    }


def _from_dict(entry: dict[str, Any]) -> PatchStats:
    return PatchStats(
        phase=str(entry["phase"]),
        batch_idx=int(entry["batch_idx"]),
        batch_size=int(entry["batch_size"]),
        global_mean=_number(entry["global_mean"]),
        global_std=_number(entry["global_std"]),
        var_zero_mean=_number(entry["var_zero_mean"]),
        per_patch=tuple(
            (
                int(row["patch_idx"]),
                _number(row["mean"]),
                _number(row["std"]),
                _number(row["min"]),
                _number(row["max"]),
            )
            for row in entry["per_patch"]
        ),
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
