"""Outcomes as tables in Markdown, with their spread."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ptycho_engine.studies.recipes import TABLES, TITLES
from ptycho_engine.studies.trial import Outcome, Trial

_COLUMNS: tuple[tuple[str, Callable[[Outcome], float], int], ...] = (
    ("complex", lambda one: one.complex, 3),
    ("amplitude", lambda one: one.amplitude, 3),
    ("phase", lambda one: one.phase, 3),
    ("PSNR [dB]", lambda one: one.psnr_db, 1),
    ("SSIM", lambda one: one.ssim, 3),
)


def study_tables(trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> str:
    """Return one table for each part of a study, a row for each kind of training.

    A figure is the median over the seeds, with the least and the greatest where there are several. *Time* is the
    median wall time of a training, beside that of the first row of the same table.

    Parameters
    ----------
    trials
        In the order of the rows.
    outcomes
        By the keys of the trials; what is missing is left out.
    """
    parts = [_table(table, [one for one in trials if one.table == table], outcomes) for table in TABLES]
    return "\n".join(part for part in parts if part)


def _table(table: str, trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> str:
    rows: dict[str, list[Outcome]] = {}
    for trial in trials:
        if trial.key in outcomes:
            rows.setdefault(trial.row, []).append(outcomes[trial.key])
    if not rows:
        return ""
    heads = [
        "",
        "seeds",
        *(name for name, _, _ in _COLUMNS),
        "ill at the end",
        "named by epoch",
        "time [s]",
        "relative",
    ]
    lines = [f"## {TITLES[table]}", "", _row(heads), _row(["---"] * len(heads))]
    first = float(np.median([one.train_seconds for one in next(iter(rows.values()))]))
    for name, found in rows.items():
        seconds = float(np.median([one.train_seconds for one in found]))
        cells = [name, str(len(found))]
        cells += [_spread([value(one) for one in found], digits) for _, value, digits in _COLUMNS]
        cells += [_ill(found), _named(found)]
        lines.append(_row([*cells, f"{seconds:.0f}", f"{seconds / first:.2f}"]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _spread(values: Sequence[float], digits: int) -> str:
    finite = [value for value in values if np.isfinite(value)]
    if not finite:
        return "–"
    middle = f"{np.median(finite):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(finite):.{digits}f}–{max(finite):.{digits}f})"


def _ill(found: Sequence[Outcome]) -> str:
    """Say how many trainings are told to be ill at their end, and what is wrong with them."""
    names = sorted({name for one in found for name in one.standing})
    return f"{sum(one.collapsed for one in found)} of {len(found)}" + (f": {', '.join(names)}" if names else "")


def _named(found: Sequence[Outcome]) -> str:
    """Say in which epoch the ill trainings were told of, and whether a healthy one was called ill."""
    collapsed = [one.named_in_epoch for one in found if one.collapsed]
    healthy = [one for one in found if not one.collapsed and one.named_in_epoch is not None]
    words = []
    if collapsed:
        told = [epoch for epoch in collapsed if epoch is not None]
        words.append(f"{len(told)} of {len(collapsed)}" + (f", at latest in {max(told)}" if told else ""))
    if healthy:
        words.append(f"{len(healthy)} healthy")
    return "; ".join(words) or "–"
