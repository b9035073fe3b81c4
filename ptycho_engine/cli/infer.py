"""``infer``: reconstruct the object of a scan."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_engine.assumptions import CHOICES, assume, choices_text
from ptycho_engine.cli import UsageError
from ptycho_engine.cli.console import Console, metrics_text, misfit_text
from ptycho_engine.cli.interrupt import Interrupt
from ptycho_engine.cli.options import add_config_options, config_from
from ptycho_engine.cli.several import stoppable_alone, together, until_told
from ptycho_engine.config import InferConfig
from ptycho_engine.documents import Diagnosis
from ptycho_engine.errors import InputError
from ptycho_engine.events import DiagnosisFound, InferenceCompleted, MisfitMeasured, RefinementBegan
from ptycho_engine.examination import examine_bundle, examine_dataset, findings
from ptycho_engine.formats import read_dataset
from ptycho_engine.ranks import Ranks
from ptycho_engine.runs.event_record import canvas_summary

if TYPE_CHECKING:
    from ptycho_engine.inference_job import GroundTruth

EXAMPLE = "infer --bundle run/wts.h5.zip --data scan_test.npz --out result"

MAY_BE_SHARED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--bundle", required=True, metavar="B", help="the trained network (wts.h5.zip)")
    parser.add_argument("--data", required=True, metavar="T.npz", help="the scan to reconstruct")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder for results")
    parser.add_argument(
        "--assume",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="how to read a network whose bundle does not say it, as one may that is older or was saved by hand: "
        f"{choices_text()}; may be given for each name [default what fits the patterns best]",
    )
    parser.add_argument("--debug-dump", metavar="DIR", help="also write the debug dump to this folder")
    parser.add_argument(
        "--ground-truth",
        default="auto",
        metavar="auto|none|FILE",
        help="the object to compare with: the scan's own unless it is constant, none, or that of another file "
        "[default auto]",
    )
    add_config_options(
        parser,
        InferConfig,
        names={"preview_interval_s": "--preview-every SECONDS"},
        empty={"n_groups": "all", "batch_size": "auto", "crop": "auto", "patch_stats_limit": "all"},
    )


def run(arguments: argparse.Namespace, console: Console, interrupt: Interrupt) -> int:
    """Infer."""
    config = config_from(arguments, InferConfig)
    with together(config.accelerator, interrupt) as ranks:
        return _infer(arguments, config, console, interrupt, ranks)


def _infer(
    arguments: argparse.Namespace, config: InferConfig, console: Console, interrupt: Interrupt, ranks: Ranks
) -> int:
    from ptycho_engine.bundles import read_bundle

    dataset, bundle = read_dataset(arguments.data), read_bundle(arguments.bundle)
    bundle = assume(bundle, _assumptions(arguments.assume))
    for name, notes in ((dataset.name, dataset.notes), (bundle.name, bundle.notes)):
        for note in notes:
            console.message("info", f"{name}: {note}")
    truth = _truth(arguments.ground_truth)
    interrupt.check()
    diagnoses = [*findings(examine_bundle(bundle)), *findings(examine_dataset(dataset, bundle.model.gridsize))]
    for finding in diagnoses:
        console.event(DiagnosisFound(finding))
    interrupt.check()
    from ptycho_engine.inference import infer

    completed, began = None, None
    misfits: list[MisfitMeasured] = []
    events = infer(
        stoppable_alone(dataset, ranks, interrupt),
        bundle,
        config,
        ground_truth=truth,
        out=Path(arguments.out),
        debug_dump=None if arguments.debug_dump is None else Path(arguments.debug_dump),
        ranks=ranks,
    )
    for event in until_told(events, ranks, interrupt):
        console.event(event)
        if isinstance(event, InferenceCompleted):
            completed = event
        elif isinstance(event, RefinementBegan):
            began = event
        elif isinstance(event, MisfitMeasured):
            misfits.append(event)
        elif isinstance(event, DiagnosisFound):
            diagnoses.append(event.diagnosis)
    assert completed is not None  # an inference ends with its result or with an exception
    _tell(completed, began, misfits, diagnoses, console)
    return 0


def _assumptions(given: list[str]) -> dict[str, str]:
    words = {}
    for one in given:
        name, equals, word = one.partition("=")
        if not equals or word not in CHOICES.get(name, {}):
            raise UsageError(f"--assume {one} is not understood", f"It must be one of {choices_text()}.")
        words[name] = word
    return words


def _truth(word: str) -> "GroundTruth":
    if word == "auto":
        return "auto"
    if word == "none":
        return None
    object_ = read_dataset(word).object_
    if object_ is None:
        raise InputError("holds no object to compare with", "Give a file with an objectGuess.", file=word)
    return object_


def _tell(
    completed: InferenceCompleted,
    began: RefinementBegan | None,
    misfits: list[MisfitMeasured],
    diagnoses: list[Diagnosis],
    console: Console,
) -> None:
    values = {
        "event": "result",
        "verb": "infer",
        "run_folder": completed.run_folder,
        "canvas": canvas_summary(completed.canvas),
        "metrics": None if completed.metrics is None else asdict(completed.metrics),
        "diagnoses": [asdict(diagnosis) for diagnosis in diagnoses],
        "seconds": completed.seconds,
        "patches_per_s": completed.patches_per_s,
        "refinement": None
        if began is None
        else {
            "n_passes": began.n_passes,
            "n_patterns": began.n_patterns,
            "seconds": misfits[-1].seconds,
            "factor": misfits[-1].factor,
            "before": _misfit_values(misfits[0]),
            "after": _misfit_values(misfits[-1]),
        },
    }
    height, width = completed.canvas.object_.shape
    lines = [
        f"{len(completed.canvas.scan_positions)} patches on a canvas of {height} x {width} px "
        f"in {completed.seconds:.2f} s ({completed.patches_per_s:.0f} patches/s)"
    ]
    if completed.canvas.mode != "none":
        lines.append(f"compatibility mode {completed.canvas.mode}")
    if began is not None:
        visits = f"{began.n_passes} passes x {began.n_patterns} patterns"
        lines.append(f"the network's canvas, times {misfits[0].factor:.3g}: {misfit_text(misfits[0])}")
        lines.append(f"refined, {visits} in {misfits[-1].seconds:.2f} s: {misfit_text(misfits[-1])}")
    if completed.metrics is not None:
        lines.append(metrics_text(completed.metrics))
    lines.append(f"results: {completed.run_folder}")
    console.record(values, "\n".join(lines))


def _misfit_values(misfit: MisfitMeasured) -> dict[str, float | None]:
    return {"r_factor": misfit.r_factor, "deviance": misfit.deviance, "noise_deviance": misfit.noise_deviance}
