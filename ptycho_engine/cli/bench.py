"""``bench``: how fast this machine is, each figure to reach beside the figure reached."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt

if TYPE_CHECKING:
    from ptycho_engine.benchmarks.row import Row

EXAMPLE = "bench --quick --only stitching grouping --out bench.json"
NAMES = ("stitching", "inference", "training", "data", "grouping", "window")
_ROUNDS, _QUICK_ROUNDS, _MOST_ROUNDS = 5, 3, 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"which of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="smaller cases and fewer rounds, about a minute")
    parser.add_argument(
        "--rounds",
        type=_rounds,
        default=None,
        metavar="N",
        help=f"rounds in which the ways take turns [from 2, default {_ROUNDS}, quick {_QUICK_ROUNDS}]",
    )
    parser.add_argument(
        "--growth", action="store_true", help="also how the cost grows at 1, 10 and 100 times the size (minutes)"
    )
    parser.add_argument("--out", metavar="FILE.json", help="also write everything to this file")


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Measure."""
    from ptycho_engine.artefacts.json_file import write_json
    from ptycho_engine.benchmarks.machine import describe_machine
    from ptycho_engine.benchmarks.settings import BenchSettings
    from ptycho_engine.benchmarks.suite import GROWTH, measure
    from ptycho_engine.benchmarks.table import figures_text, row_text
    from ptycho_engine.device import compute_settings

    rounds = arguments.rounds or (_QUICK_ROUNDS if arguments.quick else _ROUNDS)
    settings = BenchSettings(rounds, quick=arguments.quick)
    names = [*(arguments.only or ([] if arguments.growth else NAMES)), *([GROWTH] if arguments.growth else [])]
    rows: list[Row] = []
    # The limits are those of one thread, and CPU time is that of all: with one thread both mean the same.
    with compute_settings(deterministic=True, threads=1):
        machine = describe_machine()
        console.message("info", machine.text())
        for row in measure(names, settings, machine):
            rows.append(row)
            if not console.json:
                console.message("info", "\n" + row_text(row))
            else:
                console.record({"event": "measured", **row.as_dict()})
            interrupt.check()
    values = {"machine": machine.as_dict(), "rounds": rounds, "rows": [row.as_dict() for row in rows]}
    if arguments.out:
        write_json(values, Path(arguments.out))
    console.record({"event": "result", "verb": "bench", **values}, "\n" + figures_text(rows))
    return 0


def _rounds(text: str) -> int:
    rounds = int(text)
    if not 2 <= rounds <= _MOST_ROUNDS:
        raise ValueError(text)
    return rounds


_rounds.__name__ = f"number of rounds, 2 to {_MOST_ROUNDS}"
