"""``compare``: say what differs between two bundles, checkpoints, datasets, reconstructions or runs."""

import argparse
import math
from dataclasses import asdict
from typing import Any

from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt
from ptycho_engine.cli.value_text import value_text
from ptycho_engine.comparison import Comparison, Difference, compare_files

EXAMPLE = "compare run-1/wts.h5.zip run-2/wts.h5.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("a", metavar="A", help="a bundle, checkpoint, dataset, reconstruction.npz or run folder")
    parser.add_argument("b", metavar="B", help="another of the same kind")
    parser.add_argument(
        "--limit",
        type=int,
        default=10,
        metavar="K",
        help="differences of each part that are printed as text, the worst; 0 prints all, --json always does "
        "[default 10]",
    )


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Compare."""
    interrupt.check()
    found = compare_files(arguments.a, arguments.b)
    values = {
        "event": "compared",
        "kind": found.kind,
        "a": arguments.a,
        "b": arguments.b,
        "n_differences": len(found.differences),
        "n_same": found.n_same,
        "figures": found.figures,
        "differences": [asdict(each) | {"distance": _json_distance(each.distance)} for each in found.differences],
    }
    console.record(values, _text(found, arguments.limit))
    if console.json:
        console.record({"event": "result", "verb": "compare", "n_differences": len(found.differences)})
    return 0


def _json_distance(distance: float) -> float | str:
    # JSON has no infinity; null would read as unknown.
    return distance if math.isfinite(distance) else "infinite"


def _text(found: Comparison, limit: int) -> str:
    lines = [f"{found.kind}s A = {found.a}, B = {found.b}: {_count(found)}"]
    # A curve is for --json.
    figures = {key: value for key, value in found.figures.items() if value not in (None, [], {}) and key != "frc"}
    lines += [f"  {key}: {value_text(value)}" for key, value in figures.items()]
    # Parts in the order of their worst: a changed setting is not lost among a hundred tensors that differ for it.
    for part in dict.fromkeys(each.part for each in found.differences):
        rows = [each for each in found.differences if each.part == part]
        shown = rows[:limit] if limit > 0 else rows
        lines.append(f"  {part}: {len(rows)} differ")
        lines += [f"    {_row(each)}" for each in shown]
        if len(shown) < len(rows):
            lines.append(f"    … {len(rows) - len(shown)} smaller ones (--limit 0 shows all)")
    return "\n".join(lines)


def _count(found: Comparison) -> str:
    same = ", ".join(f"{count} {part}" for part, count in found.n_same.items())
    if not found.differences:
        return f"no difference ({same} are equal)"
    return f"{len(found.differences)} differences, worst first; equal are {same or 'none'}"


def _row(each: Difference) -> str:
    distance = f"{each.distance:.3g}" if math.isfinite(each.distance) else "-"
    text = f"{distance:>9}  {each.name}: {_side(each.a)} | {_side(each.b)}"
    return f"{text}  ({each.detail})" if each.detail else text


def _side(value: Any) -> str:
    text = value_text(value)
    return text if len(text) <= 80 else text[:79] + "…"
