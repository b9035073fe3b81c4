"""The table of training against inference, and the figures of a run, as texts."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.display.value_text import value_text
from app.display.wording import number
from ptycho_engine.diagnostics.phase_comparison import FigureRow
from ptycho_engine.runs.run_figures import RunFigures

COLUMNS = ("training", "inference", "ratio", "in amplitude")
COLUMN_HELP = ("", "", "Inference over training", "The ratio as a factor of amplitude: of a variance its root")
ROW_HELP = {
    "min": "Of the patches that are described one by one",
    "max": "Of the patches that are described one by one",
}


def table_texts(rows: Sequence[FigureRow]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the table: the name of each row, and its four texts."""
    return [
        (
            row.name,
            (number(row.training, 7), number(row.inference, 7), _times(row.ratio), _times(row.amplitude_factor)),
        )
        for row in rows
    ]


def _times(factor: float | None) -> str:
    return "–" if factor is None else f"× {number(factor)}"


def run_rows(figures: RunFigures) -> Iterator[tuple[str, str, Any]]:
    """Yield what else a document holds: group, name and value."""
    from ptycho_engine.inspection_folders import flat_numbers

    run = figures.run
    if run is not None:
        yield ("run", "written by", run.written_by)
        yield ("run", "verb", run.verb)
        yield ("run", "state", run.state)
        for key in ("version", "started", "ended", "device", "seed", "message"):
            if run.description.get(key) not in (None, ""):
                yield ("run", key, run.description[key])
    if figures.losses is not None:
        yield ("losses", "epochs", figures.losses.n_epochs)
        for name, column in figures.losses.columns.items():
            yield ("losses", f"{name}, last", column.last)
            yield ("losses", f"{name}, least", column.least)
    for name, value in flat_numbers(figures.metrics).items():
        yield ("against the data and the known object", name, value)
    for folder, dump in figures.dumps.items():
        group = "debug dump" if folder == "." else f"debug dump {folder}"
        for name, value in flat_numbers(dump).items():
            yield (group, name, value)
    if run is not None:
        for name in run.checkpoints:
            yield ("checkpoints", name, "")
        for key, value in run.configuration.items():
            yield ("configuration", key, value)
        for name in run.files:
            yield ("files", name, "")
    for problem in figures.problems:
        yield ("could not be read", problem, "")


def value_cell(value: Any) -> tuple[str, Any]:
    """Return a value as text, and what it sorts by."""
    return value_text(value), value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
