"""The figures that a run, a debug dump or a file of patch statistics holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ptycho_engine.artefacts.patch_stats_file import PATCH_STATS_FILE, read_patch_stats
from ptycho_engine.documents import Bundle
from ptycho_engine.errors import InputError
from ptycho_engine.ordinary_file import require_readable
from ptycho_engine.runs.loss_table import LossTable
from ptycho_engine.runs.run_contents import DUMP_FILES, RunContents, StoredStats, find_run, read_dump


@dataclass(frozen=True, slots=True)
class RunFigures:
    """One document: a run folder, a debug dump, or a file of patch statistics."""

    path: Path
    kind: Literal["run", "dump", "stats"]
    stats: tuple[StoredStats, ...] = ()
    dumps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The debug dumps by the name of their folder; ``"."`` for the folder itself."""
    losses: LossTable | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Agreement with the known object, where it was measured."""
    bundle: Bundle | None = None
    """The network of the run, for its scales."""
    run: RunContents | None = None
    """The run as it lies on the disk, where this is one."""
    problems: tuple[str, ...] = ()
    """Parts that could not be read, one sentence each."""

    def of_phase(self, phase: str) -> tuple[StoredStats, ...]:
        """Return the statistics that were logged in a phase, ``"train"``, ``"val"`` or ``"inference"``."""
        return phase_of(self.stats, phase)

    @property
    def name(self) -> str:
        """A short name for lists: that of the folder, or of the file with its folder, for all such files are alike."""
        return f"{self.path.parent.name}/{self.path.name}" if self.kind == "stats" else self.path.name


def phase_of(stats: tuple[StoredStats, ...], phase: str) -> tuple[StoredStats, ...]:
    """Return what was logged in one phase, each file with its batches of that phase only."""
    parts = ((one.name, tuple(entry for entry in one.entries if entry.phase == phase)) for one in stats)
    return tuple(StoredStats(name, entries) for name, entries in parts if entries)


def read_figures(path: str | Path) -> RunFigures:
    """Read the figures of a run folder (this program's or PtychoPINN's), a debug dump or a file of patch statistics.

    A folder that holds such a file alone stands for it.

    Nothing in it is changed, and each part is read for itself: one that is broken is told in ``problems``.

    Parameters
    ----------
    path
        The folder or file; one of the tables of a debug dump stands for its folder.

    Raises
    ------
    InputError
        If it is none of these, or cannot be read.
    """
    path = Path(path)
    require_readable(path)
    if not path.is_dir():
        if path.name in DUMP_FILES and (dump := read_dump(path.parent)) is not None:
            return RunFigures(path.parent, "dump", dumps={".": dump})
        return RunFigures(path, "stats", stats=(StoredStats(path.name, tuple(read_patch_stats(path))),))
    run = find_run(path)
    if run is not None:
        return figures_of_run(run)
    dump = read_dump(path)
    if dump is not None:
        return RunFigures(path, "dump", dumps={".": dump})
    if (path / PATCH_STATS_FILE).exists():
        return read_figures(path / PATCH_STATS_FILE)
    raise not_a_document(path)


def not_a_document(folder: Path) -> InputError:
    """Return what is told of a folder that holds nothing to open."""
    return InputError(
        "is neither a run folder nor a debug dump, and holds no patch statistics",
        "Give the folder of a training or an inference, or one with a canvas.json, offsets.json, stats.json or "
        f"{PATCH_STATS_FILE}.",
        file=folder,
    )


def figures_of_run(run: RunContents) -> RunFigures:
    """Return the figures of a run that was read already."""
    return RunFigures(
        path=run.path,
        kind="run",
        stats=run.stats,
        dumps=run.dumps,
        losses=run.losses,
        metrics=run.metrics,
        bundle=run.bundle,
        run=run,
        problems=run.problems,
    )
