"""What was measured, as text: each case with its ways, then all figures to reach beside those reached."""

from collections.abc import Sequence

from ptycho_engine.benchmarks.row import OWN, Figure, Row

_WIDTH = 44


def row_text(row: Row) -> str:
    """Return a case with the CPU time of each way, its limit, and its figures."""
    lines = [f"{row.benchmark}: {row.case}"]
    for name, timing in row.timings.items():
        spread = f"{_number(timing.low * 1e3)} to {_number(timing.high * 1e3)}"
        lines.append(f"  {name:<{_WIDTH}} {_number(timing.median * 1e3):>9} ms   ({spread})")
    if row.limit is not None:
        own = row.timings.get(OWN)
        share = "" if own is None else f"   reached to {100 * row.limit.seconds / own.median:.0f} %"
        lines.append(f"  {'limit: ' + row.limit.text:<{_WIDTH}} {_number(row.limit.seconds * 1e3):>9} ms{share}")
    if row.values:
        lines.append(
            "  " + ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in row.values.items())
        )
    lines += [f"  {one.verdict:<4} {one.text}: {_reached(one)}" for one in row.figures]
    if row.note:
        lines.append(f"  {row.note}")
    return "\n".join(lines)


def figures_text(rows: Sequence[Row]) -> str:
    """Return all figures that are asked of this machine, one a line."""
    lines = ["figure to reach | figure reached (spread) | reached | case"]
    for row in rows:
        lines += [
            f"{one.text} | {_reached(one)} | {one.verdict} | {row.benchmark}: {row.case}"
            for one in row.figures
            if one.applies
        ]
    return "\n".join(lines)


def _reached(figure: Figure) -> str:
    value = f"{_number(figure.value)}{figure.unit if figure.unit == 'x' else ' ' + figure.unit}".rstrip()
    if figure.low == figure.high:
        return value
    return f"{value} ({_number(figure.low)} to {_number(figure.high)})"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
