"""``report``: the artefact inventory of a run."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptycho_engine.artefacts.run_report import RunReport, report_run
from ptycho_engine.artefacts.strict_json import plain
from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt
from ptycho_engine.cli.value_text import value_text

EXAMPLE = "report run --html"
HTML_FILE = "report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("folder", metavar="DIR", help="a run folder, this program's or PtychoPINN's")
    parser.add_argument(
        "--html", action="store_true", help=f"write the report as one HTML file, {HTML_FILE} in the run folder"
    )
    parser.add_argument("--out", metavar="FILE.html", help="write the HTML file here instead")


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Report."""
    from ptycho_engine.artefacts.report_html import write_report

    interrupt.check()
    report = report_run(arguments.folder)
    console.record(
        {
            "event": "reported",
            "folder": arguments.folder,
            "written_by": report.written_by,
            "verb": report.verb,
            "state": report.state,
            "about": report.about,
            "configuration": report.configuration,
            "metrics": [asdict(each) for each in report.metrics],
            "diagnoses": [asdict(each) for each in report.diagnoses],
            "problems": report.problems,
            "n_bytes": report.n_bytes,
            "files": [asdict(each) for each in report.files],
        },
        _text(report),
    )
    written = None
    if arguments.html or arguments.out is not None:
        written = Path(arguments.folder) / HTML_FILE if arguments.out is None else Path(arguments.out)
        write_report(report, written)
        console.message("info", f"written: {written}")
    if console.json:
        console.record({"event": "result", "verb": "report", "n_files": len(report.files), "html": written})
    return 0


def _text(report: RunReport) -> str:
    lines = [f"{report.folder}: {report.verb} by {report.written_by}, {report.state}"]
    lines += _table("about", plain(report.about).items())
    lines += _table("configuration", plain(report.configuration).items())
    group = ""
    for metric in report.metrics:
        if metric.group != group:
            group = metric.group
            lines.append(f"{group}:")
        lines.append(f"  {metric.name}: {value_text(plain(metric.value))}")
    for each in report.diagnoses:
        lines.append(f"{each.severity} [{each.id}] {each.message} {each.hint}".rstrip())
    lines += [f"error: {problem}" for problem in report.problems]
    lines.append(f"{len(report.files)} files, {report.n_bytes} bytes:")
    lines += [
        f"  {each.sha256 or '(' + each.problem + ')':64}  {each.n_bytes:>12}  {each.name}" for each in report.files
    ]
    return "\n".join(lines)


def _table(title: str, rows: Any) -> list[str]:
    found = [f"  {key}: {value_text(value)}" for key, value in rows]
    return [f"{title}:", *found] if found else []
