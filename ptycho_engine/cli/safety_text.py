"""The safety report of a file, in words and as JSON."""

from dataclasses import asdict

from ptycho_engine.bundles.safety import SafetyReport, safety_report
from ptycho_engine.bundles.trace import PickleTrace
from ptycho_engine.cli.console import Console
from ptycho_engine.errors import EngineError

_MOST_LINES = 40


def tell_safety(file: str, console: Console) -> None:
    """Print the safety report of ``file``; of what cannot be looked into, why."""
    try:
        report = safety_report(file)
    except EngineError as error:
        console.record({"event": "safety", "file": file, "pickles": [], "unread": [[file, str(error)]]})
        return
    values = {
        "event": "safety",
        "file": file,
        "is_plain": report.is_plain,
        "pickles": [asdict(trace) for trace in report.pickles],
        "unread": report.unread,
    }
    console.record(values, _text(file, report))


def _text(file: str, report: SafetyReport) -> str:
    lines = [f"{file}: safety: {report.verdict}"]
    for trace in report.pickles:
        lines += _trace_lines(trace)
    lines += [f"  {member}: not looked into: {reason}" for member, reason in report.unread]
    return "\n".join(lines)


def _trace_lines(trace: PickleTrace) -> list[str]:
    lines = [f"  {trace.member}: {trace.n_bytes} bytes, {trace.n_instructions} instructions"]
    for named in trace.globals:
        kind = "read as plain data" if named.known else "UNKNOWN"
        lines.append(f"    names {named.name} (byte {named.offset}, {named.n_calls} calls): {kind}")
    for call in trace.would_run:
        lines.append(f"    would run {call.name}{call.arguments} (byte {call.offset})")
    if trace.odd:
        lines.append(f"    uses {', '.join(trace.odd)}, which no genuine file needs")
    if trace.problem:
        lines.append(f"    {trace.problem}")
    if not trace.is_plain:
        lines += [f"    {line}" for line in trace.listing[:_MOST_LINES]]
        if len(trace.listing) > _MOST_LINES:
            lines.append(f"    … {trace.n_instructions - _MOST_LINES} more instructions")
    return lines
