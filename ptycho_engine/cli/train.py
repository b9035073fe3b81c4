"""``train``: train a network and write the run folder."""

import argparse
from pathlib import Path

from ptycho_engine.cli.console import Console
from ptycho_engine.cli.interrupt import Interrupt
from ptycho_engine.cli.options import add_config_options, config_from
from ptycho_engine.cli.several import stoppable_alone, together, until_told
from ptycho_engine.config import TrainConfig
from ptycho_engine.documents import Dataset
from ptycho_engine.errors import OutputError
from ptycho_engine.events import TrainingCompleted
from ptycho_engine.formats import read_dataset
from ptycho_engine.ranks import Ranks

EXAMPLE = "train --data scan.npz --test-data scan_test.npz --out run --gridsize 1 --epochs 25 --seed 1"

MAY_BE_SHARED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--data", required=True, nargs="+", metavar="D.npz", help="the scan to train on, or several of them"
    )
    parser.add_argument("--test-data", metavar="T.npz", help="a scan for the validation loss")
    parser.add_argument("--out", required=True, metavar="DIR", help="the run folder")
    parser.add_argument("--config", metavar="FILE.json", help="settings, or an earlier run.json; flags override it")
    parser.add_argument("--resume", action="store_true", help="continue the training in DIR from its newest checkpoint")
    parser.add_argument("--start-from", metavar="BUNDLE", help="train on from the weights of this bundle")
    add_config_options(
        parser,
        TrainConfig,
        names={"preview_interval_s": "--preview-every SECONDS", "architecture": "--model NAME"},
        empty={
            "learning_rate": "auto",
            "batch_size": "auto",
            "n_photons": "auto",
            "patch_stats_limit": "all",
            "architecture": "auto",
            "early_stop_patience": "never",
        },
    )


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Train."""
    config = config_from(arguments, TrainConfig, arguments.config)
    with together(config.accelerator, interrupt) as ranks:
        return _train(arguments, config, console, interrupt, ranks)


def _train(
    arguments: argparse.Namespace, config: TrainConfig, console: Console, interrupt: Interrupt, ranks: Ranks
) -> int:
    datasets = [stoppable_alone(_read(path, console), ranks, interrupt) for path in arguments.data]
    test = None
    if arguments.test_data is not None:
        test = stoppable_alone(_read(arguments.test_data, console), ranks, interrupt)
    interrupt.check()
    from ptycho_engine.bundles import read_bundle
    from ptycho_engine.training import train

    start = None if arguments.start_from is None else read_bundle(arguments.start_from)
    out = Path(arguments.out)
    completed = None
    events = train(datasets, config, test_dataset=test, out=out, resume=arguments.resume, start_from=start, ranks=ranks)
    for event in until_told(events, ranks, interrupt):
        console.event(event)
        if isinstance(event, TrainingCompleted):
            completed = event
    assert completed is not None  # a training ends with its result or with an exception
    _tell(completed, console)
    if completed.run_folder is None and ranks.first:
        raise OutputError("the trained network could not be saved", "Resume with more space to write it.", file=out)
    return 0


def _read(path: str, console: Console) -> Dataset:
    dataset = read_dataset(path)
    for note in dataset.notes:
        console.message("info", f"{dataset.name}: {note}")
    return dataset


def _tell(completed: TrainingCompleted, console: Console) -> None:
    history, bundle = completed.history, completed.bundle
    train_loss = float(history.train_losses[-1]) if len(history.train_losses) else None
    validation = float(history.validation_losses[-1]) if len(history.validation_losses) else None
    values = {
        "event": "result",
        "verb": "train",
        "run_folder": completed.run_folder,
        "bundle": bundle.path,
        "epochs": len(history.epochs),
        "steps": len(history.steps),
        "train_loss": train_loss,
        "validation_loss": validation,
        "stopped_early": completed.stopped_early,
        "intensity_scale": bundle.intensity_scale,
        "input_scale": bundle.input_scale,
    }
    early = ", stopped early" if completed.stopped_early else ""
    text = f"trained {len(history.epochs)} epochs{early}" + ("" if train_loss is None else f", loss {train_loss:.6g}")
    console.record(values, f"{text}\nbundle: {bundle.path}")
