"""``study``: the training recipes against each other, with seeds and spread."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptycho_engine.artefacts.folders import make_folder
from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import ConfigError
from ptycho_engine.formats import read_dataset
from ptycho_engine.physics.simulate import SimulateConfig, simulate_scan, test_path

if TYPE_CHECKING:
    from ptycho_engine.studies.recipes import StudyConfig

EXAMPLE = "study recipes --data scan.npz --test-data scan_test.npz --out study --tables scan short"
OBJECTS = ("lines", "shapes", "cells")
PHOTONS = (1e3, 1e5, 1e7)
_TEST_FRACTION = 0.25
_QUICK = {"n_groups": 96, "epochs": 2, "short_epochs": 2, "seeds": 1, "short_seeds": 2}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("what", choices=("recipes",), help="what is studied")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="the folder for outcomes and tables; a stopped study goes on there"
    )
    parser.add_argument("--data", metavar="D.npz", help="the scan to train on [default: a simulated one]")
    parser.add_argument("--test-data", metavar="T.npz", help="a scan of the same specimen, with its known object")
    parser.add_argument(
        "--tables",
        nargs="+",
        choices=("scan", "short", "ablation", "simulated"),
        default=["scan", "short", "ablation", "simulated"],
        help="which tables to make [default all]",
    )
    parser.add_argument(
        "--recipes",
        nargs="+",
        choices=("reliable", "compatible", "upstream"),
        default=None,
        help="which recipes are compared [default all]",
    )
    parser.add_argument(
        "--gridsizes",
        nargs="+",
        type=int,
        choices=(1, 2, 3),
        default=None,
        help="gridsizes of the table scan [default 1 2]",
    )
    for flag, text in (
        ("--n-groups", "patches of an epoch [default 816]"),
        ("--epochs", "epochs of the table scan [default 25]"),
        ("--short-epochs", "epochs of the other tables [default 8]"),
        ("--seeds", "seeds of the tables scan and ablation [default 3]"),
        ("--short-seeds", "seeds of the table short [default 10]"),
        ("--filters", "multiplies the filters of all networks [default: each recipe's own]"),
    ):
        parser.add_argument(flag, type=_positive, metavar="COUNT", default=None, help=text)
    parser.add_argument("--accelerator", choices=("auto", "cpu", "gpu"), default="auto", help="where to compute")
    parser.add_argument("--precision", choices=("32", "bf16"), default="32", help="arithmetic of the networks")
    parser.add_argument("--quick", action="store_true", help="a few minutes instead of hours: tiny trainings")


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Run the study and print its tables."""
    if (arguments.data is None) != (arguments.test_data is None):
        raise ConfigError("a study needs two scans or none", "Give both --data and --test-data, or neither.")
    out = Path(arguments.out)
    scans: dict[str, tuple[Dataset, Dataset]] = {}
    simulated: dict[str, str] = {}
    if arguments.data is not None:
        pair = (read_dataset(arguments.data), read_dataset(arguments.test_data))
    else:
        config = SimulateConfig(n_scan=200 if arguments.quick else 1088, seed=1, test_fraction=_TEST_FRACTION)
        pair = _simulated(config, out, console, interrupt)
    scan = _name(pair)
    scans[scan] = pair
    if "simulated" in arguments.tables:
        for title, config in _simulations(quick=arguments.quick).items():
            pair = _simulated(config, out, console, interrupt)
            simulated[title] = _name(pair)
            scans[_name(pair)] = pair
    interrupt.check()
    from ptycho_engine.studies.recipes import recipe_trials
    from ptycho_engine.studies.study import TABLES_FILE, run_study, write_tables

    trials = recipe_trials(_study(arguments), arguments.tables, scan, simulated)
    text = ""
    try:
        for event in interrupt.until(run_study(trials, scans, out)):
            console.event(event)
    finally:
        # Also of a study that is stopped: what it has found so far is worth a look.
        text = write_tables(trials, out)
    console.record({"event": "result", "verb": "study", "tables": out / TABLES_FILE}, text)
    return 0


def _study(arguments: argparse.Namespace) -> "StudyConfig":
    from ptycho_engine.studies.recipes import StudyConfig

    values: dict[str, Any] = dict(_QUICK) if arguments.quick else {}
    names = ("n_groups", "epochs", "short_epochs", "seeds", "short_seeds", "filters", "recipes", "gridsizes")
    values |= {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return StudyConfig(**values, accelerator=arguments.accelerator, precision=arguments.precision)


def _simulations(*, quick: bool) -> dict[str, SimulateConfig]:
    n_scan = 120 if quick else 1088
    usual = SimulateConfig(n_scan=n_scan, seed=2, test_fraction=_TEST_FRACTION)
    found = {
        f"{kind}, {photons:.0e} photons": replace(usual, object_kind=kind, n_photons=photons)
        for kind in OBJECTS
        for photons in PHOTONS
    }
    return found | {"lines, N = 128": replace(usual, n=128, seed=3)}


def _simulated(config: SimulateConfig, out: Path, console: Console, interrupt: Interrupt) -> tuple[Dataset, Dataset]:
    name = f"{config.object_kind}-{config.n}-{config.n_photons:.0e}-{config.n_scan}-{config.seed}.npz"
    path = out / "scans" / name
    if not (path.exists() and test_path(path).exists()):
        make_folder(path.parent)
        for event in interrupt.until(simulate_scan(config, path)):
            console.event(event)
    return read_dataset(path), read_dataset(test_path(path))


def _name(pair: tuple[Dataset, Dataset]) -> str:
    return f"{pair[0].fingerprint}/{pair[1].fingerprint}"


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value
