"""``inspect``: say what files are and what is wrong with them."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptycho_engine.artefacts.strict_json import plain
from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt
from ptycho_engine.cli.safety_text import tell_safety
from ptycho_engine.cli.value_text import value_text
from ptycho_engine.documents import Diagnosis
from ptycho_engine.errors import DatasetError, EngineError
from ptycho_engine.inspection import Inspection, inspect_file, uneven_counts

EXAMPLE = "inspect scan.npz run/wts.h5.zip run --layers"
BAD_INPUT = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="datasets, bundles, checkpoints, patch statistics, run and debug-dump folders",
    )
    parser.add_argument("--layers", action="store_true", help="list every tensor of a bundle or checkpoint")
    parser.add_argument(
        "--safety",
        action="store_true",
        help="list what every pickle in a file names and what it would have run, also of a file that is refused",
    )
    parser.add_argument("--frames", action="store_true", help="read all patterns of a dataset and describe them")


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Inspect one file after another; a bad one does not stop the rest."""
    n_bad = 0
    for file in arguments.files:
        interrupt.check()
        try:
            found = inspect_file(file, layers=arguments.layers, frames=arguments.frames)
        except EngineError as error:
            console.error(error, _uneven(file, error))
            n_bad += 1
            if arguments.safety:
                tell_safety(file, console)
            continue
        values = {
            "event": "inspected",
            "file": file,
            "kind": found.kind,
            "summary": found.summary,
            "diagnoses": [asdict(diagnosis) for diagnosis in found.diagnoses],
        }
        console.record(values, _text(file, found))
        if arguments.safety:
            tell_safety(file, console)
    if console.json:
        console.record({"event": "result", "verb": "inspect", "n_files": len(arguments.files), "n_bad": n_bad})
    return BAD_INPUT if n_bad else 0


def _uneven(file: str, error: EngineError) -> list[Diagnosis]:
    """Return the diagnosis of a scan that is refused because positions and patterns are not equally many."""
    if not isinstance(error, DatasetError) or not (" positions" in error.message or " ycoords" in error.message):
        return []
    finding = uneven_counts(Path(file))
    return [] if finding is None else [finding]


def _text(file: str, found: Inspection) -> str:
    lines = [f"{file}: {found.kind}"]
    for key, value in plain(found.summary).items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"  {key}:")
            lines += [f"    {_row(row)}" for row in value]
        else:
            lines.append(f"  {key}: {value_text(value)}")
    for diagnosis in found.diagnoses:
        lines.append(f"  {diagnosis.severity} [{diagnosis.id}] {diagnosis.message} {diagnosis.hint}".rstrip())
    return "\n".join(lines)


def _row(row: dict[str, Any]) -> str:
    return "  ".join(f"{key}={value_text(value)}" for key, value in row.items())
