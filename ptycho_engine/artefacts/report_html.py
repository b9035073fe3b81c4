"""The report of a run as one HTML file that needs nothing else and runs nothing.

Whatever comes from the run is text: every value goes through :func:`_text`, and the page forbids scripts and anything
from outside. Pictures of the run are put in as they are, if they are what they claim.
"""

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any, BinaryIO

from ptycho_engine import __version__
from ptycho_engine.artefacts.run_report import RunReport
from ptycho_engine.artefacts.strict_json import plain
from ptycho_engine.bundles.atomic import atomic_write
from ptycho_engine.bundles.plain_values import escape as visible
from ptycho_engine.errors import InputError
from ptycho_engine.ordinary_file import read_small

_PNG = b"\x89PNG\r\n\x1a\n"
_MAX_PICTURE_BYTES = 2 * 2**20
_MAX_PICTURES = 12
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --dim: #777; --warn: #b36b00; --bad: #c0392b; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; overflow-wrap: anywhere; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; } .number { text-align: right; font-variant-numeric: tabular-nums; }
code { font: .85em ui-monospace, monospace; } .dim { color: var(--dim); }
.warning { color: var(--warn); } .error { color: var(--bad); }
figure { display: inline-block; margin: 0 1em 1em 0; vertical-align: top; max-width: 22em; }
img { max-width: 100%; } figcaption { color: var(--dim); overflow-wrap: anywhere; }
"""


def report_html(report: RunReport) -> str:
    """Return the whole page."""
    title = f"{report.folder.resolve().name}: {report.verb}, {report.state}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        f'<p class="dim">Written by {_text(report.written_by)}; {len(report.files)} files, '
        f"{_text(_size(report.n_bytes))}. Folder {_text(report.folder)}</p>",
        *_diagnoses(report),
        *_section("Key metrics", ("", "figure", "value"), ((m.group, m.name, m.value) for m in report.metrics)),
        *_section("Configuration", ("setting", "value"), plain(report.configuration).items()),
        *_section("About", ("", "value"), plain(report.about).items()),
        *_pictures(report),
        *_section(
            "Files",
            ("name", "bytes", "SHA-256"),
            ((each.name, each.n_bytes, each.sha256 or each.problem) for each in report.files),
        ),
        f'<p class="dim">Ptychoscope {_text(__version__)}</p></body></html>',
    ]
    return "\n".join(parts) + "\n"


def write_report(report: RunReport, path: Path) -> None:
    """Write the page.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    data = report_html(report).encode("utf-8", "backslashreplace")

    def write(stream: BinaryIO) -> None:
        stream.write(data)

    atomic_write(path, write, None)


def _text(value: Any) -> str:
    """Return anything as text that the page shows and never obeys; what cannot be seen is shown as its code."""
    text = "".join(each if each.isprintable() else visible(each) for each in str(value))
    return escape(text, quote=True)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_value(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    return "–" if value is None else str(value)


def _cell(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    shape = ' class="number"' if number else ""
    return f"<td{shape}>{_text(_value(value))}</td>"


def _section(title: str, heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    body = [f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows]
    if not body:
        return []
    head = "".join(f"<th>{_text(each)}</th>" for each in heads)
    return [f"<h2>{_text(title)}</h2>", f"<table><thead><tr>{head}</tr></thead><tbody>", *body, "</tbody></table>"]


def _diagnoses(report: RunReport) -> list[str]:
    found = [
        f'<li class="{each.severity}"><strong>{_text(each.severity)}</strong> <code>{_text(each.id)}</code> '
        f"{_text(each.message)} {_text(each.hint)}</li>"
        for each in report.diagnoses
    ]
    found += [f'<li class="error">{_text(problem)}</li>' for problem in report.problems]
    return ["<h2>Findings</h2>", "<ul>", *found, "</ul>"] if found else []


def _pictures(report: RunReport) -> list[str]:
    names = [each.name for each in report.files if each.name.lower().endswith(".png") and each.sha256]
    figures = []
    for name in names[:_MAX_PICTURES]:
        data = _picture(report.folder / name)
        if data is not None:
            source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
            figures.append(
                f'<figure><img alt="{_text(name)}" src="{source}"><figcaption>{_text(name)}</figcaption></figure>'
            )
    return ["<h2>Pictures</h2>", *figures] if figures else []


def _picture(path: Path) -> bytes | None:
    try:
        data = read_small(path, _MAX_PICTURE_BYTES)
    except InputError:
        return None
    return data if data.startswith(_PNG) else None


def _size(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.4g} {unit}"
        size /= 1024
    return ""
