"""The window's own measurements, made in a process of their own: the engine knows no window."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

from ptycho_engine.benchmarks.row import Row
from ptycho_engine.benchmarks.settings import BenchSettings

MODULE = "app.benchmarks.window"
_LACKING = "The window cannot be measured here, and its rows are left out: {}."


def window(settings: BenchSettings, command: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield the rows that the window's own program prints; one that says why, where it does not run.

    Parameters
    ----------
    settings
        How long to measure.
    command
        What to run instead of it.
    """
    words = [sys.executable, "-m", MODULE] if command is None else list(command)
    environment = os.environ | {"QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
    with subprocess.Popen(
        [*words, str(settings.rounds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            yield Row.from_dict(json.loads(line))
        told = process.stderr.read().strip().splitlines()
    if process.returncode:
        yield Row("window", "left out", note=_LACKING.format(told[-1] if told else f"exit status {process.returncode}"))
