"""``simulate``: make a dataset."""

import argparse
from pathlib import Path

from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt
from ptycho_engine.cli.options import add_config_options, config_from
from ptycho_engine.events import FileWritten
from ptycho_engine.physics.simulate import SimulateConfig, simulate_scan

EXAMPLE = "simulate scan.npz --n-scan 1024 --object cells --n-photons 1e5"
DEFAULT_TEST_FRACTION = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("out", metavar="OUT.npz", help="the file to write; the test part goes to OUT_test.npz")
    add_config_options(
        parser,
        SimulateConfig,
        names={"object_kind": "--object", "probe_kind": "--probe", "from_file": "--from FILE"},
        empty={"step": "auto"},
        leave_out=("test_fraction",),
    )
    parser.add_argument(
        "--test-fraction",
        type=float,
        default=DEFAULT_TEST_FRACTION,
        metavar="FRACTION",
        help=f"part of the patterns that goes to OUT_test.npz [0 to 0.9, default {DEFAULT_TEST_FRACTION:g}]",
    )


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Simulate."""
    config = config_from(arguments, SimulateConfig)
    files = []
    for event in interrupt.until(simulate_scan(config, Path(arguments.out))):
        console.event(event)
        if isinstance(event, FileWritten):
            files.append(event.path)
    console.record(
        {"event": "result", "verb": "simulate", "files": files}, "\n".join(f"wrote {path}" for path in files)
    )
    return 0
